"""Lists, edits and what MAL shows of them, for laws of plans and runs."""

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st

from malsync.model.entry import Key
from malsync.sandbox.media import MEDIA as FAR_SIDE
from malsync.sandbox.media import Kind
from tests.support.strategies import is_plain

Status = dict[str, Any]
Lists = dict[Key, Status]
"""Both lists by medium and id: list statuses that an account can hold, any member absent, null or blank."""
Draw = Callable[[st.SearchStrategy[Any]], Any]
# A known total, unknown ones, and a title of which MAL knows nothing at all.
TOTALS: dict[Key, dict[str, int]] = {
    ("anime", 1): {"num_episodes": 12},
    ("anime", 2): {"num_episodes": 0},
    ("anime", 30): {},
    ("manga", 1): {"num_volumes": 2, "num_chapters": 17},
    ("manga", 2): {"num_volumes": 0, "num_chapters": 100},
    ("manga", 30): {},
}
DATES = ("2021", "2021-12", "2021-12-31", "2021-01-01", "1999-02", "")
TAGS: tuple[list[str], ...]
TAGS = ([], ["a"], ["a", "b"], ["b", "a"], ["a", "a"], ["A"], [" spaced ", "two words"], ["進撃", "#", "0"])
MOMENTS = tuple(f"2026-10-31T12:{minute:02d}:0{minute % 10}+00:00" for minute in range(0, 60, 6))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(is_plain)
words = texts.map(lambda text: text.replace(",", ";") or "-").filter(is_plain)


def edits(key: Key) -> st.SearchStrategy[Status]:
    """Values of some of an entry's members, the status not among them."""
    found: list[tuple[str, Any]] = [("", None)] * 8
    for member in FAR_SIDE[key[0]].members:
        high = member.high or TOTALS[key].get(member.total or "", 0) or 500
        values: dict[Kind, Iterable[Any]] = {
            Kind.NUMBER: sorted({0, 1, min(2, high), high // 2, high}),
            Kind.FLAG: (False, True),
            Kind.DATE: DATES,
            Kind.TAGS: TAGS,
            Kind.TEXT: ("", "said", "two\nlines, &amp; more"),
            Kind.SERVER: MOMENTS,
        }
        found += [(member.read, one) for one in [None, *values.get(member.kind, ())] if member.read != "status"]
    free = texts.map(lambda text: ("comments", text)) | words.map(lambda word: ("tags", [word, "a"]))
    some = st.sampled_from(found)
    # Three draws and no list of them: that halves the time that all this takes.
    return st.tuples(some, some, some | free).map(lambda made: {name: one for name, one in made if name})


EDITS = {key: edits(key) for key in TOTALS}
STATUSES = {key: st.sampled_from(FAR_SIDE[key[0]].statuses) for key in TOTALS}
FRESH = {key: st.tuples(STATUSES[key], EDITS[key]).map(lambda made: {"status": made[0], **made[1]}) for key in TOTALS}
BECAME = st.sampled_from(["same", "same", "edited", "edited", "moved", "other", "gone"])


def became(draw: Draw, key: Key, before: Status | None) -> Status | None:
    """What may have become of an entry."""
    how = draw(BECAME)
    if how == "gone" or (before is None and how != "other"):
        return None
    if before is None or how == "other":
        fresh: Status = draw(FRESH[key])
        return fresh
    if how == "edited":
        return {**before, **draw(EDITS[key])}
    return {**before, "status": draw(STATUSES[key])} if how == "moved" else before


def evolved(draw: Draw, before: Lists, keys: Iterable[Key] = tuple(TOTALS)) -> Lists:
    """What may have become of the lists, where only the entries of `keys` may have changed."""
    now = {key: became(draw, key, before.get(key)) if key in keys else before.get(key) for key in TOTALS}
    return {key: one for key, one in now.items() if one is not None}


@st.composite
def chains(draw: Draw, length: int) -> tuple[Lists, ...]:
    """So many lists, each evolved from the one before."""
    first = {key: draw(st.none() | FRESH[key]) for key in TOTALS}
    found = [{key: one for key, one in first.items() if one is not None}]
    while len(found) < length:
        found.append(evolved(draw, found[-1]))
    return tuple(found)


def by_medium(lists: Lists) -> dict[str, dict[int, Status]]:
    return {name: {id: one for (medium, id), one in lists.items() if medium == name} for name in FAR_SIDE}


def shown(lists: Lists) -> Lists:
    """The lists as a person sees them: every member that a user can set, blanks where nothing was."""
    return {
        (name, id): {
            member.read: member.blank if one.get(member.read) in (None, "") else one[member.read]
            for member in FAR_SIDE[name].members
            if member.kind is not Kind.SERVER
        }
        for (name, id), one in lists.items()
    }
