"""The client of the MAL API v2: one method per endpoint, typed answers, typed errors.

It takes `Credentials` and a clock, and touches neither files nor the terminal. Parameters and page sizes are those of MAL's
reference; where answers differ from it, a comment says so with the source.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self, TypedDict, TypeVar, Unpack
from urllib.parse import parse_qs, urlencode, urlsplit

from malsync import API_URL
from malsync.clock import Clock
from malsync.errors import ApiError, NotFound, PrivateList, Rejected, UsageError
from malsync.mal.credentials import ClientId, FixedToken
from malsync.mal.pagination import Pages, Thread
from malsync.mal.transport import MalTransport
from malsync.mal.types import Category, Profile, Ranked, Title, Topic
from malsync.model.entry import Entry
from malsync.model.medium import SEASONS, Json, Kind, ListStatus, Medium
from malsync.model.snapshot import User
from malsync.schemas import find_problem
from malsync.text import pluralize
from malsync.throttle import Throttle
from malsync.transport import REACH, Credentials, do_nothing
from malsync.urls import check_url, origin_of

MAX_PAGES = 1000
"""Endless pagination is assumed beyond it: no list has a million entries."""
_USER_NAME = re.compile(r"@me|[A-Za-z0-9_-]{1,64}")
_Q_LENGTHS = range(1, 65)  # beyond that it is a 400 (Yamtrack and mihon cut there)
_SCHEMAS = "openapi#/components/schemas/"
Item = TypeVar("Item")


class _PagedRead(NamedTuple):
    """What all requests of one paginated read have in common."""

    endpoint: str
    schema: str
    query: Mapping[str, str]


class Options(TypedDict, total=False):
    """The options of a Client, each with a default (see Transport)."""

    user_agent: str
    throttle: Throttle | None
    clock: Clock
    jitter: Callable[[], float]
    log: Callable[[str], object]
    waiting: Callable[[str], object]


class Client:
    """A client of the API at `api_url`. Thread-safe. As a context manager it closes its connections at the end.

    A method needs a user's token where it says so; everything else works with a client id. `fields` are names of members as
    MAL writes them: `authors{first_name,last_name}`. `limit` is the number of items in all; None is all there are. Every
    method raises what Transport.send does, and ApiError for an answer that does not fit its schema: the error names the
    endpoint, the entry and the member.
    """

    def __init__(self, api_url: str, credentials: Credentials, **options: Unpack[Options]) -> None:
        self.api_url = check_url(api_url, "api_url")
        self.transport = MalTransport(self.api_url, credentials, **options)
        self._name = ""

    @classmethod
    def public(cls, client_id: str, *, api_url: str = API_URL, **options: Unpack[Options]) -> Self:
        """Return a client that reads public data with the client id alone (README: Your client id)."""
        return cls(api_url, ClientId(client_id), **options)

    @classmethod
    def signed_in(cls, access_token: str, *, api_url: str = API_URL, **options: Unpack[Options]) -> Self:
        """Return a client that reads and writes as the token's user. Raises AuthError once the token has expired."""
        return cls(api_url, FixedToken(access_token), **options)

    @property
    def origin(self) -> str:
        """The API's origin, which makes a MAL user's id unique."""
        return origin_of(self.api_url)

    @property
    def requests(self) -> Counter[str]:
        """How many requests were sent to the API's address, by method."""
        return self.transport.requests

    def close(self) -> None:
        """Close all connections. A request from any thread raises ApiError from now on."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- users and their lists

    def me(self) -> User:
        """GET /users/@me: the user that the token belongs to. Needs a user's token."""
        document = self.profile()
        return User(self.origin, document["id"], document["name"])

    def me_counted(self) -> tuple[User, int | None]:
        """GET /users/@me: the token's user, and how many anime MAL counts on their list. Needs a user's token.

        The count is None where MAL sends none, as in 2021 (go-myanimelist). Its other statistics are ignored.
        """
        endpoint = "/users/@me"
        address = self._address(endpoint, _fields_query(["anime_statistics"]))
        document = self.transport.send("GET", endpoint, address=address)
        statistics = document.pop("anime_statistics", None) if isinstance(document, dict) else None
        self._check("GET", endpoint, "Profile", document)
        self._name = document["name"]
        count = statistics.get("num_items") if isinstance(statistics, dict) else None
        # MAL sends the statistics of a title as texts at times; these may be texts too.
        known = str(count).isdecimal() and not isinstance(count, bool)
        return User(self.origin, document["id"], document["name"]), int(str(count)) if known else None

    def profile(self, fields: Iterable[str] = ()) -> Profile:
        """GET /users/@me. Needs a user's token. `fields`: anime_statistics, time_zone, is_supporter, birthday."""
        document: Profile = self._get("/users/@me", "Profile", _fields_query(fields))
        self._name = document["name"]
        return document

    def user_list(self, medium: Medium, user: str = "@me", fields: Iterable[str] | None = None) -> Pages[Entry]:
        """GET /users/{user}/animelist or mangalist, with these members of `list_status`; None is all of them.

        `nsfw=true`, or gray and black titles are silently missing (Mal4J#90); no `status`, whose filter is no partition
        (Mal4J#25); the end is where `paging.next` is absent, never a short page (taiga#836). Raises PrivateList for a list
        that its owner does not show.
        """
        if not _USER_NAME.fullmatch(user):
            raise UsageError(f"{user!r} is no MAL user's name.", "Names consist of letters, digits, - and _.")
        query = {"fields": f"list_status{{{_text_of(medium.names if fields is None else fields)}}}", "nsfw": "true"}
        walk = _PagedRead(
            f"/users/{user}/{medium.list_endpoint}", _schema(medium, "ListPage"), _paged(query, None, 1000)
        )
        return Pages(lambda: self._read(walk, _entry), lambda entry: entry.id)

    def update(
        self, medium: Medium, id: int, values: Mapping[str, Json], before: Callable[[], object] = do_nothing
    ) -> ListStatus:
        """PATCH /{medium}/{id}/my_list_status: set these fields, under GET's names. Returns the whole entry as it is then.

        Needs a user's token. Adds the title if it is not on the list. Other fields keep their values
        (reference). Raises NotFound or Rejected (`invalid_content`) where MAL has no such title now. `before` is called just
        before each try is sent, and nothing is sent if it raises.
        """
        endpoint = f"/{medium.name}/{_number(id)}/my_list_status"
        answer: ListStatus = self.transport.send("PATCH", endpoint, form=form_of(medium, values), before=before)
        self._check("PATCH", endpoint, _schema(medium, "ListStatus"), answer)
        return answer

    def remove(self, medium: Medium, id: int, before: Callable[[], object] = do_nothing) -> None:
        """DELETE /{medium}/{id}/my_list_status. Needs a user's token. `before` is as in `update`.

        An entry that is not there (404) is no error: taiga and Mal4J treat it so too.
        """
        with suppress(NotFound):
            self.transport.send("DELETE", f"/{medium.name}/{_number(id)}/my_list_status", before=before)

    # -- titles; without `nsfw` MAL leaves out gray and black ones

    def search(
        self, medium: Medium, q: str, *, fields: Iterable[str] = (), limit: int | None = None, nsfw: bool = True
    ) -> Pages[Title]:
        """GET /anime or /manga: titles that match `q`, of at most 64 characters, the best match first.

        Raises UsageError where MAL refuses `q`: it may want 3 characters at least, which no record establishes.
        """
        query = {"q": _searchable(q), **_fields_query(fields, nsfw=nsfw)}
        return self._titles(_PagedRead(f"/{medium.name}", _schema(medium, "Page"), _paged(query, limit, 100)), limit)

    def details(self, medium: Medium, id: int, *, fields: Iterable[str] = ()) -> Title:
        """GET /anime/{id} or /manga/{id}: one title. `medium.detailed` is every member there is. Raises NotFound."""
        document: Title = self._get(f"/{medium.name}/{_number(id)}", _schema(medium, "Title"), _fields_query(fields))
        return document

    def ranking(
        self,
        medium: Medium,
        ranking_type: str,
        *,
        fields: Iterable[str] = (),
        limit: int | None = None,
        nsfw: bool = True,
    ) -> Pages[Ranked]:
        """GET /anime/ranking or /manga/ranking, of `medium.ranking_types` or a newer one. Raises Rejected for an unknown one."""
        query = {"ranking_type": ranking_type, **_fields_query(fields, nsfw=nsfw)}
        walk = _PagedRead(f"/{medium.name}/ranking", _schema(medium, "RankingPage"), _paged(query, limit, 500))
        return Pages(lambda: self._read(walk, _whole), lambda ranked: ranked["node"]["id"], limit)

    def season(
        self,
        year: int,
        season: str,
        *,
        sort: str | None = None,
        fields: Iterable[str] = (),
        limit: int | None = None,
        nsfw: bool = True,
    ) -> Pages[Title]:
        """GET /anime/season/{year}/{season}: the anime of a season, those that run on into it too (Mal4J, faq).

        `sort` is anime_score or anime_num_list_users, both descending.
        """
        if season not in SEASONS:
            raise UsageError(f"{season!r} is not a season.", f"Seasons are {', '.join(SEASONS)}.")
        query = {**({"sort": sort} if sort else {}), **_fields_query(fields, nsfw=nsfw)}
        walk = _PagedRead(f"/anime/season/{_number(year)}/{season}", "AnimeSeasonPage", _paged(query, limit, 500))
        return self._titles(walk, limit)

    def suggestions(self, *, fields: Iterable[str] = (), limit: int | None = None, nsfw: bool = True) -> Pages[Title]:
        """GET /anime/suggestions: anime for the token's user, none for a newcomer. Needs a user's token."""
        query = _paged(_fields_query(fields, nsfw=nsfw), limit, 100)
        return self._titles(_PagedRead("/anime/suggestions", "AnimePage", query), limit)

    # -- the forum

    def boards(self) -> list[Category]:
        """GET /forum/boards: all boards, in their categories."""
        categories: list[Category] = self._get("/forum/boards", "ForumBoards", {})["categories"]
        return categories

    def topics(
        self,
        *,
        board_id: int | None = None,
        subboard_id: int | None = None,
        q: str | None = None,
        topic_user_name: str | None = None,
        user_name: str | None = None,
        limit: int | None = None,
    ) -> Pages[Topic]:
        """GET /forum/topics: threads that match all filters, the one with the newest post first.

        `q` is searched for in titles; `topic_user_name` is who began a thread, `user_name` who wrote in it.
        """
        choices = {
            "board_id": board_id,
            "subboard_id": subboard_id,
            "q": None if q is None else _searchable(q),
            "topic_user_name": topic_user_name,
            "user_name": user_name,
        }
        query = {name: str(choice) for name, choice in choices.items() if choice is not None}
        walk = _PagedRead("/forum/topics", "ForumTopicsPage", _paged(query, limit, 100))
        return Pages(lambda: self._read(walk, _whole), lambda topic: topic["id"], limit)

    def topic(self, id: int, *, limit: int | None = None) -> Thread:
        """GET /forum/topic/{id}: a thread with its posts, the first page of which is read at once. Raises NotFound."""
        walk = _PagedRead(f"/forum/topic/{_number(id)}", "ForumTopicPage", _paged({}, limit, 100))
        first = self._get(walk.endpoint, walk.schema, walk.query)
        data = first["data"]
        return Thread(data.get("title") or "", data.get("poll"), lambda: self._read(walk, _whole, first), limit)

    # -- inside

    def _titles(self, walk: _PagedRead, limit: int | None) -> Pages[Title]:
        return Pages(lambda: self._read(walk, _node), lambda title: title["id"], limit)

    def _read(self, walk: _PagedRead, item_of: Callable[[Any], Item], document: Any = None) -> Iterator[list[Item]]:
        """Yield the items of page after page. `document` is the first page where it has been read already."""
        address = self._address(walk.endpoint, walk.query)
        seen: set[str] = set()
        while True:
            document = document or self._page(walk, address, len(seen))
            seen.add(address)
            yield list(map(item_of, _items(document)))
            following = document["paging"].get("next")
            if following is None:
                return
            self._check_next(walk, following)
            if following in seen or len(seen) == MAX_PAGES:
                raise ApiError(
                    f"GET {walk.endpoint}: the pages have no end; MAL names one again that was read already, or ever new "
                    "ones.",
                    "Try again later; nothing was stored.",
                )
            address, document = following, None

    def _page(self, walk: _PagedRead, address: str, number: int) -> Any:
        try:
            document = self.transport.send("GET", walk.endpoint, address=address)
        except PrivateList as error:
            if not number:
                raise
            # The first page was shown, so this is no private list; half a list must not pass for one.
            raise ApiError(
                f"{error.message} It had shown {pluralize(number, 'page')}.", "Nothing was stored. " + REACH
            ) from error
        except Rejected as error:
            if "invalid q" not in error.message or "q" not in walk.query:
                raise
            raise UsageError(f"MAL does not search for {walk.query['q']!r}.", "Use a longer text.") from error
        self._check("GET", walk.endpoint, walk.schema, document)
        return document

    def _check_next(self, walk: _PagedRead, address: str) -> None:
        # The token would be sent along, so a next page is followed only at the API's own address.
        if origin_of(address) != self.origin or not address.startswith(self.api_url + "/"):
            raise ApiError(
                f"GET {walk.endpoint}: the next page is said to be at {origin_of(address)}, which is not the API's address "
                f"{self.api_url}. Nothing was sent there.",
                "Check MALSYNC_API_URL and the network you are in; nothing was stored.",
            )
        # Otherwise another list, or less of this one, would pass for the rest of it.
        parts = urlsplit(address)
        if not self._is_path(walk.endpoint, parts.path) or _selection(parts.query) != _selection(urlencode(walk.query)):
            raise ApiError(
                f"GET {walk.endpoint}: the next page is said to be at {parts.path}?{parts.query}, which is not the same list.",
                "MAL answered in a form that malsync does not know; nothing was stored. A newer malsync may know it.",
            )

    def _is_path(self, endpoint: str, path: str) -> bool:
        """Whether a path is the endpoint's. That MAL keeps `@me` is not established: it may be the user's name."""
        home = urlsplit(self.api_url).path
        if path == home + endpoint or "@me" not in endpoint:
            return path == home + endpoint
        return path == home + endpoint.replace("@me", self._name or self.me().name)

    def _address(self, endpoint: str, query: Mapping[str, str]) -> str:
        try:
            return f"{self.api_url}{endpoint}{'?' if query else ''}{urlencode(query)}"
        except UnicodeEncodeError as error:  # half of a character, or bytes of another encoding from a command line
            raise UsageError(f"{error.object!r} is not text.", "Give it in UTF-8.") from error

    def _get(self, endpoint: str, schema: str, query: Mapping[str, str]) -> Any:
        document = self.transport.send("GET", endpoint, address=self._address(endpoint, query))
        self._check("GET", endpoint, schema, document)
        return document

    def _check(self, method: str, endpoint: str, schema: str, document: Any) -> None:
        problem = find_problem(_SCHEMAS + schema, document)
        if problem is not None:
            stored = "nothing was stored. " if method == "GET" else ""
            raise ApiError(
                f"{method} {endpoint}: {_place(document, problem.path)}: {problem.message}.",
                f"MAL answered in a form that malsync does not know; {stored}A newer malsync may know it.",
            )


