"""Fetching: the rest of the API into the mirror's catalogue.

Nothing is held while MAL is waited for: a fetch of hours stands in no backup's way. Details are stored title by title, each
right after its answer, so an interrupted fetch loses nothing; a list of several pages is stored whole, or not at all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

from malsync.clock import Clock
from malsync.errors import ApiError, NotFound, Rejected, RetryAfterTooLong
from malsync.mal.types import Category, Ranked, Title, Topic
from malsync.model.medium import ANIME, MEDIA, Medium

if TYPE_CHECKING:
    from malsync.mal.client import Client
    from malsync.mirror import Mirror
    from malsync.mirror.catalogue import TitlesToFetch

FAILURES_IN_A_ROW = 3
"""After so many it is not the titles that are at fault."""


@dataclass
class Details:
    """The outcome of each title so far; those that failed have the reason."""

    fetched: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(MEDIA, 0)))
    gone: "list[TitlesToFetch]" = field(default_factory=list)
    failed: "list[tuple[TitlesToFetch, str]]" = field(default_factory=list)


class Fetcher:
    """What reads by `client` and keeps it in the mirror, which `storing` opens for as long as something is stored."""

    def __init__(self, client: "Client", storing: "Callable[[], AbstractContextManager[Mirror]]", clock: Clock) -> None:
        self.client = client
        self.storing = storing
        self.clock = clock

    def details(self, wanted: "Sequence[TitlesToFetch]", result: Details, progress: Callable[[int], object]) -> None:
        """Fetch and store the details of each title. `result` collects the outcomes, `progress` is called with the number done.

        Raises AuthError and RetryAfterTooLong at once, and ApiError when three titles in a row failed: what came
        until then is stored.
        """
        in_a_row = 0
        for number, one in enumerate(wanted, 1):
            try:
                title = self._read(one)
            except NotFound:
                if not result.gone and not result.fetched.total():
                    self._check_address()
                with self.storing() as mirror:
                    mirror.catalogue.keep_gone(one.medium, one.id, self.clock.now())
                result.gone.append(one)
                in_a_row = 0
            except RetryAfterTooLong:
                raise
            except ApiError as error:
                result.failed.append((one, error.message))
                in_a_row += 1
                if in_a_row == FAILURES_IN_A_ROW:
                    raise ApiError(
                        f"{in_a_row} titles in a row could not be read. {error.message}",
                        "What came until then is stored; the same command goes on.",
                    ) from error
            else:
                with self.storing() as mirror:
                    mirror.catalogue.keep_details(one.medium, title, self.clock.now())
                result.fetched[one.medium.name] += 1
                in_a_row = 0
            progress(number)

    def _check_address(self) -> None:
        """Where the API is not, everything is a 404, and no title would be left. Raises ApiError."""
        try:
            with suppress(Rejected):  # somebody who knows the question is there
                list(self.client.ranking(ANIME, "all", limit=1))
        except NotFound as error:
            raise ApiError(error.message, "Check MALSYNC_API_URL; nothing was marked.") from error

    def _read(self, one: "TitlesToFetch") -> Title:
        title = self.client.details(one.medium, one.id, fields=one.medium.detailed)
        if title["id"] != one.id:
            raise ApiError(f"GET /{one.medium.name}/{one.id}: MAL told of {title['id']} instead.")
        return title

    def ranking(self, medium: Medium, kind: str, limit: int | None) -> list[Ranked]:
        """The titles of a ranking with their places. Another reading of the same day (UTC) replaces this one."""
        found = list(self.client.ranking(medium, kind, fields=medium.listed, limit=limit))
        day = self.clock.now().astimezone(UTC).date().isoformat()
        titles = [(medium, ranked["node"]) for ranked in found]
        self._keep(f"{medium.name} ranking", {"data": found}, titles, day=day, type=kind)
        return found

    def season(self, year: int, name: str) -> list[Title]:
        """The anime of a season, in the order of their users."""
        found = list(self.client.season(year, name, fields=ANIME.listed))
        self._keep("season", {"data": found}, [(ANIME, title) for title in found], year=year, season=name)
        return found

    def suggestions(self, limit: int | None) -> list[Title]:
        """What MAL suggests to the token's user, best first."""
        user = self.client.me()
        found = list(self.client.suggestions(fields=ANIME.listed, limit=limit))
        titles = [(ANIME, title) for title in found]
        with self.storing() as mirror:
            number = mirror.catalogue.keep_user(user)
            mirror.catalogue.keep("suggestions", {"data": found}, self.clock.now(), titles=titles, user=number)
        return found

    def search(self, media: Sequence[Medium], text: str, limit: int | None) -> list[tuple[Medium, Title]]:
        """The titles that are called so, best first, `limit` of each medium."""
        found = [
            (medium, title)
            for medium in media
            for title in self.client.search(medium, text, fields=medium.listed, limit=limit)
        ]
        self._keep("search", {}, found)
        return found

    def boards(self) -> list[Category]:
        """All boards of the forum. One that MAL does not tell any more stays, with the time at which it did."""
        found = self.client.boards()
        self._keep("boards", {"data": found})
        return found

    def topics(
        self,
        board: int | None = None,
        subboard: int | None = None,
        text: str | None = None,
        user: str | None = None,
        limit: int | None = None,
    ) -> list[Topic]:
        """Topics that meet every choice, the last written in first. `user` is who began them."""
        pages = self.client.topics(board_id=board, subboard_id=subboard, q=text, topic_user_name=user, limit=limit)
        found = list(pages)
        self._keep("topics", {"data": found}, board=board, subboard=subboard)
        return found

    def topic(self, id: int) -> dict[str, Any]:
        """A topic's title, posts and poll. Posts that were deleted since the last time go here too."""
        thread = self.client.topic(id)
        found = {"title": thread.title, "poll": thread.poll, "posts": list(thread)}
        self._keep("topic", found, id=id)
        return found

    def _keep(self, what: str, document: Any, titles: Iterable[tuple[Medium, Title]] = (), **given: Any) -> None:
        with self.storing() as mirror:
            mirror.catalogue.keep(what, document, self.clock.now(), titles=titles, **given)
