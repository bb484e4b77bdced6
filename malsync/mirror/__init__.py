"""The mirror: the SQLite file that holds every snapshot, the journal of every run, and the catalogue. `Mirror` is the way in."""

from malsync.mirror.database import FILE_NAME
from malsync.mirror.history import Version
from malsync.mirror.journal import Journal, JournalEntry, Run
from malsync.mirror.snapshots import Mirror, SnapshotInfo

__all__ = ["FILE_NAME", "Journal", "JournalEntry", "Mirror", "Run", "SnapshotInfo", "Version"]
