"""A keyring in a file: `PYTHON_KEYRING_BACKEND=tests.support.file_keyring.FileKeyring`, its place in `FILE_KEYRING`."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class FileKeyring(KeyringBackend):
    """Items by service and user name. An empty `FILE_KEYRING` is a keyring that is locked."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        return self._items().get(f"{service}: {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._write(self._items() | {f"{service}: {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        items = self._items()
        if items.pop(f"{service}: {username}", None) is None:
            raise PasswordDeleteError("not found")
        self._write(items)

    def _items(self) -> dict[str, str]:
        path = self._path()
        items: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return items

    def _write(self, items: dict[str, str]) -> None:
        self._path().write_text(json.dumps(items))

    def _path(self) -> Path:
        if not os.environ.get("FILE_KEYRING"):
            raise KeyringLocked("the keyring is locked")
        return Path(os.environ["FILE_KEYRING"])
