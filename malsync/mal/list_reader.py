"""Reading a whole list from an API that has no snapshots of its own: until two passes agree, or not at all."""

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

MOST_PASSES = 4
_PARTING_SECONDS = 0.5
ME = "@me"
Progress = Callable[[Medium, int, int], object]
"""Told after each page: the medium, which pass this is, and how many entries it has brought."""


def untold(medium: Medium, number: int, entries: int) -> None:
    """The progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One way through all pages of a list. `titles` is None when the pass failed, and `flaw` says why.

    `began` is the server's time in the first response; None where it did not say.
    """

    titles: TitleList | None
    pages: int
    full: bool
    began: datetime | None
    flaw: str


@dataclass
class PassLog:
    """What reading a list tells beside the list: the ids that any pass `seen`, and when the last pass `began`, by `now`."""

    now: Callable[[], datetime]
    seen: set[int] = field(default_factory=set)
    began: datetime | None = None


def read_snapshot(
    client: "Client",
    user: User,
    source: Source,
    clock: Clock,
    progress: Progress = untold,
    *,
    note: str = "",
    counted: int | None = None,
    meanwhile: Callable[[], object] = bool,
) -> Snapshot:
    """Both lists of `user`, read at the same time, while this thread does `meanwhile`. Raises what either raises,
    and ListKeptChanging.

    Raises ApiError for data that has no digest. With fewer anime than the `counted` ones of the user's profile the snapshot
    is suspicious; what one pass showed and a later one did not was removed meanwhile, and is not missing.

    A public list is read by its owner's name; a half that is private is left out of what the snapshot covers, and where
    both are, PrivateList is raised.
    """
    name = user.name if source == "public" else ME
    dates: list[datetime | None] = []
    traces = {medium: PassLog(clock.now) for medium in MEDIA}

    def read(medium: Medium) -> TitleList:
        titles = read_list(client, medium, name, progress, traces[medium.name])
        dates.append(client.transport.date)
        return titles

    found = _side_by_side(client, read, meanwhile)
    lists: dict[str, TitleList | None] = {}
    for medium in MEDIA.values():
        outcome = found[medium.name]
        if isinstance(outcome, PrivateList) and source != "public":
            raise outcome
        lists[medium.name] = None if isinstance(outcome, PrivateList) else outcome
    if all(titles is None for titles in lists.values()):
        raise PrivateList(f"Both lists of {user.name} are private.", advice="back up their lists")
    taken_at = corrected(clock.now(), max((date for date in dates if date is not None), default=None))
    # Not when the reading ended: the machine may have been suspended since the last answer.
    read_at = min(trace.began for trace in traces.values() if trace.began is not None)
    missing = incomplete(len(traces[ANIME.name].seen), counted)
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
    client: "Client", medium: Medium, name: str, progress: Progress = untold, trace: PassLog | None = None
) -> TitleList:
    """One whole list; `trace` is told more.

    A list of one page is one answer. A longer one may be edited while its pages are read (offset paging over a live
    table), so it is read until two passes in a row agree. The second asks for `updated_at` alone, which tells every edit
    from one of an earlier second. While an entry was edited in the second in which a pass began, or later, only its fields
    tell: then the next pass asks for all of them again. Raises ListKeptChanging after four passes.
    """
    last: Pass | None = None
    trace = trace or PassLog(Clock().now)
    for number in range(1, MOST_PASSES + 1):
        full = last is None or last.titles is None or not last.full or _has_recent(last.titles, last.began)
        trace.began = trace.now()
        this = _pass(client, medium, name, full=full, told=partial(progress, medium, number))
        trace.seen.update(this.titles or ())
        if this.full and this.pages == 1 and this.titles is not None:
            return this.titles
        if last is not None and (agreed := _agreed(last, this)) is not None:
            return agreed
        last = this
    endpoint = f"GET /users/{name}/{medium.list_endpoint}"
    if last is not None and last.flaw:
        raise ListKeptChanging(
            f"{endpoint}: no two of {MOST_PASSES} readings agree. In the last one {last.flaw}.",
            "Nothing was stored. Run the same command again later.",
        )
    raise ListKeptChanging(
        f"{endpoint}: the list changed during each of {MOST_PASSES} readings.",
        "Nothing was stored. Run the same command again when nothing else edits the list.",
    )


def _pass(client: "Client", medium: Medium, name: str, *, full: bool, told: Callable[[int], object]) -> Pass:
    titles: TitleList = {}
    began: datetime | None = None
    pages, flaw, is_empty = 0, "", False
    for page in client.user_list(medium, name, None if full else ("updated_at",)).pages():
        if is_empty:
            flaw = "a page without entries came before the last one"
            break
        pages, is_empty = pages + 1, not page
        began = client.transport.date if pages == 1 else began
        if not _take(page, titles):
            flaw = "an entry came twice with different data"
        told(len(titles))
    return Pass(None if flaw else titles, pages, full, began, flaw)


def _take(page: Iterable[Entry], titles: TitleList) -> bool:
    """Put the page's entries into `titles`. False when one was there already with other data: it changed meanwhile."""
    steady = True
    for entry in page:
        # Pages overlap at times (taiga#836); the same entry twice is one entry.
        steady = titles.setdefault(entry.id, entry).list_status == entry.list_status and steady
    return steady


def _agreed(a: Pass, b: Pass) -> TitleList | None:
    """The list that pass `a` and then `b` saw, from one that asked for everything.

    Where both did, equal entries are proof. Where one did not, an entry as recent as `a` may have been edited again within
    that second, and proves nothing.
    """
    if a.titles is None or b.titles is None or a.titles.keys() != b.titles.keys():
        return None
    if a.full and b.full:
        return (
            b.titles if all(entry.list_status == b.titles[id].list_status for id, entry in a.titles.items()) else None
        )
    rich, lean = (a.titles, b.titles) if a.full else (b.titles, a.titles)
    if _has_recent(rich, a.began):
        return None
    same = all(entry.list_status.items() <= rich[id].list_status.items() for id, entry in lean.items())
    return rich if same else None


def _has_recent(titles: TitleList, began: datetime | None) -> bool:
    """Whether an entry may have been edited in the second in which a pass began, or later. So may any where no time is known."""
    return began is None or any(_may_be_since(entry.list_status.get("updated_at"), began) for entry in titles.values())


def _may_be_since(updated_at: object, began: datetime) -> bool:
    try:
        return parse_timestamp(str(updated_at)) >= began
    except ValueError:
        return True


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
