"""The sandbox as tests of writes meet it: with comments shown encoded, and once more with comments shown as they were written."""

from collections.abc import Mapping
from typing import Any

from malsync import sandbox

SETTINGS = {"comment_entities": "encoded"}
"""Settings of every sandbox that a test starts, unless the test says otherwise. conftest.py changes them for tests of writes."""


class Sandbox(sandbox.Sandbox):
    """A sandbox with `SETTINGS`."""

    def __init__(
        self, world: sandbox.World | None = None, *, settings: Mapping[str, str] | None = None, **named: Any
    ) -> None:
        super().__init__(world, settings={**SETTINGS, **(settings or {})}, **named)
