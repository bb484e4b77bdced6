"""The sandbox as tests of writes meet it: with comments shown encoded, and once more with comments shown as they were written."""

from collections.abc import Callable, Mapping
from typing import Any

from malsync import sandbox

SETTINGS = {"comment_entities": "encoded"}
"""Settings of every sandbox that a test starts, unless the test says otherwise. conftest.py changes them for tests of writes."""
ENCODABLE = frozenset("&<>\"'\r\n")
ENCODABLE_COMMENTS: list[str] = []
"""The comments that sandboxes with these settings received and that encoding changes. All others are shown alike with each."""


class Sandbox(sandbox.Sandbox):
    """A sandbox with `SETTINGS`."""

    def __init__(
        self,
        world: sandbox.World | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        heard: Callable[[dict[str, Any]], object] = lambda row: None,
        **named: Any,
    ) -> None:
        def note(row: dict[str, Any]) -> None:
            comments = str(row.get("form", {}).get("comments", ""))
            if "comment_entities" not in (settings or {}) and not ENCODABLE.isdisjoint(comments):
                ENCODABLE_COMMENTS.append(comments)
            heard(row)

        super().__init__(world, settings={**SETTINGS, **(settings or {})}, heard=note, **named)
