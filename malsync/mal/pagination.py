"""What comes in pages, as something to loop over: each page is one request, sent when the loop gets there."""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from malsync.mal.types import Poll, Post

Item = TypeVar("Item")


class Pages(Generic[Item]):
    """Items in MAL's order, over as many pages as it takes. Every loop begins anew, with requests of its own.

    A loop that is left early sends no more. Pages overlap at times (taiga#836): an item whose id has come is not given again.
    `read` yields the pages, `id_of` is an item's id, `limit` how many items are wanted in all; None is all there are.
    """

    def __init__(
        self, read: Callable[[], Iterator[list[Item]]], id_of: Callable[[Item], Hashable], limit: int | None = None
    ) -> None:
        self._read = read
        self._id_of = id_of
        self._limit = limit

    def __iter__(self) -> Iterator[Item]:
        seen: set[Hashable] = set()
        for page in self.pages():
            for item in page:
                if len(seen) == self._limit:
                    return
                if self._id_of(item) not in seen:
                    seen.add(self._id_of(item))
                    yield item

    def pages(self) -> Iterator[list[Item]]:
        """The pages as MAL sent them: what overlaps is in both, and the last one may hold more than was wanted."""
        seen: set[Hashable] = set()
        for page in self._read():
            yield page
            seen.update(map(self._id_of, page))
            if self._limit is not None and len(seen) >= self._limit:
                return


class Thread(Pages[Post]):
    """A forum's thread: its posts, oldest first, and what stands above them. `poll` is None where there is none.

    Its first page was read when it was made; every loop begins with that one.
    """

    def __init__(
        self, title: str, poll: Poll | None, read: Callable[[], Iterator[list[Post]]], limit: int | None = None
    ) -> None:
        super().__init__(read, lambda post: post["id"], limit)
        self.title = title
        self.poll = poll
