"""`latest/`: the newest list of each MAL user as a JSON snapshot beside the mirror. Losing the database loses no list."""

import hashlib
import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from malsync import files
from malsync.errors import UsageError
from malsync.formats import snapshot_file
from malsync.model.snapshot import Snapshot, User

_ENDING = ".json.gz"
_LONGEST = 100


@dataclass(frozen=True)
class LatestCopy:
    """The folder `latest` of a home folder: `USER.json.gz`, and `USER~2.json.gz` for another user of that name."""

    folder: Path

    def last(self, user: User) -> Snapshot | None:
        """The newest good list of `user` that stands here; None when there is none, or none that can be read."""
        try:
            path = self._stem(user).with_suffix(_ENDING)
            files.refuse_irregular(path)
            return snapshot_file.read(path)
        except UsageError:
            return None

    def put(self, snapshot: Snapshot) -> Path:
        """Write `snapshot` and return its path. Raises UsageError, with the files as they were.

        A suspicious list goes to `USER.suspicious.json.gz`, one that lacks a list that stands here to
        `USER.partial.json.gz`, until a whole and good one follows: neither replaces the last one that can be trusted.
        """
        files.make_folder(self.folder)
        stem = self._stem(snapshot.user)
        endings = (_ENDING, snapshot_file.SUSPICIOUS, f".partial{_ENDING}")
        whole, suspicious, partial = map(stem.with_suffix, endings)
        target = suspicious if snapshot.suspicious else partial if _is_less(snapshot, whole) else whole
        files.refuse_irregular(target)
        files.remove_leftovers(target)
        snapshot_file.write(target, snapshot)
        if target == whole:
            for doubtful in (suspicious, partial):
                doubtful.unlink(missing_ok=True)
        return target

    def _stem(self, user: User) -> Path:
        """The first name that is free or this user's own: names need not be unique, and no list replaces another's."""
        for number in count(1):
            stem = self.folder / f"{safe_name(user.name)}{f'~{number}' if number > 1 else ''}.x"
            path = stem.with_suffix(_ENDING)
            if not path.exists() or snapshot_file.owner(path) == user.key:
                return stem
        raise AssertionError


def _is_less(snapshot: Snapshot, path: Path) -> bool:
    """Whether the file at `path` holds a list that `snapshot` does not."""
    covered = snapshot_file.head(path).get("covers", {}) if path.exists() else {}
    return any(snapshot.lists.get(name) is None and names is not None for name, names in covered.items())


def export_name(what: str, snapshot: Snapshot, ending: str) -> str:
    """The name that MAL gives an export: `animelist_1700000000_-_4711.xml.gz`, the time in seconds and the user's id."""
    whose = snapshot.user.id or safe_name(snapshot.user.name)
    return f"{what}_{int(snapshot.taken_at.timestamp())}_-_{whose}{ending}"


def safe_name(name: str) -> str:
    """`name` as part of a file's name: what an API says must not lead out of the folder.

    A long one is shortened, and stays different from others: a file's name has 255 bytes at most, endings included.
    """
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", name) or "_"
    if len(safe) <= _LONGEST:
        return safe
    return f"{safe[:_LONGEST]}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"
