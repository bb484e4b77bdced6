"""What every page of ours has: who is looked at, the newest lists, links that keep both, and one way to be rendered."""

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
MOST = 2**31
"""No number in an address is greater: SQLite's own end at 2^63, and no list has so many pages."""
_PARAMETER = re.compile(r"(?<!\w):([a-z_]+)")
# Suggestions may be fetched before the first backup.
_USERS = """
    SELECT mal_user.id, mal_user.name, mal_user.origin, mal_user.mal_id,
        max(series.kind = 'own') AS own, max(snapshot.taken_at) AS newest
    FROM mal_user LEFT JOIN series ON series.user = mal_user.id LEFT JOIN snapshot ON snapshot.series = series.id
    WHERE snapshot.id IS NOT NULL OR mal_user.id IN (SELECT user FROM suggestion)
    GROUP BY mal_user.id ORDER BY own DESC, newest DESC, mal_user.id
"""
# An import is somebody's file, whatever its time; it stands for the list only where the list itself was never read.
_NEWEST = """
    SELECT snapshot.* FROM series JOIN snapshot ON snapshot.series = series.id
    WHERE series.user = :user AND snapshot.{0} IS NOT NULL
    ORDER BY series.kind = 'import', taken_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 minute'), taken_at DESC,
        snapshot.id DESC LIMIT 1
"""
_THEIRS = """
    SELECT snapshot.* FROM snapshot JOIN series ON series.id = snapshot.series
    WHERE snapshot.id = :snapshot AND series.user = :user
"""


def _number(text: str, default: int) -> int:
    """The number in `text`, at most `MOST`; `default` where it is none."""
    return min(int(text[:20]), MOST) if text.isascii() and text.isdigit() else default


