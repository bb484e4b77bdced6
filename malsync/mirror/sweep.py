"""Walking through a series: the members of a list at one snapshot after another."""

from collections.abc import Collection, Iterator


class Sweep:
    """The members of one list at one snapshot after another, each version opened and closed once."""

    def __init__(self, spans: Iterator[tuple[int, int, int | None, bytes]]) -> None:
        self._opens: dict[int, list[tuple[int, bytes]]] = {}
        self._closes: dict[int, list[int]] = {}
        self._now: dict[int, bytes] = {}
        self._steps: list[int] = []
        for media_id, since, until, text in spans:
            self._opens.setdefault(since, []).append((media_id, text))
            if until is not None:
                self._closes.setdefault(until, []).append(media_id)
        self._steps = sorted({*self._opens, *self._closes}, reverse=True)

    def at(self, snapshot: int) -> Collection[bytes]:
        """The members at `snapshot`; each call's number is greater than the one before."""
        while self._steps and self._steps[-1] <= snapshot:
            step = self._steps.pop()
            for media_id in self._closes.get(step, ()):
                self._now.pop(media_id, None)
            self._now.update(self._opens.get(step, ()))
        return self._now.values()
