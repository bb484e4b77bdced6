"""The columns of the tables `anime` and `manga`, a row for each title. The tables are created from it and filled by it."""

from collections.abc import Iterable

from malsync.mirror.mapping import column_paths, root
from malsync.model.medium import Medium

COLUMNS: dict[str, tuple[str, str]] = {
    name: (sql_type, path)
    for sql_type, text in (
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
    for name, path in column_paths(text).items()
}
"""By column, its SQL type and the path of its value in a title (see `mapping.columns`). The order is that of the tables."""
_ALWAYS = {"id", "title", "main_picture"}  # MAL sends these unasked (go-myanimelist, testdata)


def requested_members(fields: Iterable[str]) -> set[str]:
    """The members of a title that a request with these `fields` can answer with."""
    return _ALWAYS | {name.partition("{")[0] for name in fields}


def paths_of(medium: Medium) -> dict[str, str]:
    """The columns of a medium's table and the path of each: those that its `fields` can request."""
    members = requested_members(medium.detailed)
    return {name: path for name, (_, path) in COLUMNS.items() if root(path) in members}
