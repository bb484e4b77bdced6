"""The types of MAL's answers: JSON as it was sent, with unknown members kept.

Any member may be missing: most come only where `fields` names them, and MAL leaves out what is not known (a mean of too few
scores, the end of what still runs); some may be null. Words such as `status` and `media_type` are open: MAL has added some
without notice. Names and types are those of MAL's reference and of the replies that public clients recorded
(go-myanimelist's testdata; MAL-API-Client-Upgraded, docs/Inconsistencies.rst). Answers are checked
against `schemas/openapi.json`.
"""

from typing import TypedDict

from malsync.model.medium import ListStatus

# -- titles


class Picture(TypedDict, total=False):
    """Addresses of one picture; `large` is missing for some."""

    medium: str | None
    large: str | None


class AlternativeTitles(TypedDict, total=False):
    """A title's other names; `en` and `ja` may be empty."""

    synonyms: list[str] | None
    en: str | None
    ja: str | None


class Named(TypedDict, total=False):
    """A genre, a studio or a magazine."""

    id: int
    name: str


class Season(TypedDict, total=False):
    """A quarter of a year: winter, spring, summer or fall."""

    year: int
    season: str


class Broadcast(TypedDict, total=False):
    """Japanese time; `start_time` (`01:35`) is missing where only the day is known."""

    day_of_the_week: str
    start_time: str | None


class Person(TypedDict, total=False):
    """The names come only on request: `authors{first_name,last_name}`."""

    id: int
    first_name: str
    last_name: str


class Author(TypedDict, total=False):
    """`role` is a text for people, such as `Story & Art`."""

    node: Person
    role: str


class Serialization(TypedDict, total=False):
    """A magazine that a manga came in."""

    node: Named


class Relation(TypedDict, total=False):
    """Another title of the same medium: MAL documents relations to the other medium and sends none."""

    node: "Title"
    relation_type: str
    relation_type_formatted: str


class Recommendation(TypedDict, total=False):
    """A recommended title, and how many users recommend it."""

    node: "Title"
    num_recommendations: int


class Statistics(TypedDict, total=False):
    """How many users have a title on their lists. The counts by status may be texts."""

    status: dict[str, int | str]
    num_list_users: int


class Theme(TypedDict, total=False):
    """A song; not in the reference."""

    id: int
    anime_id: int
    text: str


class Video(TypedDict, total=False):
    """A trailer; not in the reference."""

    id: int
    title: str
    url: str
    thumbnail: str | None
    created_at: str
    updated_at: str


class Title(TypedDict, total=False):
    """An anime or a manga. `id`, `title` and, where there is one, `main_picture` come without being requested.

    Dates are texts of a day, a month or a year: `2017-10-23`, `2017-10`, `2017`. Totals are 0 where they are not known.
    """

    id: int
    title: str | None
    main_picture: Picture | None
    alternative_titles: AlternativeTitles | None
    start_date: str | None
    end_date: str | None
    synopsis: str | None
    mean: float | None
    rank: int | None
    popularity: int | None
    num_list_users: int
    num_scoring_users: int
    num_favorites: int
    nsfw: str | None
    created_at: str
    updated_at: str
    media_type: str
    status: str
    genres: list[Named]
    my_list_status: ListStatus | None
    pictures: list[Picture]
    background: str | None
    related_anime: list[Relation]
    related_manga: list[Relation]
    recommendations: list[Recommendation]
    # anime
    num_episodes: int
    start_season: Season | None
    broadcast: Broadcast | None
    source: str | None
    average_episode_duration: int | None
    rating: str | None
    studios: list[Named]
    statistics: Statistics | None
    opening_themes: list[Theme]
    ending_themes: list[Theme]
    videos: list[Video]
    # manga
    num_volumes: int
    num_chapters: int
    authors: list[Author]
    serialization: list[Serialization]


class Place(TypedDict, total=False):
    """A place in a ranking. `previous_rank` is documented and was never seen."""

    rank: int
    previous_rank: int | None


class Ranked(TypedDict, total=False):
    """A title in a ranking. `ranking.rank` is its place in this one; `node.rank`, the place by mean, is another."""

    node: Title
    ranking: Place


# -- users


class AnimeStatistics(TypedDict, total=False):
    """A user's anime in figures. There are none of manga."""

    num_items_watching: int
    num_items_completed: int
    num_items_on_hold: int
    num_items_dropped: int
    num_items_plan_to_watch: int
    num_items: int
    num_days_watched: float
    num_days_watching: float
    num_days_completed: float
    num_days_on_hold: float
    num_days_dropped: float
    num_days: float
    num_episodes: int
    num_times_rewatched: int
    mean_score: float


class Profile(TypedDict, total=False):
    """Whose token it is. The last four come only where `fields` names them; they are not all in the reference."""

    id: int
    name: str
    picture: str | None
    gender: str | None
    location: str | None
    joined_at: str
    anime_statistics: AnimeStatistics | None
    time_zone: str | None
    is_supporter: bool | None
    birthday: str | None


# -- the forum


class Subboard(TypedDict, total=False):
    """A part of a board."""

    id: int
    title: str


class Board(TypedDict, total=False):
    """A board of the forum."""

    id: int
    title: str
    description: str | None
    subboards: list[Subboard]


class Category(TypedDict, total=False):
    """Boards under one heading."""

    title: str
    boards: list[Board]


class Member(TypedDict, total=False):
    """The author of a post or topic. `forum_avator` (MAL's spelling) comes with posts only, where there is one."""

    id: int
    name: str
    forum_avator: str | None


class Topic(TypedDict, total=False):
    """A thread in a list of them. `number_of_posts` counts the replies."""

    id: int
    title: str
    created_at: str
    created_by: Member
    number_of_posts: int
    last_post_created_at: str
    last_post_created_by: Member
    is_locked: bool


class Post(TypedDict, total=False):
    """`number` counts from 1 in its thread. `body` and `signature` are strangers' HTML, with entities: clean before showing."""

    id: int
    number: int
    created_at: str
    created_by: Member
    body: str
    signature: str | None


class PollOption(TypedDict, total=False):
    """An option of a poll, and its number of votes."""

    id: int
    text: str
    votes: int


class Poll(TypedDict, total=False):
    """A thread's poll."""

    id: int
    question: str
    closed: bool
    options: list[PollOption]
