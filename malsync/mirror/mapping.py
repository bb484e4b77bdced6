"""How parts of an answer become rows of tables.

An answer is JSON. A `TableMapping` names the items in it that are rows of one table, and a source for each column:

    TableMapping("forum_post", "posts", key=columns("id"), columns={
        "topic": given("id"),                                        # an argument that is not in the answer
        **columns("number created_by:created_by.id signature"),      # members of the item; COLUMN:PATH if the names differ
        "text": without_html("body"),                                # a member, made plain
    }, replace=("topic",))                                           # posts of this topic that MAL no longer lists are deleted

A path names members inside members, joined by dots. A list on the path stands for each of its items.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Item(NamedTuple):
    """A part of an answer that becomes a row: its value, its place in its list (from 1), and the item that contains it."""

    value: Any
    place: int = 1
    parent: "Item | None" = None


@dataclass(frozen=True)
class Source:
    """Where a column's value comes from. `read` takes the item and the given arguments; it returns None for no value."""

    read: Callable[[Item, Mapping[str, Any]], Any]
    members: tuple[str, ...] = ()
    """The paths of the item's members that it reads."""


Columns = Mapping[str, Source]


@dataclass(frozen=True)
class TableMapping:
    """The rows of one table: one for each item at the path `items`, found by its `key`."""

    table: str
    items: str
    """Empty: the answer itself is the only item."""
    key: Columns
    """The columns of the primary key. An item without one of them is no row."""
    columns: Columns
    """The other columns."""
    replace: tuple[str, ...] = ()
    """Key columns whose rows are deleted first, so that whatever MAL no longer lists disappears. Without it the rows are
    shared by several answers, and a value that is missing in this one stays as it is stored."""


def columns(text: str) -> dict[str, Source]:
    """The columns named in `text`, each a member of the item: `NAME`, or `COLUMN:PATH`, separated by blanks."""
    return {name: member(path) for name, path in column_paths(text).items()}


def column_paths(text: str) -> dict[str, str]:
    """The path of each column of `text`, in the notation of `columns`."""
    pairs = (word.partition(":") for word in text.split())
    return {name: path or name for name, _, path in pairs}


def member(path: str) -> Source:
    """The member of the item at `path`."""
    steps = path.split(".")
    return Source(lambda item, _: scalar(_descend(item.value, steps)), (path,))


def parent(path: str) -> Source:
    """The member at `path` of the item that contains this one's list."""
    steps = path.split(".")
    return Source(lambda item, _: None if item.parent is None else scalar(_descend(item.parent.value, steps)))


def given(name: str) -> Source:
    """An argument that is not part of the answer, such as the day of a ranking."""
    return Source(lambda _, arguments: arguments.get(name))


def constant(word: str) -> Source:
    """Always `word`."""
    return Source(lambda *_: word)


def prefixed(prefix: str, path: str) -> Source:
    """`prefix` followed by the member at `path`."""
    number = member(path)

    def read(item: Item, arguments: Mapping[str, Any]) -> str | None:
        value = number.read(item, arguments)
        return None if value is None else f"{prefix}{value}"

    return Source(read, number.members)


def without_html(path: str) -> Source:
    """The text at `path` without its HTML."""
    text = member(path)
    return Source(lambda item, arguments: strip_html(text.read(item, arguments)), text.members)


PLACE = Source(lambda item, _: item.place)
"""The item's place in its list, from 1."""
ITSELF = Source(lambda item, _: scalar(item.value))
"""The item, for lists of texts or numbers."""


def items(answer: Any, path: str) -> list[Item]:
    """Every item of an answer at `path`, in order. Missing and empty ones are left out."""
    return list(_items(Item(answer), path.split(".") if path else ()))


def _items(item: Item, steps: Sequence[str]) -> Iterator[Item]:
    if not steps:
        yield item
        return
    inner = item.value.get(steps[0]) if isinstance(item.value, dict) else None
    for place, value in enumerate(inner if isinstance(inner, list) else [inner], 1):
        if value not in (None, ""):
            yield from _items(Item(value, place, item), steps[1:])


def root(path: str) -> str:
    """The member of the answer that a path begins with."""
    return path.partition(".")[0]


def _descend(value: Any, steps: Sequence[str]) -> Any:
    for name in steps:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def scalar(value: Any) -> int | float | str | None:
    """`value` as SQLite can store it: the texts in a list or an object become lines, integers over 64 bits become texts."""
    if isinstance(value, dict | list):
        return "\n".join(dict.fromkeys(_texts(value)))
    return str(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def strip_html(body: str | None) -> str | None:
    """The words of a post, for searching and printing. Never show them as HTML: a tag that does not close stays in them."""
    import html  # takes 2 ms to import, and a backup has no posts

    return None if body is None else " ".join(html.unescape(re.sub("<[^<>]*>", " ", body)).split())


def without_members(value: Any, shape: Mapping[str, Any]) -> Any:
    """What is left of `value` without the members in `shape`, which is nested like it; `{}` there removes a member whole.

    None if nothing is left.
    """
    if not shape:
        return None
    if isinstance(value, list):
        parts = [without_members(part, shape) for part in value]
        return None if parts.count(None) == len(parts) else parts
    if not isinstance(value, dict):
        return None
    left = {name: without_members(part, shape[name]) if name in shape else part for name, part in value.items()}
    return {name: part for name, part in left.items() if part is not None} or None
