"""`latest/`: the newest list of each MAL user as a JSON snapshot beside the mirror. Losing the database loses no list."""

import re
from dataclasses import dataclass
from pathlib import Path

from malsync import files
from malsync.interchange import snapshot_file
from malsync.snapshot import Snapshot


@dataclass(frozen=True)
class Latest:
    """The folder `latest` of a home folder."""

    folder: Path

    def put(self, snapshot: Snapshot, place: int, *, is_good: bool) -> Path:
        """Write `snapshot` as `USER.json.gz` and return its path; `place` tells users of one name apart.

        A suspicious one goes to `USER.suspicious.json.gz` until a good one follows, so that it never replaces the last
        list that can be trusted. Raises UsageError, with the files as they were.
        """
        stem = safe_name(snapshot.user.name) + (f"-{place + 1}" if place else "")
        doubtful = self.folder / f"{stem}.suspicious.json.gz"
        target = self.folder / f"{stem}.json.gz" if is_good else doubtful
        files.make_folder(self.folder)
        snapshot_file.write(target, snapshot)
        if is_good:
            doubtful.unlink(missing_ok=True)
        return target


def safe_name(name: str) -> str:
    """`name` as part of a file's name: what an API says must not lead out of the folder."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name) or "_"