def form_of(medium: Medium, values: Mapping[str, Json]) -> dict[str, str]:
    """The form of a PATCH from values under GET's names: all text, under the names that PATCH has for them.

    A blank clears: `""` for dates, tags and comments, 0 and false (go-myanimelist README; Mal4J, TestAnimeListStatus).
    Raises UsageError for a name that cannot be set: MAL would take nothing of the form for it.
    """
    fields = {field.name: field for field in medium.writable}
    if unknown := [name for name in values if name not in fields]:
        raise UsageError(
            f"{', '.join(map(repr, unknown))} cannot be set in an entry of {medium.name}.",
            f"What can be set: {', '.join(fields)}.",
        )
    return {str(fields[name].write): _text(fields[name].kind, to) for name, to in values.items()}


def _text(kind: Kind, to: Json) -> str:
    if isinstance(to, list):
        return ",".join(map(str, to))  # one text, which MAL splits at the commas
    if kind is Kind.NUMBER and isinstance(to, float):
        return str(int(to))
    if isinstance(to, bool):
        return "true" if to else "false"
    return "" if to is None else str(to)


def _number(id: float) -> int:
    """Check a number for a path, where any other text could change the address. Raises UsageError."""
    if type(id) is float and id.is_integer():
        return int(id)  # as JSON may write it, in an answer or in a snapshot
    if type(id) is not int:
        raise UsageError(f"{id!r} is not a number.", "Ids and years are whole numbers.")
    return id


