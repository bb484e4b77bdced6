"""Guards against lists and plans that look like an accident or like vandalism. Pure."""

from collections.abc import Collection, Iterable

from malsync.errors import EmptyList, SuspiciousList, TitlesDiffer, TooManyDeletes
from malsync.model.diff import count, diff
from malsync.model.medium import ANIME, MEDIA, Medium
from malsync.model.snapshot import Snapshot
from malsync.planning.known_titles import FOREIGN, Titles
from malsync.planning.restore_plan import Mode, Plan
from malsync.text import pluralize

LOST_AT_LEAST = 5
LOST_SHARE = 0.5
CHANGED_AT_LEAST = 50
CHANGED_SHARE = 0.25
FREE_DELETES = 10
"""A plan may delete this many entries unless the user allows another number."""


def suspicious(good: Snapshot, now: Snapshot) -> list[str]:
    """Return the reasons why `now` looks suspicious compared to `good`, at most one for each list.

    A list is suspicious if it had entries and is empty now; if it lost more than half of them, and at least 5; or if more
    than 25 % of them, and at least 50, were changed or removed. Members that malsync does not know do not count: a field that MAL
    adds one day would make every list suspicious.
    """
    return [reason for medium in MEDIA.values() if (reason := doubt(medium, good, now))]


def incomplete(came: int, counted: int | None) -> str | None:
    """Return why an anime list with `came` entries looks incomplete, where MAL's profile counts `counted`; None if it does not.

    A longer list is not suspicious: entries may have been added since.
    """
    if counted is None or came >= counted:
        return None
    return f"{ANIME.name}: the list has {pluralize(came, 'entry', 'entries')}, and MAL's profile counts {counted}"


def doubt(medium: Medium, good: Snapshot, now: Snapshot) -> str | None:
    """Return why one list of `now` looks suspicious compared to `good`, or None if it does not."""
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


# -- plans


def guard_deletes(plan: Plan, live: Snapshot, max_deletes: int | None, result: str = "Nothing was sent.") -> None:
    """Raise TooManyDeletes if `plan` deletes more than `max_deletes` entries.

    Without `max_deletes`, 10 may be deleted, but never every entry of a list. `result`: the end of the message.
    """
    if max_deletes is not None and plan.deletes <= max_deletes:
        return
    deleted = {call.key for call in plan.calls if call.op == "remove"}
    emptied = [
        name
        for name, medium in MEDIA.items()
        if (here := live.entries(medium)) and all((name, id) in deleted for id in here)
    ]
    if max_deletes is None and plan.deletes <= FREE_DELETES and not emptied:
        return
    what = (
        f"every entry of the {' and the '.join(emptied)} list"
        if emptied
        else pluralize(plan.deletes, "entry", "entries")
    )
    raise TooManyDeletes(
        f"This would delete {what}. {result}", advice="allow the deletions", count=plan.deletes, emptied=tuple(emptied)
    )


def guard_wanted(
    wanted: Snapshot, live: Snapshot, mode: Mode, *, media: Collection[str], name: str, migrating: bool, force: bool
) -> None:
    """Check the wanted list, which is to replace the live one (`exact`) or to be carried into another account.

    Raises SuspiciousList. Raises EmptyList if every list of `media` that it covers is empty, and with `exact` if one of
    them is that has entries live.
    """
    if force or not (migrating or mode == "exact"):
        return
    if wanted.suspicious:
        raise SuspiciousList(
            f"{name} is suspicious ({'; '.join(wanted.suspicious)}). Nothing was sent.",
            advice="look at the suspicious list",
        )
    covered = [medium for medium in media if wanted.lists.get(medium) is not None]
    empty = [medium for medium in covered if not wanted.lists[medium]]
    lost = [medium for medium in empty if live.lists.get(medium)]
    if covered and (len(empty) == len(covered) or (mode == "exact" and lost)):
        raise EmptyList(
            f"{name} holds no {' and no '.join(lost or empty)} at all. Nothing was sent.", advice="check the empty list"
        )


def guard_titles(name: str, titles: Titles, *, marked: Iterable[str] = (), force: bool) -> None:
    """Raise TitlesDiffer if most titles of the list `name` are not MAL's for these ids, now or when it was imported."""
    is_marked = any(reason.startswith(FOREIGN) for reason in marked)
    if force or not (titles.are_foreign or is_marked):
        return
    difference = f"{len(titles.different)} of {titles.compared} titles are" if titles.are_foreign else "Most titles are"
    raise TitlesDiffer(
        f"{difference} not what MAL calls these ids: the ids in {name} seem to belong to another site. Nothing was sent.",
        advice="fetch titles or force",
    )
