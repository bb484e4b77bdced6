"""Read whole lists from an API without snapshots: a list of several pages is read again until two passes agree."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from malsync.clock import Clock
from malsync.errors import ApiError, ListKeptChanging, PrivateList
from malsync.model.entry import Entry, TitleList
from malsync.model.medium import ANIME, MEDIA, Medium
from malsync.model.snapshot import Snapshot, Source, User, whole
from malsync.model.timestamps import corrected, parse_timestamp
from malsync.planning.guards import incomplete

if TYPE_CHECKING:
    from malsync.mal.client import Client

MAX_PASSES = 4
_JOIN_SECONDS = 0.5
"""How long to wait for the other reader thread after one has failed."""
ME = "@me"
Progress = Callable[[Medium, int, int], object]
"""Called after each page with the medium, the number of the pass, and how many entries it has read so far."""


def ignore_progress(medium: Medium, number: int, entries: int) -> None:
    """Default progress callback: do nothing."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One read of all pages of a list. `titles` is None when the pass contradicted itself, and `flaw` says how.

    `full` says whether all fields were read, or `updated_at` alone. `began` is the server's time in the first response; None
    where it had no Date header.
    """

    titles: TitleList | None
    pages: int
    full: bool
    began: datetime | None
    flaw: str


@dataclass
class PassLog:
    """What happened while a list was read: the ids that any pass has `seen`, and when the last pass `began`, by `now`."""

    now: Callable[[], datetime]
    seen: set[int] = field(default_factory=set)
    began: datetime | None = None


def read_snapshot(
    client: "Client",
    user: User,
    source: Source,
    clock: Clock,
    progress: Progress = ignore_progress,
    *,
    note: str = "",
    counted: int | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Snapshot:
    """Read both lists of `user` at the same time, in a thread each, while this thread runs `meanwhile`.

    `counted` is the number of anime in the user's profile: with fewer, the snapshot is suspicious. An entry that one pass
    showed and a later one did not was removed in between, and is not missing.

    Public lists are read by their owner's name. The snapshot does not cover a list that is private; PrivateList is raised
    where both are. Raises ListKeptChanging too, ApiError for data that has no digest, and whatever Transport.send raises.
    """
    name = user.name if source == "public" else ME
    dates: list[datetime | None] = []
    logs = {medium: PassLog(clock.now) for medium in MEDIA}

    def read(medium: Medium) -> TitleList:
        titles = read_list(client, medium, name, progress, logs[medium.name])
        dates.append(client.transport.date)
        return titles

    outcomes = _read_concurrently(client, read, meanwhile)
    lists: dict[str, TitleList | None] = {}
    for medium in MEDIA.values():
        outcome = outcomes[medium.name]
        if isinstance(outcome, PrivateList) and source != "public":
            raise outcome
        lists[medium.name] = None if isinstance(outcome, PrivateList) else outcome
    if all(titles is None for titles in lists.values()):
        raise PrivateList(f"Both lists of {user.name} are private.", advice="back up their lists")
    taken_at = corrected(clock.now(), max((date for date in dates if date is not None), default=None))
    # The start, not the end: the machine may have been suspended since the last answer.
    read_at = min(log.began for log in logs.values() if log.began is not None)
    missing = incomplete(len(logs[ANIME.name].seen), counted)
    doubts = (missing,) if missing else ()
    snapshot = Snapshot(user, taken_at, source, whole(lists), lists, note, doubts, read_at=read_at)
    try:
        _ = snapshot.digest
    except ValueError as error:
        raise ApiError(
            f"MAL's answer cannot be kept as it is: {error}.", "Nothing was stored. Please report it."
        ) from error
    return snapshot


def read_list(
    client: "Client", medium: Medium, name: str, progress: Progress = ignore_progress, log: PassLog | None = None
) -> TitleList:
    """Read one whole list, and record the passes in `log`. Raises ListKeptChanging after four passes that do not agree.

    A list of one page is one answer. A longer one may be edited while its pages are read (MAL pages by offset over a live
    table), so it is read until two passes in a row agree. The second pass asks for `updated_at` alone, which reveals every
    edit made in a later second. Where an entry was edited in the second in which a pass began, or later, its timestamp proves
    nothing, and the next pass asks for all fields again.
    """
    last: Pass | None = None
    log = log or PassLog(Clock().now)
    for number in range(1, MAX_PASSES + 1):
        full = last is None or last.titles is None or not last.full or _has_recent(last.titles, last.began)
        log.began = log.now()
        current = _read_pass(client, medium, name, full=full, progress=partial(progress, medium, number))
        log.seen.update(current.titles or ())
        if current.full and current.pages == 1 and current.titles is not None:
            return current.titles
        if last is not None and (agreed := _agreed(last, current)) is not None:
            return agreed
        last = current
    endpoint = f"GET /users/{name}/{medium.list_endpoint}"
    if last is not None and last.flaw:
        raise ListKeptChanging(
            f"{endpoint}: no two of {MAX_PASSES} readings agree. In the last one {last.flaw}.",
            "Nothing was stored. Run the same command again later.",
        )
    raise ListKeptChanging(
        f"{endpoint}: the list changed during each of {MAX_PASSES} readings.",
        "Nothing was stored. Run the same command again when nothing else edits the list.",
    )


def _read_pass(client: "Client", medium: Medium, name: str, *, full: bool, progress: Callable[[int], object]) -> Pass:
    """Read all pages once; `progress` gets the number of entries after each."""
    titles: TitleList = {}
    began: datetime | None = None
    pages, flaw, is_empty = 0, "", False
    for page in client.user_list(medium, name, None if full else ("updated_at",)).pages():
        if is_empty:
            flaw = "a page without entries came before the last one"
            break
        pages, is_empty = pages + 1, not page
        began = client.transport.date if pages == 1 else began
        if not _add(page, titles):
            flaw = "an entry came twice with different data"
        progress(len(titles))
    return Pass(None if flaw else titles, pages, full, began, flaw)


def _add(page: Iterable[Entry], titles: TitleList) -> bool:
    """Add the page's entries to `titles`. Returns False when one was there already with other data: it changed in between."""
    steady = True
    for entry in page:
        # Pages overlap at times (taiga#836); the same entry twice is one entry.
        steady = titles.setdefault(entry.id, entry).list_status == entry.list_status and steady
    return steady


