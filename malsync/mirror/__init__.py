"""The mirror: the SQLite file with every snapshot, the journal of all runs, and MAL's catalogue. Begin with `Mirror`."""

from malsync.mirror.database import FILE_NAME
from malsync.mirror.journal import Journal, Run
from malsync.mirror.pruning import Vacuumed
from malsync.mirror.snapshot_rows import SnapshotInfo, Version
from malsync.mirror.snapshots import Mirror
from malsync.mirror.verify import VerifyReport
from malsync.planning.journal_entry import JournalEntry

__all__ = [
    "FILE_NAME", "Journal", "JournalEntry", "Mirror", "Run", "SnapshotInfo", "Vacuumed", "VerifyReport", "Version",
]  # fmt: skip