@dataclass(frozen=True)
class Asked:
    """One request for a page: what the address says, and whose lists are looked at."""

    browse: "Browse"
    request: Any
    users: list[Row]
    user: Row | None

    @property
    def mirror(self) -> "ReadOnly":
        """The mirror."""
        return self.browse.mirror

    @property
    def user_id(self) -> int:
        """The MAL user's number in the mirror; 0, which is nobody's, where there is none yet."""
        return 0 if self.user is None else int(self.user["id"])

    def text(self, name: str, default: str = "") -> str:
        """What the address says of `name`, without blanks around it."""
        return str(self.request.args.get(name) or default).strip()

    def number(self, name: str, default: int = 0) -> int:
        """A number in the address; `default` where it is none."""
        return _number(self.text(name), default)

    def place(self, name: str) -> str:
        """A part of the address's path."""
        return str(self.request.url_vars[name])

    def number_of(self, name: str) -> int:
        """A number in the address's path."""
        return _number(self.place(name), 0)

    async def rows(self, query: str, **values: Any) -> list[Row]:
        """The rows of a query of `queries/`. A parameter that is not named is empty, which means what it says there."""
        sql = queries.sql(query)
        return await self.mirror.found(sql, **{**dict.fromkeys(_PARAMETER.findall(sql), ""), **values})

    def leaf(self, entries: int, size: int) -> tuple[int, int]:
        """Which page the address asks for where each has `size` of so many entries, and how many pages there are."""
        pages = max(1, -(-entries // size))
        return min(max(1, self.number("page", 1)), pages), pages

    async def leafed(self, query: str, size: int, **values: Any) -> Row:
        """The page that the address asks for of a query's rows, which nobody has counted: `rows`, `page`, and if there are
        `more`."""
        page = max(1, self.number("page", 1))
        rows = await self.rows(query, **values, rows=size + 1, skip=(page - 1) * size)
        return {"rows": rows[:size], "page": page, "more": len(rows) > size}

    async def newest(self, medium: Medium) -> Row | None:
        """The newest snapshot of the user that covers `medium`."""
        return await self.mirror.first(_NEWEST.format(medium.name), user=self.user_id)

    async def snapshot(self, text: str) -> Row:
        """The snapshot of that number, if it is one of the user's. Raises NotFound."""
        row = await self.mirror.first(_THEIRS, snapshot=_number(text, 0), user=self.user_id)
        if row is None or self.user is None:
            raise NotFound(f"There is no snapshot {text} of {self.user['name'] if self.user else 'anybody'}.")
        return row

    def link(self, path: str, **values: Any) -> str:
        """An address of ours; the user stays, where it is not the one to begin with."""
        if self.user is not None and self.user is not self.users[0]:
            values = {"user": self.user["id"], **values}
        kept = {name: value for name, value in values.items() if value not in ("", None)}
        return f"{path}?{urlencode(kept)}" if kept else path

    def changed(self, **values: Any) -> str:
        """This page's address with other values; None takes one away, and the page's number goes."""
        now = {name: self.request.args[name] for name in self.request.args if name != "page"}
        kept = {name: value for name, value in {**now, **values}.items() if value not in ("", None)}
        return f"{self.request.path}?{urlencode(kept)}" if kept else str(self.request.path)

    def data(self, query: str, **values: Any) -> Row:
        """Where Datasette has the same as CSV and JSON, whole, and as a page with its SQL."""
        values = {name: value for name, value in values.items() if value not in ("", None)}
        every, path = urlencode({**values, "rows": -1}), f"/mirror/{query}"
        return {
            "csv": f"{path}.csv?{every}",
            "json": f"{path}.json?{every}&_shape=array",
            "page": f"{path}?{urlencode(values)}",
        }

    def typed(self, command: str) -> str:
        """The command line that does `command` for the user who is looked at."""
        account = None if self.user is None else self.browse.accounts.get(_user(self.user).key)
        return text.command_line(command, account or text.DEFAULT_ACCOUNT)

    async def page(self, template: str, **context: Any) -> Any:
        """A page of ours, under the strict policy."""
        body = await self.browse.render_template(
            template, {"asked": self, "link": self.link, "MEDIA": MEDIA, **context}, request=self.request
        )
        return Response.html(body, headers={"content-security-policy": policy(await pictures(self.browse))})


class NoSuchUser(Base400):
    """An address names a MAL user who is not here. No NotFound: Datasette leads that from `/` to the same address again."""

    status = 404


async def asked(browse: "Browse", request: Any) -> Asked:
    """The request, with the user whom it names, else the one to begin with. Raises NoSuchUser."""
    users, user = await users_of(browse, request)
    named = request.args.get("user")
    if named and user is None:
        raise NoSuchUser(f"There is no MAL user {named} in the mirror.")
    return Asked(browse, request, users, user)


async def users_of(browse: "Browse", request: Any) -> tuple[list[Row], Row | None]:
    """Every MAL user in the mirror, the one to begin with first, and the one whom the request names, if there is such a one."""
    users = await browse.mirror.found(_USERS)
    if (first := browse.begins_with) is not None:
        users.sort(key=lambda user: _user(user).key != first.key)
    named = None if request is None else request.args.get("user")
    return users, next((user for user in users if named in (None, "", str(user["id"]))), None)


def _user(row: Row) -> User:
    return User(row["origin"], row["mal_id"], row["name"])


async def pictures(browse: "Browse") -> str:
    """The sources from which covers may come: MAL's picture hosts, and a sandbox whose lists are in the mirror."""
    if not browse.pictures:
        return ""
    rows = await browse.mirror.found("SELECT DISTINCT origin FROM mal_user")
    here = (row["origin"] for row in rows if re.fullmatch(r"http://(127\.0\.0\.1|localhost):\d+", row["origin"]))
    return " ".join((*browse.pictures, *here))


def medium_of(name: str) -> Medium:
    """The medium of that name. Raises NotFound."""
    if name not in MEDIA:
        raise NotFound(f"There is no list of {name}.")
    return MEDIA[name]
