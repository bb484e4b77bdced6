"""malsync backs up a MyAnimeList account whole, shows what changed, and puts lost entries back.

As a library it is a client of MyAnimeList's API (docs/library.md). Its names are imported when they are first used, so that
`import malsync` costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from malsync.clock import Clock
    from malsync.errors import (
        ApiError,
        AuthError,
        MalsyncError,
        NotFound,
        PrivateList,
        Rejected,
        RetryAfterTooLong,
        Transient,
        UsageError,
    )
    from malsync.mal.client import Client
    from malsync.mal.pagination import Pages, Thread
    from malsync.model.entry import Entry
    from malsync.model.medium import ANIME, MANGA, SEASONS, Medium
    from malsync.model.snapshot import User
    from malsync.throttle import Throttle
    from malsync.transport import Credentials

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
    "MalsyncError",
    "Medium",
    "NotFound",
    "Pages",
    "PrivateList",
    "Rejected",
    "RetryAfterTooLong",
    "Thread",
    "Throttle",
    "Transient",
    "UsageError",
    "User",
    "__version__",
]

__version__ = "0.1.0"
API_URL = "https://api.myanimelist.net/v2"
"""Where MyAnimeList serves its API."""

_MODULES = {
    "mal.client": ("Client",),
    "mal.pagination": ("Pages", "Thread"),
    "model.entry": ("Entry",),
    "model.medium": ("ANIME", "MANGA", "SEASONS", "Medium"),
    "model.snapshot": ("User",),
    "clock": ("Clock",),
    "errors": (
        *(name for name in __all__ if name.endswith("Error")),
        *("RetryAfterTooLong", "NotFound", "PrivateList", "Rejected", "Transient"),
    ),
    "throttle": ("Throttle",),
    "transport": ("Credentials",),
}
"""Where each public name is defined."""


if not TYPE_CHECKING:  # to a type checker, a module with a __getattr__ has every name

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for module, names in _MODULES.items():
            if name in names:
                return getattr(import_module(f"malsync.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
