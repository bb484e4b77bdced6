"""The world that a command runs in, passed in so that tests own it: environment, time, and who sits at the terminal."""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from malsync.cli.interruption import Unfinished
from malsync.clock import Clock

SECRET_VARIABLES = ("MALSYNC_ACCESS_TOKEN", "MALSYNC_CLIENT_SECRET")
"""What of the environment is told to nobody."""


def _environment() -> dict[str, str]:
    return dict(os.environ)


@dataclass(frozen=True)
class World:
    """`environment` is read once; `jitter` gives numbers from 0 to 1 for back-off."""

    environment: Mapping[str, str] = field(default_factory=_environment)
    clock: Clock = field(default_factory=Clock)
    jitter: Callable[[], float] = random.random
    unfinished: Unfinished = field(default_factory=Unfinished)
