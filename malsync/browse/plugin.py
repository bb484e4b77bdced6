"""What we hang into Datasette: our pages' addresses, what templates may use, and errors that say no more than they must."""

import re
import sqlite3
from typing import Any

from datasette import hookimpl
from datasette.database import QueryInterrupted
from datasette.utils.asgi import Base400, NotFound, Response
from datasette.views.base import DatasetteError

from malsync import __version__
from malsync.browse import charts, filters, pages
from malsync.browse.page_context import pictures, users_of
from malsync.mirror import queries
from malsync.model.medium import MEDIA

NAVIGATION = (
    ("/", "Home"), ("/anime", "Anime"), ("/manga", "Manga"), ("/charts", "Charts"), ("/snapshots", "History"),
    ("/runs", "Runs"), ("/rankings", "Rankings"), ("/seasons", "Seasons"), ("/suggestions", "Suggestions"),
    ("/forum", "Forum"), ("/mirror", "Data"),
)  # fmt: skip
_UNDER = {"/days": "/snapshots", "/changes": "/snapshots", "/gone": "/snapshots"}
"""Pages that are reached from another one of the navigation."""


def _is_ours(datasette: Any) -> bool:
    """Whether this is the Datasette over the mirror: a plugin hangs in every other one of the process too."""
    return bool(getattr(datasette, "is_malsyncs", False))


@hookimpl
def register_routes(datasette: Any) -> list[Any]:
    """Our pages, in front of Datasette's."""
    return pages.ROUTES if _is_ours(datasette) else []


@hookimpl
def prepare_jinja2_environment(env: Any) -> None:
    """How templates show values."""
    env.filters.update(filters.FILTERS)
    env.globals |= {"bar": charts.bar, "cell": filters.cell}


@hookimpl
def extra_template_vars(datasette: Any, request: Any) -> Any:
    """What every page shows: where one is, from where covers may come, and for a query of ours what there is to choose."""

    async def found() -> dict[str, Any]:
        if not _is_ours(datasette):
            return {}
        path = request.path if request is not None else "/"
        try:
            sources, choices = await pictures(datasette), await _choices(datasette, path)
            users, user = await users_of(datasette, request)
        except (sqlite3.DatabaseError, QueryInterrupted):
            sources, choices, users, user = "", {}, [], None  # the page that says so is told this too
        return {
            "navigation": NAVIGATION,
            "here": _UNDER.get(path, path),
            "version": __version__,
            "cover": lambda address: filters.allowed(address, sources),
            "choices": choices,
            "users": users,
            "user": user or next(iter(users), None),
            # Datasette's pages show everybody's data: from there one goes home with another user.
            "users_at": "" if any(re.match(address, path) for address, _ in pages.ROUTES) else "/",
            "query_groups": queries.groups(),
            "rows_of": query.medium if (query := _query_at(path)) else "",
        }

    return found


async def _choices(datasette: Any, path: str) -> dict[str, list[Any]]:
    """The values that each parameter of the query at `path` can have, with a name for each."""
    query = _query_at(path)
    found = {}
    for name, sql in query.choices.items() if query else ():
        rows = (await datasette.mirror.execute(sql)).rows
        found[name] = [(str(row[0]), str(row[-1])) for row in rows]
    return found


def _query_at(path: str) -> queries.Query | None:
    parts = path.split("/")
    return queries.all_queries().get(parts[2]) if len(parts) == 3 else None


@hookimpl
def render_cell(row: Any, value: Any, column: str, table: str | None, datasette: Any) -> Any:
    """Titles lead to their pages and statuses have their colours in Datasette's tables, too; of queries, see query.html."""
    if not _is_ours(datasette):
        return None
    return filters.cell(row, column, value, next((name for name in MEDIA if table in (name, f"{name}_list")), ""))


@hookimpl
def handle_exception(datasette: Any, request: Any, exception: Exception) -> Any:
    """A page that says what went wrong, and nothing on the terminal."""

    async def answer() -> Any:
        status, message = _told(exception, request.path)
        document = {"ok": False, "error": message, "status": status, "title": None}
        if request.path.endswith(".json"):
            return Response.json(document, status=status)
        body = await datasette.render_template("error.html", document, request=request)
        return Response.html(body, status=status)

    return answer


def _told(exception: Exception, path: str) -> tuple[int, str]:
    if isinstance(exception, QueryInterrupted) or isinstance(exception.__context__, QueryInterrupted):
        return 503, "This took too long, and was given up. Narrow it down and try again."
    if isinstance(exception, NotFound) and exception.args == ("Database not found",):
        # Datasette takes the first part of every address that it does not know for the name of a database.
        return 404, f"There is no page {path}."
    if isinstance(exception, Base400):
        return exception.status, str(exception.args[0] if exception.args else "")
    if isinstance(exception, DatasetteError):
        # Its 500 is what it says of an address that it cannot follow: the reader's mistake, not the server's.
        return 400 if exception.status == 500 else exception.status, str(exception.message)
    is_sql = getattr(exception, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    if path.startswith("/mirror") and (is_sql or isinstance(exception, sqlite3.ProgrammingError)):
        if "binding parameter" in str(exception):
            return (
                400,
                "There is no such row: its address needs a value for each column of the table's key, with commas.",
            )
        return 400, f"SQLite cannot do what this address asks for: {str(exception).rstrip('.')}."
    if isinstance(exception, sqlite3.DatabaseError):
        return 500, f"The mirror could not be read ({exception}). `malsync verify` says what is whole."
    return 500, f"Something went wrong here ({type(exception).__name__}). That is a bug in malsync."
