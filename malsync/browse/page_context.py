"""What every page needs: the user whose lists it shows, their newest lists, links that keep the user, and rendering."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datasette.utils.asgi import Base400, NotFound, Response

from malsync import text
from malsync.browse.guard import policy
from malsync.mirror import queries
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import User

if TYPE_CHECKING:
    from malsync.browse.app import Browse, ReadOnly

Row = dict[str, Any]
LARGEST = 2**31
"""Greater numbers in an address are cut to this one: SQLite's integers end at 2^63, and no list has as many pages."""
_PARAMETER = re.compile(r"(?<!\w):([a-z_]+)")
# Suggestions may be fetched before the first backup.
_USERS = """
    SELECT mal_user.id, mal_user.name, mal_user.origin, mal_user.mal_id,
        max(series.kind = 'own') AS own, max(snapshot.taken_at) AS newest
    FROM mal_user LEFT JOIN series ON series.user = mal_user.id LEFT JOIN snapshot ON snapshot.series = series.id
    WHERE snapshot.id IS NOT NULL OR mal_user.id IN (SELECT user FROM suggestion)
    GROUP BY mal_user.id ORDER BY own DESC, newest DESC, mal_user.id
"""
# An import is a file, whatever its time; it counts only where the list itself was never read.
_NEWEST = """
    SELECT snapshot.* FROM series JOIN snapshot ON snapshot.series = series.id
    WHERE series.user = :user AND snapshot.{0} IS NOT NULL
    ORDER BY series.kind = 'import', taken_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 minute'), taken_at DESC,
        snapshot.id DESC LIMIT 1
"""
_SNAPSHOT_OF = """
    SELECT snapshot.* FROM snapshot JOIN series ON series.id = snapshot.series
    WHERE snapshot.id = :snapshot AND series.user = :user
"""


def _number(text: str, default: int) -> int:
    """Return the number in `text`, at most `LARGEST`; `default` where it is not a number."""
    return min(int(text[:20]), LARGEST) if text.isascii() and text.isdigit() else default


