"""The home folder as commands see it: with the output that they print to."""

import shlex
from pathlib import Path

from malsync.cli.environment import World
from malsync.cli.output import Output
from malsync.errors import UsageError
from malsync.operations.home import LATEST_FOLDER, Home

_OWN_NAMES = {"mirror", "tokens", "accounts", "config", "malsync", "fetch", "last-error", "clock"}


class App(Home):
    """One run of malsync. `named_account` is what --account says, None where it says nothing."""

    world: World

    def __init__(self, world: World, home: str | None, named_account: str | None, output: Output) -> None:
        super().__init__(home, named_account, world, output)
        self.output = output

    def command(self, words: str) -> str:
        """The command line that does `words` in this home folder."""
        return f"malsync {f'--home {shlex.quote(self._home)} ' if self._home else ''}{words}"

    @property
    def named_home(self) -> Path | None:
        """The home folder in full, where it is another than one that stands by itself on this machine."""
        named = self._home or self.world.environment.get("MALSYNC_HOME") or self.world.environment.get("XDG_DATA_HOME")
        return self.folder.absolute() if named else None

    def target(self, text: str) -> Path:
        """The path of a file to write. Raises UsageError where malsync keeps something of its own, and for standard output."""
        from malsync.files import expand_home

        if text == "-":
            raise UsageError("This is not written to standard output.", "Name a file.")
        path = expand_home(text)
        home, there = self.folder.resolve(), path.resolve()
        is_own = there.parent == home and there.name.partition(".")[0] in _OWN_NAMES
        if is_own or there.is_relative_to(home / LATEST_FOLDER):
            raise UsageError(f"{path} is a place of malsync's own.", "Write to another file.")
        return path
