"""fetch: the rest of the API into the mirror's catalogue."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.errors import hint_of
from malsync.cli.options import MEDIA_CHOICE, WAIT, Amount, Command, Group, Word, pass_app
from malsync.cli.render import duration
from malsync.errors import AuthError, Exit, UsageError
from malsync.mirror.mapping import Columns, columns, items, parent, without_html
from malsync.model.medium import ANIME, MEDIA, SEASONS, Medium
from malsync.model.timestamps import local_time
from malsync.operations.fetch import Details, Fetcher
from malsync.text import pluralize, shorten, visible

if TYPE_CHECKING:
    from malsync.mal.types import Title
    from malsync.mirror import Mirror
    from malsync.mirror.catalogue import Fetch, TitlesToFetch
    from malsync.model.snapshot import User
    from malsync.transport import Credentials

LOCK_NAME = "fetch.lock"
_TYPES = tuple(dict.fromkeys(kind for medium in MEDIA.values() for kind in medium.ranking_types))
_YEAR = click.IntRange(1900, 2199)
_ID = click.IntRange(1, 2**63 - 1)  # what the mirror can hold
_ONLY = click.option("--only", type=MEDIA_CHOICE, help="One medium alone.")
# The heading and the source of each column that is printed.
_TITLES = "{0}:title id type:media_type mean users:num_list_users"
_BOARDS = {"category": parent("title"), **columns("board:id title")}
_SUBBOARDS = {"board": parent("title"), **columns("subboard:id title")}
_TOPICS = columns("id title by:created_by.name replies:number_of_posts last:last_post_created_at")
_OPTIONS = columns("votes option:text")
_POSTS = {**columns("#:number by:created_by.name at:created_at"), "post": without_html("body")}
_RIGHT = ("#", "id", "board", "subboard", "mean", "users", "replies", "votes")
_PLACES = {"type": 11, "by": 16}
_NEVER_YET = datetime.max.replace(tzinfo=UTC)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d\S*")


class _Season(Word):
    """The year of a season, or its name: people write them in either order."""

    def __init__(self) -> None:
        super().__init__(SEASONS, {"autumn": "fall"})

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The year as a number, or the season's name."""
        if param is not None and param.name == "season" and not str(value).isdecimal():
            return super().convert(value, param, ctx)
        return self.word(value) or _YEAR.convert(value, param, ctx)


