"""malsync backs up a MyAnimeList account whole, shows what changed, and puts lost entries back.

Everything that the command line does can be done from Python: `Home` is the folder that it keeps, `Client` the client of
MyAnimeList's API (docs/library.md). Names are imported when they are first used, so that `import malsync` costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from malsync.clock import Clock
    from malsync.errors import (
        ApiError,
        AuthError,
        Busy,
        Interrupted,
        ListKeptChanging,
        MalsyncError,
        MirrorError,
        NotFound,
        PrivateList,
        Refused,
        Rejected,
        RetryAfterTooLong,
        Transient,
        UsageError,
    )
    from malsync.mal.client import Client
    from malsync.mal.pagination import Pages, Thread
    from malsync.model.diff import Change
    from malsync.model.entry import Entry
    from malsync.model.medium import ANIME, MANGA, SEASONS, Medium
    from malsync.model.snapshot import Snapshot, User
    from malsync.operations.account import Account
    from malsync.operations.environment import Environment
    from malsync.operations.home import Home
    from malsync.operations.restore import PreparedRun
    from malsync.operations.retention import Policy
    from malsync.planning.restore_plan import Filters, Plan
    from malsync.throttle import Throttle
    from malsync.transport import Credentials

__all__ = [
    "ANIME",
    "API_URL",
    "MANGA",
    "SEASONS",
    "Account",
    "ApiError",
    "AuthError",
    "Busy",
    "Change",
    "Client",
    "Clock",
    "Credentials",
    "Entry",
    "Environment",
    "Filters",
    "Home",
    "Interrupted",
    "ListKeptChanging",
    "MalsyncError",
    "Medium",
    "MirrorError",
    "NotFound",
    "Pages",
    "Plan",
    "Policy",
    "PreparedRun",
    "PrivateList",
    "Refused",
    "Rejected",
    "RetryAfterTooLong",
    "Snapshot",
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
    "model.diff": ("Change",),
    "model.snapshot": ("Snapshot", "User"),
    "operations.account": ("Account",),
    "operations.environment": ("Environment",),
    "operations.home": ("Home",),
    "operations.restore": ("PreparedRun",),
    "operations.retention": ("Policy",),
    "planning.restore_plan": ("Filters", "Plan"),
    "clock": ("Clock",),
    "errors": (
        *(name for name in __all__ if name.endswith("Error")),
        *(
            "Busy",
            "Interrupted",
            "ListKeptChanging",
            "NotFound",
            "PrivateList",
            "Refused",
            "Rejected",
            "RetryAfterTooLong",
            "Transient",
        ),
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
