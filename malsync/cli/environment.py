"""The environment of one command line: that of the process, and what Ctrl-C must not cut short."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from malsync.cli.interruption import Unfinished
from malsync.operations.environment import Environment

SECRET_VARIABLES = ("MALSYNC_ACCESS_TOKEN", "MALSYNC_CLIENT_SECRET")
"""Environment variables that no message and no hook may contain."""


@dataclass(frozen=True)
class World(Environment):
    """`unfinished` is the work in other threads that the process must not end in the middle of."""

    unfinished: Unfinished = field(default_factory=Unfinished)

    def refreshing(self) -> AbstractContextManager[None]:
        """Keep the process from ending while a token is refreshed. Raises ApiError when it is ending already."""
        return self.unfinished.held()
