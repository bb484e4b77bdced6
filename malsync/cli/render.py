"""Lists and changes as text for people and as JSON documents for programs. Pure: it returns, and prints nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import zip_longest
from typing import Any

from malsync.model.diff import Change, Op, count
from malsync.model.entry import Entry
from malsync.model.medium import Json, Kind, Medium
from malsync.planning.restore_plan import Left, Plan, PlannedWrite, from_to
from malsync.text import PAST_TENSE, display_width, full_value, short_value, shorten, visible, wrap

SIGNS = {"add": "+", "update": "~", "remove": "-"}


def change_lines(change: Change) -> Iterator[str]:
    """One change: what and which title, then a line a field. A removed entry shows what is lost."""
    yield f"{SIGNS[change.op]} {change.medium.name} {change.id}  {visible(change.title)}"
    width = max((len(name) for name in change.fields), default=0)
    for name in change.medium.ordered(change.fields):
        was, now = change.fields[name]
        label = f"    {visible(name):{width}}  "
        if change.op == "add":
            yield label + short_value(now)
        elif change.op == "remove":
            yield label + short_value(was)
        else:
            yield f"{label}{short_value(was)} -> {short_value(now)}"


def summary(counts: Mapping[Any, int]) -> str:
    """What changed, in one line."""
    return ", ".join(f"{counts[op]} {word}" for op, word in PAST_TENSE.items())


def counted(counts: Mapping[str, int | None]) -> str:
    """How long both lists are, in one line."""
    return ", ".join(f"{name} unknown" if found is None else f"{found:,} {name}" for name, found in counts.items())


_UNITS = {"num_volumes_read": "vol", "num_chapters_read": "ch"}


def progress(medium: Medium, entry: Entry) -> str:
    """How far one is: episodes, or volumes and chapters, each with its unit where there are two."""
    counts = {name: str(entry.list_status.get(name) or 0) for name in medium.progress}
    if len(counts) == 1:
        return "".join(counts.values())
    return ", ".join(f"{count} {_UNITS[name]}" for name, count in counts.items())


def status_word(entry: Entry) -> str:
    """The status as a person says it."""
    return visible(str(entry.list_status.get("status") or "none").replace("_", " "))


def changes_document(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes, as `diff --json` and every other command that reports some has them."""
    return [
        {
            "op": change.op,
            "medium": change.medium.name,
            "id": change.id,
            "title": change.title,
            "fields": {name: from_to(change.fields[name]) for name in change.medium.ordered(change.fields)},
        }
        for change in changes
    ]


