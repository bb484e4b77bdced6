"""The environment of a process, and who listens to what it does, both passed in."""

import os
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from malsync.clock import Clock

if TYPE_CHECKING:
    from malsync.mal.list_reader import Progress


def _variables() -> dict[str, str]:
    return dict(os.environ)


@dataclass(frozen=True)
class Environment:
    """Environment variables, read once; the clock; and `jitter`, which gives numbers from 0 to 1 for back-off."""

    environment: Mapping[str, str] = field(default_factory=_variables)
    clock: Clock = field(default_factory=Clock)
    jitter: Callable[[], float] = random.random

    def refreshing(self) -> AbstractContextManager[None]:
        """Entered while a token is refreshed: the process must not end before the new pair is stored."""
        return nullcontext()


class Listener(Protocol):
    """What a caller may show of long work. Every text is one line, without a secret."""

    def log(self, text: str) -> None:
        """Show a request that was sent."""

    def note(self, text: str) -> None:
        """Show what is being waited for or was chosen."""

    def warn(self, text: str) -> None:
        """Show what the user should know."""

    def reading(self) -> "AbstractContextManager[Progress]":
        """Show the progress of reading both lists, while entered."""


class Silent:
    """A listener that shows nothing."""

    def log(self, text: str) -> None:
        """Do nothing."""

    note = warn = log

    def reading(self) -> "AbstractContextManager[Progress]":
        """Show no progress."""
        from malsync.mal.list_reader import ignore_progress

        return nullcontext(ignore_progress)
