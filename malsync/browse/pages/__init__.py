"""Our own pages and their addresses, which come before Datasette's."""

from collections.abc import Awaitable, Callable
from typing import Any

from malsync.browse.page_context import PageRequest, page_request
from malsync.browse.pages import catalogue, charts, history, home, lists, runs, title

Page = Callable[[PageRequest], Awaitable[Any]]

_PAGES: dict[str, Page] = {
    r"^/$": home.page,
    r"^/(?P<medium>anime|manga)$": lists.page,
    r"^/(?P<medium>anime|manga)/(?P<id>\d{1,18})$": title.page,
    r"^/charts$": charts.page,
    r"^/snapshots$": history.snapshots,
    r"^/days$": history.days,
    r"^/changes$": history.changes,
    r"^/gone$": history.gone,
    r"^/runs$": runs.overview,
    r"^/runs/(?P<run>\d{1,18})$": runs.run,
    r"^/rankings$": catalogue.rankings,
    r"^/seasons$": catalogue.seasons,
    r"^/suggestions$": catalogue.suggestions,
    r"^/forum$": catalogue.forum,
    r"^/forum/(?P<topic>\d{1,18})$": catalogue.topic,
}


def _view(page: Page) -> Any:
    # Datasette passes arguments by their names.
    async def view(datasette: Any, request: Any) -> Any:
        return await page(await page_request(datasette, request))

    return view


ROUTES = [(address, _view(page)) for address, page in _PAGES.items()]
