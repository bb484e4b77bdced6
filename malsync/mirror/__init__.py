"""The mirror: the SQLite file that holds every snapshot. `Mirror` is the way in."""

from malsync.mirror.database import FILE_NAME
from malsync.mirror.store import Info, Mirror, Version

__all__ = ["FILE_NAME", "Info", "Mirror", "Version"]
