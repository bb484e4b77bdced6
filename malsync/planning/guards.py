"""The guard of backups: does this list look like an accident, or like somebody else's work? Pure."""

from malsync.model.diff import count, diff
from malsync.model.medium import ANIME, MEDIA, Medium
from malsync.model.snapshot import Snapshot
from malsync.text import pluralize

LOST_AT_LEAST = 5
LOST_SHARE = 0.5
CHANGED_AT_LEAST = 50
CHANGED_SHARE = 0.25


def suspicious(good: Snapshot, now: Snapshot) -> list[str]:
    """Why `now` is not to be trusted beside `good`, a sentence a list; empty when nothing is.

    A list that had entries is empty now; or lost more than half of them, and at least 5; or more than 25 % and at least 50
    of the entries that it had were changed or removed. Members that malsync does not know do not count: a field that MAL
    adds one day would make every list suspicious.
    """
    return [reason for medium in MEDIA.values() if (reason := doubt(medium, good, now))]


def incomplete(came: int, counted: int | None) -> str | None:
    """Why a list of anime is not to be trusted of which `came` entries were seen, and MAL's profile counts `counted`.

    More than were counted is no reason: some may have been added since.
    """
    if counted is None or came >= counted:
        return None
    return f"{ANIME.name}: {pluralize(came, 'entry', 'entries')} came, and the profile counts {counted}"


def doubt(medium: Medium, good: Snapshot, now: Snapshot) -> str | None:
    """Why one list of `now` is not to be trusted beside that of `good`; None when nothing is wrong with it."""
    had = len(good.entries(medium))
    if not had or now.lists.get(medium.name) is None:
        return None
    if not now.entries(medium):
        return f"{medium.name}: the list is empty, and had {pluralize(had, 'entry', 'entries')}"
    changes = count(diff(good, now, media={medium.name}, unknowns=False))
    lost, touched = changes["remove"], changes["remove"] + changes["update"]
    if lost >= LOST_AT_LEAST and lost > had * LOST_SHARE:
        return f"{medium.name}: {lost} of {had} entries are gone"
    if touched >= CHANGED_AT_LEAST and touched > had * CHANGED_SHARE:
        return f"{medium.name}: {touched} of {had} entries were changed or removed"
    return None
