"""The pages of our own, and the addresses that they have in front of Datasette's."""

from collections.abc import Awaitable, Callable
from typing import Any

from malsync.browse.page_context import Asked, asked
from malsync.browse.pages import catalogue, charts, forum, history, home, lists, runs, title

Page = Callable[[Asked], Awaitable[Any]]

_PAGES: dict[str, Page] = {
    r"^/$": home.page,
    r"^/(?P<medium>anime|manga)$": lists.page,
    r"^/(?P<medium>anime|manga)/(?P<id>\d{1,18})$": title.page,
    r"^/charts$": charts.page,
    r"^/snapshots$": history.snapshots,
    r"^/days$": history.days,
    r"^/changes$": history.changes,
    r"^/gone$": history.gone,
    r"^/runs$": runs.every,
    r"^/runs/(?P<run>\d{1,18})$": runs.one,
    r"^/rankings$": catalogue.rankings,
    r"^/seasons$": catalogue.seasons,
    r"^/suggestions$": catalogue.suggestions,
    r"^/forum$": forum.topics,
    r"^/forum/(?P<topic>\d{1,18})$": forum.posts,
}


def _view(page: Page) -> Any:
    async def view(datasette: Any, request: Any) -> Any:
        return await page(await asked(datasette, request))

    return view


ROUTES = [(address, _view(page)) for address, page in _PAGES.items()]
