"""The file that keeps the state of a sandbox from one start to the next."""

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
"""Minimum seconds between two saves: a long run of writes must not save a big state after each."""


class StateFile:
    """Loads the world from a file if it exists, and saves it, whole and by rename, after changes and at the end.

    The file has tokens, so only its owner may read it. Raises SandboxError for a file that is not a state.
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
            except (OSError, ValueError) as error:
                raise SandboxError(f"{path} cannot be loaded: {_reason(error)}") from None

    def start(self) -> None:
        """Start the thread that saves after changes."""
        self._thread.start()

    def changed(self) -> None:
        """Note that there is something to save."""
        self._dirty.set()

    def stop(self) -> None:
        """Save for the last time."""
        self._ending.set()
        self._dirty.set()
        self._thread.join()
        self.save()

    def save(self) -> None:
        """Write the whole file now. Raises SandboxError."""
        text = json.dumps(self._world.state(tokens=True), ensure_ascii=False, separators=(",", ":"))
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            beside.touch(0o600)
            beside.write_text(text, "utf-8")
            beside.replace(self._path)
        except OSError as error:
            raise SandboxError(f"the state cannot be saved in {self._path}: {_reason(error)}") from None

    def _keep(self) -> None:
        while not self._ending.is_set():
            self._dirty.wait()
            self._dirty.clear()
            with suppress(SandboxError):  # the last save raises it
                self.save()
            self._ending.wait(SPACING)


def _reason(error: Exception) -> str:
    """Return the message without the number and the path that Python adds."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
