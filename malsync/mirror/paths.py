"""Paths: how the catalogue's tables name what they take from an answer.

`columns` reads `name created_by:created_by.id` as two columns, `name` of the member of that name, `created_by` of the member
`id` inside `created_by`. Beside members, a path may be `^id`, a member of what the item stands in; `@day`, what was given
beside the answer; `#`, the item's place in its list, from 1; `.`, the item itself; `=word`, a word; `~body`, a member without
its HTML; and `=anime:+id`, one after the other.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Spot(NamedTuple):
    """An item of an answer: its place in its list, and what it stands in."""

    item: Any
    place: int = 1
    above: "Spot | None" = None


def columns(text: str) -> dict[str, str]:
    """Columns and the path of each."""
    pairs = (word.partition(":") for word in text.split())
    return {name: path or name for name, _, path in pairs}


def root(path: str) -> str:
    """The member of the answer that a path begins with."""
    return path.partition(".")[0]


def members(path: str) -> list[str]:
    """The members of the item itself that a path takes from it."""
    return [part.removeprefix("~") for part in path.split("+") if part[0] not in "^@#.="]


def spots(document: Any, each: str) -> list[Spot]:
    """Every item at the end of `each`, in the order of the answer; without it, the answer is the one item there is."""
    return list(_spots(Spot(document), each.split(".") if each else ()))


def _spots(spot: Spot, steps: Sequence[str]) -> Iterator[Spot]:
    if not steps:
        yield spot
        return
    found = spot.item.get(steps[0]) if isinstance(spot.item, dict) else None
    for place, item in enumerate(found if isinstance(found, list) else [found], 1):
        if item not in (None, ""):
            yield from _spots(Spot(item, place, spot), steps[1:])


def value(spot: Spot | None, path: str, given: Mapping[str, Any]) -> Any:
    """What a column holds: the value at `path`, None where there is none."""
    if "+" in path:
        parts = [value(spot, part, given) for part in path.split("+")]
        return None if None in parts else "".join(map(str, parts))
    sign, rest = path[0], path[1:]
    if spot is None or sign == "=":
        return rest if sign == "=" else None
    if sign == "#":
        return spot.place
    if sign == "@":
        return given.get(rest)
    if sign == "^":
        return value(spot.above, rest, given)
    if sign == "~":
        return plain(value(spot, rest, given))
    item = spot.item
    for name in path.split(".") if path != "." else ():
        item = item.get(name) if isinstance(item, dict) else None
    return _scalar(item)


def _scalar(item: Any) -> int | float | str | None:
    """What SQLite can hold of `item`: a list's or an object's texts, a line each."""
    if isinstance(item, dict | list):
        return "\n".join(dict.fromkeys(_texts(item)))
    return str(item) if isinstance(item, int) and not -(2**63) <= item < 2**63 else item


def _texts(item: Any) -> Iterator[str]:
    if isinstance(item, str) and item:
        yield item
    elif isinstance(item, dict | list):
        for part in item.values() if isinstance(item, dict) else item:
            yield from _texts(part)


def plain(body: str | None) -> str | None:
    """A post's words, to be searched or printed and never to be shown as HTML: a tag that does not close stays in it."""
    import html  # 2 ms, and a backup has no posts

    return None if body is None else " ".join(html.unescape(re.sub("<[^<>]*>", " ", body)).split())


def unknown(item: Any, shape: Mapping[str, Any]) -> Any:
    """What is left of `item` without the members of `shape`, nested alike, `{}` being all there is; None where nothing is."""
    if not shape:
        return None
    if isinstance(item, list):
        left = [unknown(part, shape) for part in item]
        return None if left.count(None) == len(left) else left
    if not isinstance(item, dict):
        return None
    found = {name: unknown(part, shape[name]) if name in shape else part for name, part in item.items()}
    return {name: part for name, part in found.items() if part is not None} or None
