"""What malsync's own files have in common: JSON that says what it is and of which version, before anything else is believed."""

from dataclasses import dataclass
from typing import Any

import orjson

from malsync.errors import UsageError
from malsync.schemas import find_problem
from malsync.text import shorten


@dataclass(frozen=True)
class FileFormat:
    """A kind of file: `what` it is in words, its newest version, and what to do about a bad one.

    `advice` is given where the file is of another kind, and `hint` or `repair` (the name of an advice) where it is damaged.
    The format's name and its schema are made of `what` and version: `malsync-snapshot`, `snapshot-1`.
    """

    what: str
    version: int
    advice: str
    hint: str = ""
    repair: str = ""

    @property
    def name(self) -> str:
        """What the file calls itself."""
        return f"malsync-{self.what}"

    def parse(self, content: bytes, name: str) -> dict[str, Any]:
        """The document in `content`, valid by its schema; `name` is what an error calls it.

        Raises UsageError for anything else: not JSON, another kind of file, a newer version, a wrong form.
        """
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise UsageError(f"{name} is cut short, or not JSON: {error}.", self.hint, advice=self.repair) from error
        if not isinstance(document, dict) or document.get("format") != self.name:
            raise UsageError(f"{name} is JSON, but not a malsync {self.what}.", advice=self.advice)
        version = document.get("version")
        if isinstance(version, int) and version > self.version:
            raise UsageError(
                f"{name} is a {self.what} of version {version}; this malsync reads up to {self.version}.",
                "Install the newest malsync in the way this one was installed (a clone: git pull, then install it again).",
            )
        found = find_problem(f"{self.what}-{self.version}", document)
        if found is not None:
            place = shorten(".".join(map(str, found.path)))
            where = f"{place}: " if place else ""
            raise UsageError(
                f"{name} is not a whole {self.what}: {where}{found.message}.", self.hint, advice=self.repair
            )
        return document
