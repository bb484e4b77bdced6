"""The environment of a process, passed in so that tests own it."""

import os
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from malsync.clock import Clock


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
