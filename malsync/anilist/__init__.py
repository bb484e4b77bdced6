"""The client of AniList's GraphQL API."""
