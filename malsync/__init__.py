"""malsync backs up a MyAnimeList account whole, shows what changed, and puts lost entries back."""

__version__ = "0.1.0"
