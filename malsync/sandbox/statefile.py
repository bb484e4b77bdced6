"""The file that a sandbox may remember itself in."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from malsync.sandbox.errors import SandboxError
from malsync.sandbox.wire import decoded
from malsync.sandbox.world import World

SPACING = 1.0
"""Seconds from one save to the next at least: a long run of writes must not save a big state after each."""


class StateFile:
    """Loads the world from a file if it is there, and saves it, whole and by rename, after changes and at the end.

    The file holds tokens, so only its owner may read it. Raises SandboxError for a file that is not a state.
    """

    def __init__(self, path: Path, world: World) -> None:
        self._path = path
        self._world = world
        self._dirty = Event()
        self._ending = Event()
        self._thread = Thread(target=self._keep, name="malsync-sandbox-state", daemon=True)
        if path.exists():
            try:
                world.put_state(decoded(path.read_bytes()))
            except (OSError, ValueError) as wrong:
                raise SandboxError(f"{path} cannot be loaded: {_words_of(wrong)}") from None

    def start(self) -> None:
        """Save from now on after changes, in a thread of its own."""
        self._thread.start()

    def changed(self) -> None:
        """Say that there is something to save."""
        self._dirty.set()

    def stop(self) -> None:
        """Save for the last time."""
        self._ending.set()
        self._dirty.set()
        self._thread.join()
        self.save()

    def save(self) -> None:
        """Write the file now, as a whole. Raises SandboxError where that cannot be done."""
        text = json.dumps(self._world.state(tokens=True), ensure_ascii=False, separators=(",", ":"))
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            beside.touch(0o600)
            beside.write_text(text, "utf-8")
            beside.replace(self._path)
        except OSError as wrong:
            raise SandboxError(f"the state cannot be saved in {self._path}: {_words_of(wrong)}") from None

    def _keep(self) -> None:
        while not self._ending.is_set():
            self._dirty.wait()
            self._dirty.clear()
            with suppress(SandboxError):  # the last save tells it
                self.save()
            self._ending.wait(SPACING)


def _words_of(wrong: Exception) -> str:
    """What is wrong, without the number and the path that Python puts around it."""
    return (isinstance(wrong, OSError) and wrong.strerror) or str(wrong)