def _agreed(a: Pass, b: Pass) -> TitleList | None:
    """Return the list that passes `a` and `b`, in this order, agree on; None where they differ or prove nothing.

    Two full passes agree when their entries are equal. Where one has timestamps alone, an entry as recent as the start of `a`
    may have been edited again within that second, so equal timestamps prove nothing.
    """
    if a.titles is None or b.titles is None or a.titles.keys() != b.titles.keys():
        return None
    if a.full and b.full:
        return (
            b.titles if all(entry.list_status == b.titles[id].list_status for id, entry in a.titles.items()) else None
        )
    full, stamps = (a.titles, b.titles) if a.full else (b.titles, a.titles)
    if _has_recent(full, a.began):
        return None
    equal = all(entry.list_status.items() <= full[id].list_status.items() for id, entry in stamps.items())
    return full if equal else None


def _has_recent(titles: TitleList, began: datetime | None) -> bool:
    """Return whether an entry may have been edited in the second in which a pass began, or later; yes if no time is known."""
    return began is None or any(_may_be_since(entry.list_status.get("updated_at"), began) for entry in titles.values())


def _may_be_since(updated_at: object, began: datetime) -> bool:
    try:
        return parse_timestamp(str(updated_at)) >= began
    except ValueError:
        return True


def _read_concurrently(
    client: "Client", read: Callable[[Medium], TitleList], meanwhile: Callable[[], object]
) -> dict[str, TitleList | PrivateList]:
    """Read both lists in a thread each. PrivateList is returned as a value; any other error cancels both and is raised."""
    outcomes: SimpleQueue[tuple[str, TitleList | BaseException]] = SimpleQueue()

    def work(medium: Medium) -> None:
        try:
            outcomes.put((medium.name, read(medium)))
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            outcomes.put((medium.name, error))

    # Daemon threads, so that the process can end after Ctrl-C without waiting for answers that it no longer needs.
    threads = [threading.Thread(target=work, args=(medium,), daemon=True) for medium in MEDIA.values()]
    lists: dict[str, TitleList | PrivateList] = {}
    try:
        for thread in threads:
            thread.start()
        meanwhile()
        for _ in threads:
            name, outcome = outcomes.get()
            lists[name] = _list_or_private(outcome)
    except BaseException as error:
        client.close()
        if isinstance(error, Exception):
            # The other thread ends at its next request; one that waits minutes before another try is abandoned.
            for thread in threads:
                if thread.is_alive():
                    thread.join(_JOIN_SECONDS)
        raise
    return lists


def _list_or_private(outcome: TitleList | BaseException) -> TitleList | PrivateList:
    if isinstance(outcome, BaseException) and not isinstance(outcome, PrivateList):
        raise outcome
    return outcome
