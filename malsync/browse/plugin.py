"""The Datasette plugin: our routes, what templates can use, table cells, and error pages without internals."""

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
_SUBPAGES = {"/days": "/snapshots", "/changes": "/snapshots", "/gone": "/snapshots"}
"""By page, the page of the navigation that it belongs to."""


def _is_ours(datasette: Any) -> bool:
    """Return whether this is our Datasette: plugins are active in every Datasette of the process."""
    return bool(getattr(datasette, "is_malsyncs", False))


@hookimpl
def register_routes(datasette: Any) -> list[Any]:
    """Return our routes, which come before Datasette's."""
    return pages.ROUTES if _is_ours(datasette) else []


@hookimpl
def prepare_jinja2_environment(env: Any) -> None:
    """Add our filters and globals to the templates."""
    env.filters.update(filters.FILTERS)
    env.globals |= {"bar": charts.bar, "cell": filters.cell}


@hookimpl
def extra_template_vars(datasette: Any, request: Any) -> Any:
    """Return what every page needs: navigation, users, sources of covers, and the choices of one of our queries."""

    async def variables() -> dict[str, Any]:
        if not _is_ours(datasette):
            return {}
        path = request.path if request is not None else "/"
        try:
            sources, choices = await pictures(datasette), await _choices(datasette, path)
            users, user = await users_of(datasette, request)
        except (sqlite3.DatabaseError, QueryInterrupted):
            sources, choices, users, user = "", {}, [], None  # unreadable: this is rendering the page that says so
        return {
            "navigation": NAVIGATION,
            "here": _SUBPAGES.get(path, path),
            "version": __version__,
            "cover": lambda address: filters.allowed(address, sources),
            "choices": choices,
            "users": users,
            "user": user or next(iter(users), None),
            # Datasette's pages show the data of all users, so choosing a user there leads to the home page.
            "users_at": "" if any(re.match(address, path) for address, _ in pages.ROUTES) else "/",
            "query_groups": queries.groups(),
            "rows_of": query.medium if (query := _query_at(path)) else "",
        }

    return variables


async def _choices(datasette: Any, path: str) -> dict[str, list[Any]]:
    """Return the values that each parameter of the query at `path` can have, each with a label."""
    query = _query_at(path)
    choices = {}
    for name, sql in query.choices.items() if query else ():
        rows = (await datasette.mirror.execute(sql)).rows
        choices[name] = [(str(row[0]), str(row[-1])) for row in rows]
    return choices


def _query_at(path: str) -> queries.Query | None:
    parts = path.split("/")
    return queries.all_queries().get(parts[2]) if len(parts) == 3 else None


@hookimpl
def render_cell(row: Any, value: Any, column: str, table: str | None, datasette: Any) -> Any:
    """Show titles as links and statuses in colour in Datasette's tables; query.html does so for queries."""
    if not _is_ours(datasette):
        return None
    return filters.cell(row, column, value, next((name for name in MEDIA if table in (name, f"{name}_list")), ""))


@hookimpl
def handle_exception(datasette: Any, request: Any, exception: Exception) -> Any:
    """Answer with a page that says what went wrong, and print nothing."""

    async def answer() -> Any:
        status, message = _status_and_message(exception, request.path)
        document = {"ok": False, "error": message, "status": status, "title": None}
        if request.path.endswith(".json"):
            return Response.json(document, status=status)
        body = await datasette.render_template("error.html", document, request=request)
        return Response.html(body, status=status)

    return answer


def _status_and_message(exception: Exception, path: str) -> tuple[int, str]:
    if isinstance(exception, QueryInterrupted) or isinstance(exception.__context__, QueryInterrupted):
        return 503, "This took too long and was stopped. Narrow it down and try again."
    if isinstance(exception, NotFound) and exception.args == ("Database not found",):
        # Datasette takes the first part of any unknown address for the name of a database.
        return 404, f"There is no page {path}."
    if isinstance(exception, Base400):
        return exception.status, str(exception.args[0] if exception.args else "")
    if isinstance(exception, DatasetteError):
        # Datasette answers 500 to an address that it cannot parse, which is not the server's fault.
        return 400 if exception.status == 500 else exception.status, str(exception.message)
    is_sql = getattr(exception, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    if path.startswith("/mirror") and (is_sql or isinstance(exception, sqlite3.ProgrammingError)):
        if "binding parameter" in str(exception):
            return (
                400,
                "There is no such row. Its address needs a value for each column of the primary key, separated by commas.",
            )
        return 400, f"SQLite cannot run this query: {str(exception).rstrip('.')}."
    if isinstance(exception, sqlite3.DatabaseError):
        return 500, f"The mirror could not be read ({exception}). To check it: malsync verify"
    return 500, f"Something went wrong ({type(exception).__name__}). This is a bug in malsync."
