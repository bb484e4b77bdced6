"""The pages of our own, and the addresses that they have in front of Datasette's."""

from collections.abc import Awaitable, Callable
from typing import Any

from malsync.browse.frame import Asked, asked
from malsync.browse.pages import catalogue, figures, forum, home, library, runs, title, travel

Page = Callable[[Asked], Awaitable[Any]]

_PAGES: dict[str, Page] = {
    r"^/$": home.page,
    r"^/(?P<medium>anime|manga)$": library.page,
    r"^/(?P<medium>anime|manga)/(?P<id>\d{1,18})$": title.page,
    r"^/charts$": figures.page,
    r"^/snapshots$": travel.snapshots,
    r"^/days$": travel.days,
    r"^/changes$": travel.changes,
    r"^/gone$": travel.gone,
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
