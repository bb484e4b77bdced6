"""malsync backs up a MyAnimeList account whole, shows what changed, and puts lost entries back.

As a library it is a client of MyAnimeList's API (docs/library.md). Its names are imported when they are first used, so that
`import malsync` costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from malsync.api import Client
    from malsync.clock import Clock
    from malsync.credentials import Credentials
    from malsync.entry import Entry
    from malsync.errors import (
        ApiError,
        AuthError,
        Later,
        MalsyncError,
        NotFound,
        PrivateList,
        Rejected,
        Transient,
        UsageError,
    )
    from malsync.medium import ANIME, MANGA, SEASONS, Medium
    from malsync.pace import Pace
    from malsync.pages import Pages, Thread
    from malsync.snapshot import User

__all__ = [
    "ANIME",
    "API_URL",
    "MANGA",
    "SEASONS",
    "ApiError",
    "AuthError",
    "Client",
    "Clock",
    "Credentials",
    "Entry",
    "Later",
    "MalsyncError",
    "Medium",
    "NotFound",
    "Pace",
    "Pages",
    "PrivateList",
    "Rejected",
    "Thread",
    "Transient",
    "UsageError",
    "User",
    "__version__",
]

__version__ = "0.1.0"
API_URL = "https://api.myanimelist.net/v2"
"""Where MyAnimeList serves its API."""

_HOMES = {
    "api": ("Client",),
    "clock": ("Clock",),
    "credentials": ("Credentials",),
    "entry": ("Entry",),
    "errors": (
        "ApiError",
        "AuthError",
        "Later",
        "MalsyncError",
        "NotFound",
        "PrivateList",
        "Rejected",
        "Transient",
        "UsageError",
    ),
    "medium": ("ANIME", "MANGA", "SEASONS", "Medium"),
    "pace": ("Pace",),
    "pages": ("Pages", "Thread"),
    "snapshot": ("User",),
}


if not TYPE_CHECKING:  # to a type checker, a module with a __getattr__ has every name

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"malsync.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
