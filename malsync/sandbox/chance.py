"""Choices that come again: each follows from the medium, the id and the name of what is chosen, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_MOST = float(1 << 32)


class Chance:
    """The choices about one title. Two that have different names know nothing of each other."""

    def __init__(self, medium: str, id: int) -> None:
        self._whose = f"{medium}/{id}/".encode()

    def share(self, name: str) -> float:
        """A number from 0 up to, but not including, 1."""
        return int.from_bytes(blake2b(self._whose + name.encode(), digest_size=4).digest(), "big") / _MOST

    def number(self, name: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.share(name) * (high - low + 1))

    def one(self, name: str, items: Sequence[T]) -> T:
        return items[int(self.share(name) * len(items))]

    def some(self, name: str, items: Sequence[T], count: int) -> list[T]:
        """So many different ones of them, in an order of their own; all, where there are not so many."""
        left = list(items)
        return [left.pop(self.number(f"{name} {turn}", 0, len(left) - 1)) for turn in range(min(count, len(left)))]