def _command(group: click.Group, short_help: str, *examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    def made(function: Callable[..., Any]) -> click.Command:
        return group.command(cls=Command, short_help=short_help, examples=examples)(WAIT(pass_app(function)))

    return made


def _limit(default: int, says: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--limit", type=click.IntRange(min=1), default=default, show_default=True, metavar="N", help=says
    )


@click.group(
    cls=Group,
    examples=["malsync fetch details", "malsync fetch ranking all --limit 100", "malsync fetch forum boards"],
)
def fetch() -> None:
    """Download title data and forum pages into the mirror, for browsing and searching. They are not part of a backup."""


# -- details


@_command(
    fetch,
    "All details of the titles on your lists.",
    "malsync fetch details",
    "malsync fetch details --max-age 90 --only anime",
    "malsync fetch details --all",
)
@click.option("--missing", is_flag=True, help="Only titles without details (default).")
@click.option("--all", "everything", is_flag=True, help="Every title, those with the oldest details first.")
@click.option("--max-age", type=Amount(), metavar="DAYS", help="Titles whose details are older than that.")
@_ONLY
def details(app: App, missing: bool, everything: bool, max_age: float | None, only: str | None, wait: float) -> int:
    """Read all details of each title on the newest list, one request a title.

    Each is stored as it comes: after an interruption the same command goes on. Titles that MAL has no more are marked.
    """
    if (missing, everything, max_age is not None).count(True) > 1:
        raise UsageError("--missing, --all and --max-age exclude each other.", "Choose one of them.")
    with app.mirror() as mirror:
        user = app.user_of(None, mirror)
        media = _media_on_lists(mirror, user, only)
    result = Details()
    with _fetching(app, wait) as fetcher:
        now, begun = fetcher.clock.now(), None
        if everything:
            with fetcher.storing() as mirror:
                begun = mirror.catalogue.begin_fetch(user, f"details {only or ''}".strip(), now)
        since = begun.started_at if begun else None if max_age is None else _before(now, max_age)
        with app.mirror() as mirror:
            wanted = [one for medium in media for one in mirror.catalogue.titles_to_fetch(user, medium, since)]
            total = sum(len(mirror.catalogue.titles_to_fetch(user, medium, _NEVER_YET)) for medium in media)
        _say_plan(app, fetcher, len(wanted), total, begun)
        try:
            with app.output.counting(len(wanted), "fetching") as moved:
                fetcher.details(wanted, result, moved)
        finally:
            _name_missed(app, result)
        if begun and not result.failed:
            with fetcher.storing() as mirror:
                mirror.catalogue.end_fetch(begun, fetcher.clock.now())
    return _report(app, result)


def _media_on_lists(mirror: "Mirror", user: "User", only: str | None) -> list[Medium]:
    media = [
        medium for name, medium in MEDIA.items() if only in (None, name) and mirror.catalogue.has_list(user, medium)
    ]
    if not media:
        raise UsageError(
            f"There is no snapshot of {user.name}'s list of {only or 'titles'} yet.", "Make one: malsync backup"
        )
    return media


def _before(now: datetime, days: float) -> datetime:
    try:
        return now - timedelta(days=days)
    except (OverflowError, ValueError):  # longer ago than there is time, or nan
        return datetime.min.replace(tzinfo=UTC)


def _say_plan(app: App, fetcher: "Fetcher", number: int, total: int, begun: "Fetch | None") -> None:
    if begun and not begun.is_new:
        done = f"{total - number:,} of {total:,} done"
        app.output.note(f"Going on with the fetch of {local_time(begun.started_at)}, {done}.")
    if not number:
        app.output.note("There is nothing to fetch.")
        return
    throttle = fetcher.client.transport.throttle
    often = f" at {pluralize(1 / throttle.seconds, 'request')} a second" if throttle.seconds else ""
    app.output.note(
        f"{pluralize(number, 'title')}, one request each: {duration(throttle.expected_seconds(number))}{often}."
    )


def _name_missed(app: App, result: "Details") -> None:
    for what, one, why in [("gone from MAL", one, "") for one in result.gone] + [
        ("failed", *pair) for pair in result.failed
    ]:
        title = f"{one.medium.name} {one.id} {shorten(visible(one.title))}"
        app.output.warn(f"{what}: {title}{': ' if why else ''}{shorten(visible(why), 300)}")


def _report(app: App, result: "Details") -> int:
    def named(one: "TitlesToFetch") -> dict[str, Any]:
        return {"medium": one.medium.name, "id": one.id, "title": one.title}

    _document(
        app,
        "details",
        fetched=dict(result.fetched),
        gone=[named(one) for one in result.gone],
        failed=[{**named(one), "why": why} for one, why in result.failed],
        remaining=len(result.failed),
    )
    fetched = ", ".join(f"{number:,} {name}" for name, number in result.fetched.items())
    gone = f"; {len(result.gone):,} gone from MAL" if result.gone else ""
    app.output.say(f"Fetched the details of {fetched}{gone}.", colour="green")
    if not result.failed:
        return Exit.OK
    app.output.warn(f"{pluralize(len(result.failed), 'title')} could not be read. To try again: the same command.")
    return Exit.API


# -- lists of titles


@_command(
    fetch,
    "A ranking as it stands today.",
    "malsync fetch ranking all --only manga",
    "malsync fetch ranking airing --limit 50",
)
@click.argument("kind", metavar="TYPE", type=click.Choice(_TYPES))
@_limit(500, "How many titles; 500 per request.")
@_ONLY
def ranking(app: App, kind: str, limit: int, only: str | None, wait: float) -> None:
    """Read a ranking, and keep it under today's date (UTC). A later reading of the same day takes its place.

    TYPE is all, bypopularity or favorite, of both media unless --only; airing, upcoming, tv, ova, movie or special of
    anime; manga, novels, oneshots, doujin, manhwa or manhua of manga.
    """
    media = [medium for medium in MEDIA.values() if kind in medium.ranking_types and only in (None, medium.name)]
    if not media:
        raise UsageError(f"There is no ranking {kind!r} of {only}.", "See: malsync fetch ranking --help")
    with _fetching(app, wait) as fetcher:
        found = [
            {**_title(medium, ranked["node"]), "rank": ranked.get("ranking", {}).get("rank")}
            for medium in media
            for ranked in fetcher.ranking(medium, kind, limit)
        ]
    _show_titles(app, "ranking", found, type=kind)


@_command(fetch, "The anime of a season.", "malsync fetch season 2026 fall")
@click.argument("year", metavar="YEAR", type=_Season())
@click.argument("season", metavar="SEASON", type=_Season())
def season(app: App, year: int | str, season: int | str, wait: float) -> None:
    """Read the anime that began in a season, and those that ran on into it.

    SEASON is winter (from January), spring (April), summer (July) or fall (October; autumn is the same).
    """
    if isinstance(season, int):
        year, season = season, year
    if not isinstance(year, int) or not isinstance(season, str):
        raise UsageError("A season has a year and a name.", "As in: malsync fetch season 2026 fall")
    with _fetching(app, wait) as fetcher:
        found = [_title(ANIME, title) for title in fetcher.season(year, season)]
    _show_titles(app, "season", found, year=year, season=season)


@_command(fetch, "What MAL suggests to you.", "malsync fetch suggestions --limit 20")
@_limit(100, "How many titles; 100 are one request.")
def suggestions(app: App, limit: int, wait: float) -> None:
    """Read the anime that MAL suggests to the account's user."""
    with _fetching(app, wait, app.clients.credentials()) as fetcher:
        found = [_title(ANIME, title) for title in fetcher.suggestions(limit)]
    _show_titles(app, "suggestions", found)


@_command(fetch, "Titles by their name.", "malsync fetch search 'cowboy bebop' --only anime")
@click.argument("text")
@_limit(20, "How many titles of each medium.")
@_ONLY
def search(app: App, text: str, limit: int, only: str | None, wait: float) -> None:
    """Read the titles that MAL finds for TEXT, of at most 64 characters. It may want three at least."""
    media = [medium for name, medium in MEDIA.items() if only in (None, name)]
    with _fetching(app, wait) as fetcher:
        found = [_title(medium, title) for medium, title in fetcher.search(media, text, limit)]
    _show_titles(app, "search", found, text=text)


def _title(medium: Medium, title: "Title") -> dict[str, Any]:
    details = {name: title.get(name) for name in ("media_type", "status", "mean", "num_list_users")}
    return {"medium": medium.name, "id": title["id"], "title": title.get("title") or "", **details}


def _show_titles(app: App, what: str, found: Sequence[Mapping[str, Any]], **asked: Any) -> None:
    _document(app, what, **asked, titles=found)
    for name in MEDIA:
        shown = columns(("#:rank " if what == "ranking" else "") + _TITLES.format(name))
        _table(app, {name: [title for title in found if title["medium"] == name]}, name, shown, long=name)
    app.output.say(f"Fetched {pluralize(len(found), 'title')}.", colour="green")


# -- the forum


@fetch.group(
    cls=Group,
    short_help="Boards, topics and posts of the forum.",
    examples=[
        "malsync fetch forum boards",
        "malsync fetch forum topics --search rewatch",
        "malsync fetch forum topic 481",
    ],
)
def forum() -> None:
    """Read the forum: its boards, its topics, and the posts of a topic."""


@_command(forum, "All boards.", "malsync fetch forum boards")
def boards(app: App, wait: float) -> None:
    """Read the forum's boards, in their categories."""
    with _fetching(app, wait) as fetcher:
        found = fetcher.boards()
    _document(app, "boards", boards=found)
    _table(app, {"data": found}, "data.boards", _BOARDS, long="title")
    _table(app, {"data": found}, "data.boards.subboards", _SUBBOARDS, long="title")


@_command(
    forum,
    "Topics, the last written in first.",
    "malsync fetch forum topics --board 5",
    "malsync fetch forum topics --search rewatch --limit 50",
)
@click.option("--board", type=_ID, metavar="ID", help="Of this board.")
@click.option("--subboard", type=_ID, metavar="ID", help="Of this subboard.")
@click.option("--search", metavar="TEXT", help="With these words in the title; at most 64 characters.")
@click.option("--user", metavar="NAME", help="Started by this member.")
@_limit(100, "How many topics; 100 are one request.")
def topics(
    app: App, board: int | None, subboard: int | None, search: str | None, user: str | None, limit: int, wait: float
) -> None:
    """Read topics of the forum. Filters are combined (AND)."""
    with _fetching(app, wait) as fetcher:
        found = fetcher.topics(board, subboard, search, user, limit)
    _document(app, "topics", topics=found)
    _table(app, {"data": found}, "data", _TOPICS, long="title")
    app.output.say(f"Fetched {pluralize(len(found), 'topic')}.", colour="green")


@_command(forum, "A topic with all its posts.", "malsync fetch forum topic 481")
@click.argument("id", type=_ID, metavar="ID")
def topic(app: App, id: int, wait: float) -> None:
    """Read a topic with all its posts and its poll. Posts are kept as they came, and shown here without their HTML."""
    with _fetching(app, wait) as fetcher:
        found = fetcher.topic(id)
    _document(app, "topic", id=id, **found)
    app.output.say(found["title"], colour="cyan")
    if found["poll"]:
        app.output.say(found["poll"].get("question", ""))
        _table(app, found, "poll.options", _OPTIONS, long="option")
    _table(app, found, "posts", _POSTS, long="post")
    app.output.say(f"Fetched {pluralize(len(found['posts']), 'post')}.", colour="green")


# -- what all of them share


def _anyone(app: App) -> "Credentials":
    """The account's token, or the client id where there is none: for what everybody may see."""
    try:
        return app.clients.credentials()
    except AuthError as error:
        if app.settings.client_id:
            return app.clients.public_credentials()
        raise AuthError(
            error.message, f"{hint_of(error)}, or set MALSYNC_CLIENT_ID (README: Your client id)."
        ) from error


@contextmanager
def _fetching(app: App, wait: float, credentials: "Credentials | None" = None) -> "Iterator[Fetcher]":
    """What a fetch needs. There is one at a time in a home folder; a backup may run meanwhile."""

    @contextmanager
    def storing() -> "Iterator[Mirror]":
        with app.locked(wait), app.mirror(write=True, wait=wait) as mirror:
            yield mirror

    with app.locked(None, LOCK_NAME):
        yield Fetcher(app.clients.mal(credentials or _anyone(app)), storing, app.world.clock)


def _document(app: App, what: str, **members: Any) -> None:
    app.output.document({"what": what, **members, "requests": app.clients.requests})


def _table(app: App, document: Any, path: str, shown: Columns, *, long: str) -> None:
    rows = [[_cell(source.read(item, {})) for source in shown.values()] for item in items(document, path)]
    if rows:
        app.output.table(list(shown), rows, right=_RIGHT, long=long, most=_PLACES)


def _cell(item: Any) -> str:
    if isinstance(item, float):
        return f"{item:.2f}"
    return "" if item is None else _TIME.sub(r"\1", str(item))