def _schema(medium: Medium, of: str) -> str:
    return medium.name.capitalize() + of


def _text_of(fields: Iterable[str]) -> str:
    """Join names as MAL expects them. A text is in that form already."""
    return fields if isinstance(fields, str) else ",".join(fields)


def _fields_query(fields: Iterable[str], *, nsfw: bool = False) -> dict[str, str]:
    """Return the query parameters for the members of each item."""
    text = _text_of(fields)
    return {**({"fields": text} if text else {}), **({"nsfw": "true"} if nsfw else {})}


def _paged(query: Mapping[str, str], limit: int | None, most: int) -> dict[str, str]:
    """Return the query of a first page. It always has a limit: without one MAL sends 10 entries, not the 100 of its reference
    (PolyMeilex/node-myanimelist, animelistDef.ts)."""
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} asks for nothing.", "Give a number from 1 on, or none for all there are.")
    return {**query, "limit": str(min(limit or most, most))}


def _searchable(q: str) -> str:
    if len(q.strip()) not in _Q_LENGTHS:
        raise UsageError(
            f"MAL searches for {_Q_LENGTHS[0]} to {_Q_LENGTHS[-1]} characters, and {q[:80]!r} has {len(q.strip())}.",
            "Use a part of it." if q.strip() else "Use a longer text.",
        )
    return q


