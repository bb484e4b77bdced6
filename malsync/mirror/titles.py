"""The columns of a title's own row, which every mirror has from its first day on, so they stand apart from what fills them."""

from collections.abc import Iterable

from malsync.mirror.paths import columns, root
from malsync.model.medium import Medium

COLUMNS: dict[str, tuple[str, str]] = {
    name: (kind, path)
    for kind, paths in (
        (
            "TEXT",
            "title alternative_titles start_date end_date synopsis background media_type status source rating nsfw",
        ),
        ("INTEGER", "num_episodes num_volumes num_chapters average_episode_duration start_year:start_season.year"),
        ("TEXT", "start_season:start_season.season broadcast_day:broadcast.day_of_the_week"),
        ("TEXT", "broadcast_time:broadcast.start_time"),
        ("REAL", "mean"),
        ("INTEGER", "rank popularity num_list_users num_scoring_users num_favorites"),
        ("TEXT", "created_at updated_at picture:main_picture.medium picture_large:main_picture.large"),
    )
    for name, path in columns(paths).items()
}
"""The columns of `anime` and `manga`: SQL's type, and the path. Each has those that its medium's `fields` can name."""
_ALWAYS = {"id", "title", "main_picture"}  # come without being asked for (go-myanimelist, testdata)


def asked(fields: Iterable[str]) -> set[str]:
    """The members that a request's `fields` name, and those that come anyhow."""
    return _ALWAYS | {name.partition("{")[0] for name in fields}


def columns_of(medium: Medium) -> dict[str, str]:
    """The columns of a title's own row, by name, with the path of each."""
    return {name: path for name, (_, path) in COLUMNS.items() if root(path) in asked(medium.detailed)}
