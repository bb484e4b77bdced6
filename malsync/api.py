"""The client of the MAL API v2: one method per endpoint, typed errors.

It is given a source of tokens (`Credentials`) and a clock, and knows neither files nor the terminal.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from malsync.entry import Entry
from malsync.errors import ApiError, NotFound, PrivateList, UsageError
from malsync.medium import Json, Kind, ListStatus, Medium
from malsync.snapshot import User
from malsync.transport import REACH, Credentials, Transport, origin_of
from malsync.validation import problem

PAGE = 1000
"""The most entries that a list's page can be asked for (reference)."""
MOST_PAGES = 1000
"""A list of a million entries is nobody's: by then the API names next pages without end."""
_USER_NAME = re.compile(r"@me|[A-Za-z0-9_-]{1,64}")


class Client:
    """The API at `api_url`. Safe for two threads at once. `options` are those of Transport."""

    def __init__(self, api_url: str, credentials: Credentials, **options: Any) -> None:
        self.api_url = api_url
        self.transport = Transport(api_url, credentials, **options)
        self._name = ""

    @property
    def origin(self) -> str:
        """The API's origin, which makes a MAL user's id unique."""
        return origin_of(self.api_url)

    @property
    def requests(self) -> Counter[str]:
        """How many requests were sent to the API's address, by method."""
        return self.transport.requests

    def close(self) -> None:
        """Send nothing more, from any thread."""
        self.transport.close()

    # -- endpoints

    def me(self) -> User:
        """GET /users/@me: whose token this is."""
        document = self._get("/users/@me", schema="api-user")
        self._name = document["name"]
        return User(self.origin, document["id"], document["name"])

    def user_list(self, medium: Medium, user: str, fields: tuple[str, ...]) -> Iterator[list[Entry]]:
        """GET /users/{user}/animelist or mangalist, page by page, with these members of `list_status`.

        `nsfw=true`, or gray and black titles are silently missing (Mal4J#90); no `status`, whose filter is no partition
        (Mal4J#25); the end is where `paging.next` is absent, never a short page (taiga#836).
        """
        if not _USER_NAME.fullmatch(user):
            raise UsageError(f"{user!r} is no MAL user's name.", "Names are of letters, digits, - and _.")
        endpoint = f"/users/{user}/{medium.list_endpoint}"
        query = {"fields": f"list_status{{{','.join(fields)}}}", "limit": str(PAGE), "nsfw": "true"}
        address: str | None = f"{self.api_url}{endpoint}?{urlencode(query)}"
        seen: set[str] = set()
        while address is not None:
            try:
                document = self._get(endpoint, schema=f"api-{medium.list_endpoint}", address=address)
            except PrivateList as error:
                if not seen:
                    raise
                # The first page was shown, so this is no private list; half a list must not pass for one.
                raise ApiError(
                    f"{error.message} It had shown {len(seen)} pages.", "Nothing was stored. " + REACH
                ) from error
            seen.add(address)
            yield [_entry(item) for item in document["data"]]
            address = document["paging"].get("next")
            if address is not None:
                self._check_next(endpoint, address, query["fields"], seen)

    def update(self, medium: Medium, id: int, values: Mapping[str, Json]) -> ListStatus:
        """PATCH /{medium}/{id}/my_list_status: set these fields, under GET's names. Returns the whole entry as it is then.

        The title is added where it is not on the list. What is not named stays as it is (mal-api.md, 3). Raises NotFound
        or Rejected (`invalid_content`) where MAL has no such title now, and what Transport.send raises.
        """
        endpoint = f"/{medium.name}/{id}/my_list_status"
        answer: ListStatus = self.transport.send("PATCH", endpoint, form=form_of(medium, values))
        self._check("PATCH", endpoint, f"list_status#/$defs/{medium.name}", answer)
        return answer

    def remove(self, medium: Medium, id: int) -> None:
        """DELETE /{medium}/{id}/my_list_status. That it is not there (404) is what was wanted: taiga and Mal4J do so too."""
        with suppress(NotFound):
            self.transport.send("DELETE", f"/{medium.name}/{id}/my_list_status")

    # -- inside

    def _check_next(self, endpoint: str, address: str, fields: str, seen: set[str]) -> None:
        # A token sent to wherever an answer points would be a token given away.
        if origin_of(address) != self.origin or not address.startswith(self.api_url + "/"):
            raise ApiError(
                f"GET {endpoint}: the next page is said to be at {origin_of(address)}, which is not the API's address "
                f"{self.api_url}. Nothing was sent there.",
                "Check MALSYNC_API_URL and the network you are in; nothing was stored.",
            )
        # Another list, or less of this one, would be taken for the rest of it.
        parts = urlsplit(address)
        query = parse_qs(parts.query)
        home = urlsplit(self.api_url).path
        same = {f"{home}{endpoint}", f"{home}{endpoint.replace('@me', self._name or '@me')}"}
        if (
            parts.path not in same
            or query.get("nsfw") != ["true"]
            or query.get("fields") != [fields]
            or "status" in query
        ):
            raise ApiError(
                f"GET {endpoint}: the next page is said to be at {parts.path}?{parts.query}, which is not the same list.",
                "MAL answered in a form that malsync does not know; nothing was stored. A newer malsync may know it.",
            )
        if address in seen or len(seen) == MOST_PAGES:
            raise ApiError(
                f"GET {endpoint}: the pages have no end; MAL names one again that was read already, or ever new ones.",
                "Try again later; nothing was stored.",
            )

    def _get(self, endpoint: str, *, schema: str, address: str | None = None) -> Any:
        document = self.transport.send("GET", endpoint, address=address)
        self._check("GET", endpoint, schema, document)
        return document

    def _check(self, method: str, endpoint: str, schema: str, document: Any) -> None:
        found = problem(schema, document)
        if found is not None:
            stored = "nothing was stored. " if method == "GET" else ""
            raise ApiError(
                f"{method} {endpoint}: {_place(document, found.path)}: {found.message}.",
                f"MAL answered in a form that malsync does not know; {stored}A newer malsync may know it.",
            )


def form_of(medium: Medium, values: Mapping[str, Json]) -> dict[str, str]:
    """The form of a PATCH from values under GET's names: all text, under the names that PATCH has for them.

    A blank clears: `""` for dates, tags and comments, 0 and false (go-myanimelist README; Mal4J, TestAnimeListStatus).
    """
    return {str(medium.by_name[name].write): _text(medium.by_name[name].kind, to) for name, to in values.items()}


def _text(kind: Kind, to: Json) -> str:
    if isinstance(to, list):
        return ",".join(map(str, to))  # one text, cut at its commas on the other side
    if kind is Kind.NUMBER and isinstance(to, float):
        return str(int(to))
    if isinstance(to, bool):
        return "true" if to else "false"
    return "" if to is None else str(to)


def _place(document: Any, path: tuple[str | int, ...]) -> str:
    """Where in a list's page something is wrong: the entry by id and title, then the member."""
    if len(path) < 2 or path[0] != "data":
        return ".".join(map(str, path)) or "the answer"
    node = (document["data"][path[1]] or {}).get("node") if isinstance(document["data"][path[1]], dict) else None
    node = node if isinstance(node, dict) else {}
    name = f"entry {node.get('id', f'number {path[1]} of this page')}"
    if isinstance(node.get("title"), str):
        name += f" ({node['title'][:60]})"
    return " ".join([name, ".".join(map(str, path[2:]))]).strip()


def _entry(item: dict[str, Any]) -> Entry:
    node = item["node"]
    return Entry(node["id"], node.get("title") or "", item["list_status"])
