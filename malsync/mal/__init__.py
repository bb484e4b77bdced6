"""The client of the MyAnimeList API v2: signing in, requests, pages, whole lists."""