def _selection(query: str) -> dict[str, list[str]]:
    """Return the parameters of a query except those that select the page."""
    return {
        name: values
        for name, values in parse_qs(query, keep_blank_values=True).items()
        if name not in {"limit", "offset"}
    }


def _items(document: Any) -> list[Any]:
    """Return the items of a page. That of a thread is an object with posts (go-myanimelist, forumTopicDetails.json)."""
    data = document["data"]
    items: list[Any] = data.get("posts", []) if isinstance(data, dict) else data
    return items


def _place(document: Any, path: tuple[str | int, ...]) -> str:
    """Name the place of a fault in an answer; in a page, the entry by id and title, then the member."""
    at = 2 if path[:2] == ("data", "posts") else 1
    if len(path) <= at or path[0] != "data" or not isinstance(path[at], int):
        return ".".join(map(str, path)) or "the answer"
    item = (document["data"]["posts"] if at == 2 else document["data"])[path[at]]
    item = item if isinstance(item, dict) else {}
    node = item.get("node", item)
    node = node if isinstance(node, dict) else {}
    name = f"entry {node.get('id', f'number {path[at]} of this page')}"
    if isinstance(node.get("title"), str):
        name += f" ({node['title'][:60]})"
    return " ".join([name, ".".join(map(str, path[at + 1 :]))]).strip()


def _entry(item: dict[str, Any]) -> Entry:
    node = item["node"]
    return Entry(node["id"], node.get("title") or "", item["list_status"])


def _node(item: dict[str, Any]) -> Title:
    node: Title = item["node"]
    return node


def _whole(item: Any) -> Any:
    return item
