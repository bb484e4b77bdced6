"""Reading a whole list from an API that has no snapshots of its own: until two passes agree, or not at all."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from malsync.clock import Clock
from malsync.entry import Entry, TitleList
from malsync.errors import ApiError, PrivateList, Unsteady
from malsync.medium import MEDIA, Medium
from malsync.snapshot import Snapshot, Source, User, whole

if TYPE_CHECKING:
    from malsync.api import Client

MOST_PASSES = 4
_PARTING_SECONDS = 0.5
ME = "@me"
Progress = Callable[[Medium, int, int], object]
"""Told after each page: the medium, which pass this is, and how many entries it has brought."""


def untold(medium: Medium, number: int, entries: int) -> None:
    """The progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One way through all pages of a list. `titles` is None when an id came twice with different data."""

    titles: TitleList | None
    pages: int
    full: bool


def read_snapshot(
    client: "Client",
    user: User,
    source: Source,
    clock: Clock,
    progress: Progress = untold,
    *,
    note: str = "",
    meanwhile: Callable[[], object] = bool,
) -> Snapshot:
    """Both lists of `user`, read at the same time, while this thread does `meanwhile`. Raises what either raises, and Unsteady.

    Raises ApiError for data that has no digest.

    A public list is read by its owner's name; a half that is private is left out of what the snapshot covers, and where
    both are, PrivateList is raised.
    """
    name = user.name if source == "public" else ME
    found = _side_by_side(client, lambda medium: read_list(client, medium, name, progress), meanwhile)
    lists: dict[str, TitleList | None] = {}
    for medium in MEDIA.values():
        outcome = found[medium.name]
        if isinstance(outcome, PrivateList) and source != "public":
            raise outcome
        lists[medium.name] = None if isinstance(outcome, PrivateList) else outcome
    if all(titles is None for titles in lists.values()):
        raise PrivateList(f"Both lists of {user.name} are private.", "Their owner can back them up: malsync login")
    snapshot = Snapshot(user, clock.now(), source, whole(lists), lists, note)
    try:
        _ = snapshot.digest
    except ValueError as error:
        raise ApiError(
            f"MAL's answer cannot be kept as it is: {error}.", "Nothing was stored. Please report it."
        ) from error
    return snapshot


def read_list(client: "Client", medium: Medium, name: str, progress: Progress = untold) -> TitleList:
    """One whole list.

    A list of one page is one answer. A longer one may be edited while its pages are read (offset paging over a live
    table), so it is read until two passes in a row agree; the second asks for `updated_at` alone, and what MAL sends beside
    it is compared too, since two edits within one second share a time. Raises Unsteady after four passes.
    """
    last: Pass | None = None
    for number in range(1, MOST_PASSES + 1):
        full = last is None or last.titles is None or not last.full
        this = _pass(client, medium, name, full=full, told=partial(progress, medium, number))
        if this.full and this.pages == 1 and this.titles is not None:
            return this.titles
        if last is not None and (agreed := _agreed(last, this)) is not None:
            return agreed
        last = this
    raise Unsteady(
        f"GET /users/{name}/{medium.list_endpoint}: the list changed during each of {MOST_PASSES} readings.",
        "Nothing was stored. Run the same command again when nothing else edits the list.",
    )


def _pass(client: "Client", medium: Medium, name: str, *, full: bool, told: Callable[[int], object]) -> Pass:
    titles: TitleList = {}
    pages, steady = 0, True
    for page in client.user_list(medium, name, None if full else ("updated_at",)).pages():
        pages += 1
        steady = _take(page, titles) and steady
        told(len(titles))
    return Pass(titles if steady else None, pages, full)


def _take(page: Iterable[Entry], titles: TitleList) -> bool:
    """Put the page's entries into `titles`. False when one was there already with other data: it changed meanwhile."""
    steady = True
    for entry in page:
        # Pages overlap at times (taiga#836); the same entry twice is one entry.
        steady = titles.setdefault(entry.id, entry).list_status == entry.list_status and steady
    return steady


def _agreed(a: Pass, b: Pass) -> TitleList | None:
    """The list that both passes saw, from the one that asked for everything."""
    if a.titles is None or b.titles is None or a.titles.keys() != b.titles.keys():
        return None
    rich, lean = (a.titles, b.titles) if a.full else (b.titles, a.titles)
    same = all(entry.list_status.items() <= rich[id].list_status.items() for id, entry in lean.items())
    return rich if same else None


def _side_by_side(
    client: "Client", read: Callable[[Medium], TitleList], meanwhile: Callable[[], object]
) -> dict[str, TitleList | PrivateList]:
    """Both lists in a thread each. An error that is no private half ends both."""
    outcomes: SimpleQueue[tuple[str, TitleList | BaseException]] = SimpleQueue()

    def work(medium: Medium) -> None:
        try:
            outcomes.put((medium.name, read(medium)))
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            outcomes.put((medium.name, error))

    # Daemons: after Ctrl-C the program ends, and what they were still waiting for is of no use to anyone.
    threads = [threading.Thread(target=work, args=(medium,), daemon=True) for medium in MEDIA.values()]
    found: dict[str, TitleList | PrivateList] = {}
    try:
        for thread in threads:
            thread.start()
        meanwhile()
        for _ in threads:
            name, outcome = outcomes.get()
            found[name] = _no_failure(outcome)
    except BaseException as error:
        client.close()
        if isinstance(error, Exception):
            # The other one ends at its next request, or, where it waits minutes before another try, is left behind.
            for thread in threads:
                if thread.is_alive():
                    thread.join(_PARTING_SECONDS)
        raise
    return found


def _no_failure(outcome: TitleList | BaseException) -> TitleList | PrivateList:
    if isinstance(outcome, BaseException) and not isinstance(outcome, PrivateList):
        raise outcome
    return outcome