@dataclass(frozen=True)
class PageRequest:
    """A request for a page: what the address says, and the user whose lists are shown."""

    browse: "Browse"
    http: Any
    """Datasette's request."""
    users: list[Row]
    user: Row | None

    @property
    def mirror(self) -> "ReadOnly":
        """The mirror."""
        return self.browse.mirror

    @property
    def user_id(self) -> int:
        """The MAL user's number in the mirror; 0, which no user has, while there is none."""
        return 0 if self.user is None else int(self.user["id"])

    def text(self, name: str, default: str = "") -> str:
        """Return the value of parameter `name`, without blanks around it."""
        return str(self.http.args.get(name) or default).strip()

    def path_text(self, name: str) -> str:
        """Return a part of the address's path."""
        return str(self.http.url_vars[name])

    def path_number(self, name: str) -> int:
        """Return a number in the address's path."""
        return _number(self.path_text(name), 0)

    async def rows(self, query: str, **values: Any) -> list[Row]:
        """Return the rows of a query of `queries/`. A parameter without a value is empty; the query says what that means."""
        sql = queries.sql(query)
        return await self.mirror.query(sql, **{**dict.fromkeys(_PARAMETER.findall(sql), ""), **values})

    def page_number(self, entries: int, size: int) -> tuple[int, int]:
        """Return which page of `size` entries the address asks for, and how many pages there are."""
        pages = max(1, -(-entries // size))
        return min(max(1, _number(self.text("page"), 1)), pages), pages

    async def uncounted_page(self, query: str, size: int, **values: Any) -> Row:
        """Return the page that the address asks for of a query whose rows are not counted: `rows`, `page`, and whether there
        are `more`."""
        page = max(1, _number(self.text("page"), 1))
        rows = await self.rows(query, **values, rows=size + 1, skip=(page - 1) * size)
        return {"rows": rows[:size], "page": page, "more": len(rows) > size}

    async def newest(self, medium: Medium) -> Row | None:
        """Return the user's newest snapshot that covers `medium`."""
        return await self.mirror.first(_NEWEST.format(medium.name), user=self.user_id)

    async def snapshot(self, text: str) -> Row:
        """Return the user's snapshot of that number. Raises NotFound."""
        row = await self.mirror.first(_SNAPSHOT_OF, snapshot=_number(text, 0), user=self.user_id)
        if row is None or self.user is None:
            owner = f" of {self.user['name']}" if self.user else ""
            raise NotFound(f"There is no snapshot {text}{owner}.")
        return row

    def link(self, path: str, **values: Any) -> str:
        """Return the address of one of our pages, with the user unless it is the one shown by default."""
        if self.user is not None and self.user is not self.users[0]:
            values = {"user": self.user["id"], **values}
        return _address(path, values)

    def address_with(self, **values: Any) -> str:
        """Return this page's address with other values and without its page number; None removes a value."""
        now = {name: self.http.args[name] for name in self.http.args if name != "page"}
        return _address(str(self.http.path), {**now, **values})

    def data(self, query: str, **values: Any) -> Row:
        """Return where Datasette has a query's rows: all of them as `csv` and `json`, and a `page` with the SQL."""
        path = f"/mirror/{query}"
        return {
            "csv": _address(f"{path}.csv", {**values, "rows": -1}),
            "json": _address(f"{path}.json", {**values, "rows": -1, "_shape": "array"}),
            "page": _address(path, values),
        }

    def command(self, words: str) -> str:
        """Return the command line that does `words` for the user whose lists are shown."""
        account = None if self.user is None else self.browse.accounts.get(_user(self.user).key)
        return text.command_line(words, account or text.DEFAULT_ACCOUNT)

    async def render(self, template: str, **context: Any) -> Any:
        """Return one of our pages, under the strict policy."""
        body = await self.browse.render_template(
            template, {"page_request": self, "link": self.link, "MEDIA": MEDIA, **context}, request=self.http
        )
        return Response.html(body, headers={"content-security-policy": policy(await pictures(self.browse))})


def _address(path: str, values: Row) -> str:
    parameters = {name: value for name, value in values.items() if value not in ("", None)}
    return f"{path}?{urlencode(parameters)}" if parameters else path


class NoSuchUser(Base400):
    """The address names an unknown MAL user. Not a NotFound: Datasette redirects that from `/` to the same address."""

    status = 404


async def page_request(browse: "Browse", http: Any) -> PageRequest:
    """Return the request, with the user whom it names or else the default one. Raises NoSuchUser."""
    users, user = await users_of(browse, http)
    name = http.args.get("user")
    if name and user is None:
        raise NoSuchUser(f"There is no MAL user {name} in the mirror.")
    return PageRequest(browse, http, users, user)


async def users_of(browse: "Browse", http: Any) -> tuple[list[Row], Row | None]:
    """Return every MAL user in the mirror, the default one first, and the one that the request names, if there is one."""
    users = await browse.mirror.query(_USERS)
    if (first := browse.first_user) is not None:
        users.sort(key=lambda user: _user(user).key != first.key)
    number = None if http is None else http.args.get("user")
    return users, next((user for user in users if number in (None, "", str(user["id"]))), None)


def _user(row: Row) -> User:
    return User(row["origin"], row["mal_id"], row["name"])


async def pictures(browse: "Browse") -> str:
    """Return the sources from which covers may come: MAL's image hosts, and each sandbox whose lists are in the mirror."""
    if not browse.pictures:
        return ""
    rows = await browse.mirror.query("SELECT DISTINCT origin FROM mal_user")
    sandboxes = (row["origin"] for row in rows if re.fullmatch(r"http://(127\.0\.0\.1|localhost):\d+", row["origin"]))
    return " ".join((*browse.pictures, *sandboxes))


def medium_of(name: str) -> Medium:
    """Return the medium of that name. Raises NotFound."""
    if name not in MEDIA:
        raise NotFound(f"There is no {name} list.")
    return MEDIA[name]