def diff_document(a: dict[str, Any], b: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
    """`diff --json`."""
    return {"from": a, "to": b, "counts": count(changes), "changes": changes_document(changes)}


def entry_document(medium: Medium, entry: Entry) -> dict[str, Any]:
    """One entry, as `show --json` has it."""
    return {
        "medium": medium.name,
        "id": entry.id,
        "title": entry.title,
        "list_status": medium.arranged(entry.list_status),
    }


def short(medium: Medium, list_status: Mapping[str, Json]) -> str:
    """An entry's data on one line: what is set, in the table's order."""
    parts = [
        short_value(item) if field.kind is Kind.WORD else f"{field.name} {short_value(item)}"
        for field in medium.writable
        if (item := list_status.get(field.name)) is not None and item not in (field.kind.blank, "")
    ]
    return ", ".join(parts)


# -- plans and what came of them

FOLD = 20
"""The number of titles of a kind that a plan shows before it says how many more there are."""
_CELL = 14
_TO_DO: dict[Op, str] = {"add": "add", "update": "update", "remove": "delete"}


def plan_summary(plan: Plan) -> str:
    """What a plan does, in a few words with its numbers."""
    return ", ".join(f"{word} {plan.counts[op]:,}" for op, word in _TO_DO.items() if plan.counts[op]) or "nothing to do"


def duration(seconds: float) -> str:
    """A time to wait, as one says it."""
    if seconds < 2:
        return "a moment"
    if seconds < 100:
        return f"about {seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"about {minutes} minutes" if minutes < 100 else f"about {minutes // 60} h {minutes % 60:02} min"


def plan_table(
    calls: Sequence[PlannedWrite], columns: int, *, whole: bool
) -> tuple[list[tuple[str, str, str, str, str]], dict[str, int]]:
    """A row for each title: sign, title, and a line for each field with its name, from and to; and how wide the last two are.

    An added entry shows every field that is sent, a removed one every field that is lost. What is too long for `columns` is
    shortened; with `whole` it is wrapped.
    """
    pairs = [pair for call in calls for pair in call.fields.values()] or [(None, None)]
    needs = [max(display_width(short_value(pair[side])) for pair in pairs) for side in (0, 1)]
    room = columns - _REST - max((len(name) for call in calls for name in call.fields), default=0)
    was = max(_CELL, min(needs[0], max(room // 2, room - needs[1]))) if needs[0] > _CELL else needs[0]
    widths = {"from": max(was, len("from")), "to": max(_CELL, room - was)}
    return [_plan_row(call, widths, whole=whole) for call in calls], widths


_REST = 1 + 4 * len("   ") + 19
"""What a row takes beside its field, from and to: the sign, what stands between, and room for the title."""


def _plan_row(call: PlannedWrite, widths: Mapping[str, int], *, whole: bool) -> tuple[str, str, str, str, str]:
    lines: list[tuple[str, str, str]] = []
    for name in call.medium.ordered(call.fields) or ["status"]:
        pair = call.fields.get(name, (None, None))
        was, to = (_cell(item, width, whole=whole) for item, width in zip(pair, widths.values(), strict=True))
        lines += zip_longest([visible(name)], was, to, fillvalue="")
    title = f"{shorten(visible(call.title)) or 'no title'} ({call.medium.name}:{call.id})"
    names, before, after = ("\n".join(line[place] for line in lines) for place in range(3))
    return SIGNS[call.op], title, names, before, after


def _cell(item: Json, width: int, *, whole: bool) -> list[str]:
    """A value in `width` places: shortened to a line, or all of it in as many as it takes."""
    if not whole:
        return [_cut(full_value(item), width)]
    lines = map(visible, item.splitlines()) if isinstance(item, str) and item.strip() else [full_value(item)]
    return [part for line in lines for part in wrap(line, width)]


CUT = "..."
"""What a shortened value ends in."""


def _cut(text: str, width: int) -> str:
    if display_width(text) <= width:
        return text
    kept = text[: width - len(CUT)]
    while display_width(kept) > width - len(CUT):
        kept = kept[:-1]
    return kept.rstrip() + CUT


def left_lines(left: Left) -> Iterator[str]:
    """What is left of one entry: which and why, then the values concerned, a line a field."""
    yield f"! {left.medium.name} {left.id}  {visible(left.title)}: {visible(left.why)}"
    width = max((len(name) for name in left.fields), default=0)
    for name in left.medium.ordered(left.fields):
        sides = ", ".join(f"{side} {short_value(item)}" for side, item in left.fields[name].items())
        yield f"    {visible(name):{width}}  {sides}"


_SIMILAR = 0.75
"""How like a title is to what was typed, to be offered in its place (difflib)."""


def similar(text: str, titles: Iterable[str]) -> list[str]:
    """The titles, three at most, that are most like `text` or a part of which is, the likest first."""
    count = len(text.split())
    parts: dict[str, list[str]] = {}
    for title in titles:
        words = title.casefold().split()
        starts = range(max(1, len(words) - count + 1))
        for part in {" ".join(words), *(" ".join(words[start : start + count]) for start in starts)}:
            parts.setdefault(part, []).append(title)
    close = get_close_matches(text.casefold(), parts, 3, _SIMILAR)
    return list(dict.fromkeys(title for part in close for title in parts[part]))[:3]


def did_you_mean(titles: Iterable[str]) -> str:
    offered = " or ".join(f"'{shorten(visible(title))}'" for title in titles)
    return f"Did you mean {offered}?" if offered else ""
