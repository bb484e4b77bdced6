"""Iterate over paginated answers: each page is one request, sent when the loop reaches it."""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from malsync.mal.types import Poll, Post

Item = TypeVar("Item")


class Pages(Generic[Item]):
    """Items in MAL's order, over as many pages as it takes. Every loop starts over, with requests of its own.

    A loop that ends early sends no more requests. Pages overlap at times (taiga#836): an item with a repeated id is skipped.
    `read` yields the pages, `id_of` returns an item's id, `limit` is the number of items in all; None is all there are.
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
        """Yield the pages as MAL sent them: overlaps are in both, and the last page may go beyond the limit."""
        seen: set[Hashable] = set()
        for page in self._read():
            yield page
            seen.update(map(self._id_of, page))
            if self._limit is not None and len(seen) >= self._limit:
                return


class Thread(Pages[Post]):
    """A thread of the forum: its title, its poll (None where there is none), and its posts, oldest first.

    Its first page was read when it was created; every loop begins with that page.
    """

    def __init__(
        self, title: str, poll: Poll | None, read: Callable[[], Iterator[list[Post]]], limit: int | None = None
    ) -> None:
        super().__init__(read, lambda post: post["id"], limit)
        self.title = title
        self.poll = poll
