"""What the readers of the fuzz stand on: what a reader is, a folder for files, a time, an answer that is always the same."""

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3

from malsync import transport
from malsync.errors import MalsyncError
from tests.support.harness import TestTime

Read = Callable[[bytes], object]
TIME = TestTime()
API = "http://127.0.0.1:9/v2"
STATUSES = (200, 200, 200, 200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 429, 500, 503)
FOLDER = "FUZZ_FOLDER"
"""The environment's word for the folder in which a scratch folder is made."""
_scratch = Path(tempfile.gettempdir())


@dataclass(frozen=True)
class Reader:
    """One reader: `read` takes bytes; `seeds` are such as it accepts, or nearly."""

    name: str
    read: Read
    seeds: Callable[[], list[bytes]]

    def __call__(self, content: bytes) -> bool:
        """Whether it took the bytes; False where it said in words why not. Raises whatever is a defect."""
        try:
            self.read(content)
        except MalsyncError as error:
            if not error.message.strip() or "Traceback" in error.message:
                raise AssertionError(f"an error without a word for the user: {error.message!r}") from error
            return False
        return True


class Canned:
    """What stands for a session of requests: every answer is the same."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._told = status, headers, body

    def request(self, *_: Any, **__: Any) -> requests.Response:
        status, headers, body = self._told
        answer = requests.Response()
        answer.status_code = status
        answer.headers.update(headers)
        answer.raw = urllib3.HTTPResponse(io.BytesIO(body), headers=headers, status=status, preload_content=False)
        return answer


def split(content: bytes) -> tuple[int, bytes]:
    """The status that the first byte chooses, and the rest."""
    return (STATUSES[content[0] % len(STATUSES)] if content else 200), content[1:]


def folder() -> Path:
    """Where the readers may write."""
    return _scratch


def file(name: str, content: bytes) -> Path:
    """A file with these bytes."""
    path = _scratch / name
    path.write_bytes(content)
    return path


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the readers that read files. The same answer again would say nothing new, so no call is tried twice."""
    global _scratch
    before, tries = _scratch, transport.TRIES
    transport.TRIES = 1
    with tempfile.TemporaryDirectory(prefix="malsync-fuzz-", dir=_memory()) as made:
        _scratch = Path(made)
        try:
            yield _scratch
        finally:
            _scratch, transport.TRIES = before, tries


def _memory() -> str | None:
    return os.environ.get(FOLDER) or ("/dev/shm" if Path("/dev/shm").is_dir() else None)
