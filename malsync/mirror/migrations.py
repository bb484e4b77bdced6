"""The mirror's tables, as migrations that sqlite-utils applies. Never edit a released migration: add a new one after it.

The record of what was applied to a file is sqlite-utils' own table `_sqlite_migrations`. `user_version` is the number of its
rows, for programs that only look: an older malsync refuses a file with a higher number than its own `VERSION`.
"""

from collections.abc import Callable
from sqlite3 import SQLITE_CORRUPT, Connection, DatabaseError

from malsync.mirror.encodings import record_encodings
from malsync.mirror.title_columns import COLUMNS, paths_of
from malsync.model.medium import MEDIA, Kind, Medium
from malsync.model.plain_text import plain_sql

COLUMN_TYPES = {
    Kind.WORD: "TEXT",
    Kind.NUMBER: "INTEGER",
    Kind.FLAG: "INTEGER",
    Kind.DATE: "TEXT",
    Kind.TAGS: "TEXT",
    Kind.TEXT: "TEXT",
    Kind.TIME: "TEXT",
}


def migrate(connection: Connection, version: int | None = None) -> None:
    """Apply the migrations that are pending, the first `version` of them alone if given. Call it within a transaction.

    Raises DatabaseError, also if sqlite-utils cannot read its record of the applied migrations.
    """
    from sqlite_utils import Database, Migrations  # takes longer to import than a small backup takes to store

    migrations = Migrations("malsync")
    for migration in MIGRATIONS[:version]:
        migrations(name=migration.__name__)(lambda db, migration=migration: migration(db.conn))
    db = Database(connection, execute_plugins=False)
    try:
        migrations.apply(db)
        applied = len(migrations.applied(db))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        unreadable = DatabaseError(f"its record of migrations cannot be read ({error!r})")
        unreadable.sqlite_errorcode = SQLITE_CORRUPT
        raise unreadable from error
    connection.execute(f"PRAGMA user_version = {applied}")


def snapshots(db: Connection) -> None:
    """MAL users, series, snapshots, and a row for each version of each entry."""
    for statement in _USERS_AND_SNAPSHOTS:
        db.execute(statement)
    for medium in MEDIA.values():
        db.execute(f"CREATE TABLE {medium.name} (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
        db.execute(_version_table(medium))
        db.execute(_list_view(medium, _readable(medium)))


def journal(db: Connection) -> None:
    """Runs, and a row for each write of a run."""
    for statement in _RUNS_AND_CALLS:
        db.execute(statement)


def catalogue(db: Connection) -> None:
    """The catalogue: titles with their details, rankings, seasons, the forum, and full-text indexes."""
    for medium in MEDIA.values():
        _widen(db, medium)
    for name, body in _SHARED_TABLES.items():
        db.execute(f"CREATE TABLE {name} ({body})")
    for medium in MEDIA.values():
        for name, body in {**_TABLES_OF_A_MEDIUM, **_TABLES_OF_ONE_MEDIUM[medium.name]}.items():
            # Rows are looked up by primary key only, so they need no rowid.
            db.execute(f"CREATE TABLE {medium.name}_{name} ({body.format(medium.name)}) WITHOUT ROWID")
    for index in _REVERSE:
        table, column = index.split(".")
        db.execute(f"CREATE INDEX {table}_by_{column} ON {table} ({column})")
    for name in MEDIA:
        # Titles that are known from backups alone are not indexed, which keeps backups fast.
        _search(db, name, ("title", "alternative_titles", "synopsis"), "{}.fetched_at IS NOT NULL")
    _search(db, "forum_topic", ("title",))
    _search(db, "forum_post", ("text",))


def plain_text(db: Connection) -> None:
    """A snapshot's HTML-encoded fields; the fields that an imported entry does not know, and its title in the file."""
    db.execute("ALTER TABLE snapshot ADD COLUMN encoded TEXT NOT NULL DEFAULT '{}'")
    for medium in MEDIA.values():
        for column in ("unknown", "file_title"):
            db.execute(f"ALTER TABLE {medium.name}_version ADD COLUMN {column} TEXT")
        db.execute(f"DROP VIEW {medium.name}_list")
        db.execute(_list_view(medium, _readable_plain(medium)))
    record_encodings(db)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (snapshots, journal, catalogue, plain_text)
VERSION = len(MIGRATIONS)
"""The `user_version` of a mirror that is up to date."""
_USERS_AND_SNAPSHOTS = (
    """
    CREATE TABLE mal_user (
        id INTEGER PRIMARY KEY,
        origin TEXT NOT NULL,
        mal_id INTEGER,
        name TEXT NOT NULL
    )
    """,
    # A user without an id is identified by the name (ignoring case: User.key).
    "CREATE UNIQUE INDEX mal_user_by_key ON mal_user (origin, coalesce(mal_id, name))",
    """
    CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        user INTEGER NOT NULL REFERENCES mal_user (id),
        kind TEXT NOT NULL CHECK (kind IN ('own', 'public', 'import'))
    )
    """,
    """
    CREATE TABLE snapshot (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        series INTEGER NOT NULL REFERENCES series (id),
        taken_at TEXT NOT NULL,
        source TEXT NOT NULL,
        digest TEXT NOT NULL,
        covers TEXT NOT NULL,
        anime INTEGER,
        manga INTEGER,
        added INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        removed INTEGER NOT NULL,
        suspicious TEXT NOT NULL,
        note TEXT NOT NULL
    )
    """,
    "CREATE INDEX snapshot_by_series ON snapshot (series, taken_at)",
)
_RUNS_AND_CALLS = (
    """
    CREATE TABLE run (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user INTEGER NOT NULL REFERENCES mal_user (id),
        account TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('restore', 'revert', 'migrate', 'apply', 'undo')),
        plan TEXT NOT NULL,
        before INTEGER REFERENCES snapshot (id) ON DELETE SET NULL,
        after INTEGER REFERENCES snapshot (id) ON DELETE SET NULL,
        undoes INTEGER REFERENCES run (id),
        state TEXT NOT NULL CHECK (state IN ('unfinished', 'finished', 'undone', 'abandoned')),
        started_at TEXT NOT NULL,
        ended_at TEXT,
        CHECK ((kind = 'undo') = (undoes IS NOT NULL)),
        CHECK ((state = 'unfinished') = (ended_at IS NULL))
    )
    """,
    "CREATE INDEX run_by_user ON run (user, state)",
    # Prevents a second unfinished run, whatever program writes.
    "CREATE UNIQUE INDEX run_unfinished ON run (user) WHERE state = 'unfinished'",
    """
    CREATE TABLE run_call (
        run INTEGER NOT NULL REFERENCES run (id),
        seq INTEGER NOT NULL,
        op TEXT NOT NULL CHECK (op IN ('add', 'update', 'remove')),
        medium TEXT NOT NULL CHECK (medium IN ('anime', 'manga')),
        media_id INTEGER NOT NULL,
        title TEXT NOT NULL,
        expect TEXT,
        fields TEXT NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('planned', 'sent', 'done', 'already', 'skipped', 'failed', 'not_restorable')
        ),
        tries INTEGER NOT NULL,
        sent_at TEXT,
        answered_at TEXT,
        http INTEGER,
        answer TEXT,
        why TEXT NOT NULL,
        PRIMARY KEY (run, seq)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX run_call_by_title ON run_call (medium, media_id)",
)
_SHARED_TABLES = {
    # A genre's number means another genre in the other medium, so the key contains the medium: anime:41.
    "genre": "id TEXT PRIMARY KEY, medium TEXT NOT NULL, mal_id INTEGER NOT NULL, name TEXT",
    "studio": "id INTEGER PRIMARY KEY, name TEXT",
    "person": "id INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT",
    "magazine": "id INTEGER PRIMARY KEY, name TEXT",
    "season_title": """
        year INTEGER NOT NULL, season TEXT NOT NULL, media_id INTEGER NOT NULL REFERENCES anime (id), place INTEGER,
        PRIMARY KEY (year, season, media_id)
    """,
    "suggestion": """
        user INTEGER NOT NULL REFERENCES mal_user (id), place INTEGER NOT NULL,
        media_id INTEGER NOT NULL REFERENCES anime (id), PRIMARY KEY (user, place)
    """,
    "fetch": """
        id INTEGER PRIMARY KEY, what TEXT NOT NULL, user INTEGER NOT NULL REFERENCES mal_user (id),
        started_at TEXT NOT NULL, ended_at TEXT
    """,
    "forum_member": "id INTEGER PRIMARY KEY, name TEXT, picture TEXT",
    "forum_category": "title TEXT PRIMARY KEY, place INTEGER",
    "forum_board": """
        id INTEGER PRIMARY KEY, category TEXT REFERENCES forum_category (title), place INTEGER, title TEXT,
        description TEXT, fetched_at TEXT
    """,
    "forum_subboard": """
        id INTEGER PRIMARY KEY, board INTEGER REFERENCES forum_board (id), place INTEGER, title TEXT, fetched_at TEXT
    """,
    "forum_topic": """
        id INTEGER PRIMARY KEY, title TEXT, created_at TEXT, created_by INTEGER REFERENCES forum_member (id),
        number_of_posts INTEGER, last_post_created_at TEXT, last_post_created_by INTEGER REFERENCES forum_member (id),
        is_locked INTEGER, board INTEGER REFERENCES forum_board (id), subboard INTEGER REFERENCES forum_subboard (id),
        fetched_at TEXT, posts_at TEXT
    """,
    "forum_post": """
        id INTEGER PRIMARY KEY, topic INTEGER NOT NULL REFERENCES forum_topic (id), number INTEGER, created_at TEXT,
        created_by INTEGER REFERENCES forum_member (id), body TEXT, text TEXT, signature TEXT
    """,
    "forum_poll": """
        topic INTEGER PRIMARY KEY REFERENCES forum_topic (id), poll INTEGER, question TEXT, closed INTEGER
    """,
    "forum_poll_option": """
        topic INTEGER NOT NULL REFERENCES forum_poll (topic), place INTEGER NOT NULL, option INTEGER, text TEXT,
        votes INTEGER, PRIMARY KEY (topic, place)
    """,
}
_OF_A_TITLE = "media_id INTEGER NOT NULL REFERENCES {0} (id), "
_IN_ORDER = _OF_A_TITLE + "place INTEGER NOT NULL, "
_TABLES_OF_A_MEDIUM = {
    "alternative_title": _IN_ORDER + "kind TEXT NOT NULL, title TEXT, PRIMARY KEY (media_id, kind, place)",
    "genre": _OF_A_TITLE + "genre TEXT NOT NULL REFERENCES genre (id), PRIMARY KEY (media_id, genre)",
    "picture": _IN_ORDER + "picture TEXT, picture_large TEXT, PRIMARY KEY (media_id, place)",
    "recommendation": _IN_ORDER
    + "recommended INTEGER REFERENCES {0} (id), num_recommendations INTEGER, PRIMARY KEY (media_id, place)",
    **{
        f"related_{other}": _IN_ORDER
        + f"related INTEGER REFERENCES {other} (id), type TEXT, type_formatted TEXT, PRIMARY KEY (media_id, place)"
        for other in ("anime", "manga")
    },
    "ranking": "day TEXT NOT NULL, type TEXT NOT NULL, "
    + _OF_A_TITLE
    + "rank INTEGER, previous_rank INTEGER, PRIMARY KEY (day, type, media_id)",
}
_TABLES_OF_ONE_MEDIUM = {
    "anime": {
        "studio": _OF_A_TITLE + "studio INTEGER NOT NULL REFERENCES studio (id), PRIMARY KEY (media_id, studio)",
        "statistic": _OF_A_TITLE + "status TEXT NOT NULL, num_users INTEGER, PRIMARY KEY (media_id, status)",
        "theme": _IN_ORDER + "kind TEXT NOT NULL, theme INTEGER, text TEXT, PRIMARY KEY (media_id, kind, place)",
        "video": _IN_ORDER
        + "video INTEGER, title TEXT, url TEXT, thumbnail TEXT, created_at TEXT, updated_at TEXT,"
        + " PRIMARY KEY (media_id, place)",
    },
    "manga": {
        "author": _IN_ORDER + "person INTEGER REFERENCES person (id), role TEXT, PRIMARY KEY (media_id, place)",
        "serialization": _OF_A_TITLE
        + "magazine INTEGER NOT NULL REFERENCES magazine (id), PRIMARY KEY (media_id, magazine)",
    },
}
# Indexes for following a reference backwards, from a row to the rows that refer to it.
_REVERSE = (
    *(
        f"{name}_{column}"
        for name in MEDIA
        for column in (
            "genre.genre", "recommendation.recommended", "related_anime.related", "related_manga.related", "ranking.media_id",
        )
    ),
    "anime_studio.studio", "manga_author.person", "manga_serialization.magazine", "season_title.media_id",
    "suggestion.media_id", "forum_board.category", "forum_subboard.board", "forum_topic.board", "forum_topic.subboard",
    "forum_topic.created_by", "forum_topic.last_post_created_by", "forum_post.topic", "forum_post.created_by",
)  # fmt: skip


def _widen(db: Connection, medium: Medium) -> None:
    """Add the catalogue's columns to a title's table by replacing it: ALTER TABLE adds one column at a time."""
    columns = [f"{name} {COLUMNS[name][0]}" for name in paths_of(medium) if name != "title"]
    columns += [f"{name} TEXT" for name in ("extra", "fetched_at", "details_at", "gone_at")]
    table, view = medium.name, f"{medium.name}_list"
    for statement in (
        f"CREATE TABLE {table}_new (id INTEGER PRIMARY KEY, title TEXT NOT NULL, {', '.join(columns)})",
        f"INSERT INTO {table}_new (id, title) SELECT id, title FROM {table}",
        f"DROP VIEW {view}",
        f"DROP TABLE {table}",
        f"ALTER TABLE {table}_new RENAME TO {table}",
        _list_view(medium, _readable(medium)),
    ):
        db.execute(statement)


def _search(db: Connection, table: str, columns: tuple[str, ...], when: str = "TRUE") -> None:
    """Create a full-text index of `columns` for the rows of `table` that meet the condition `when`, and triggers to maintain it.

    As in SQLite's manual (FTS5, external content tables), except that one trigger does both halves of an update, because the
    order of two triggers is undefined, and only if something changed.
    """
    index, names = f"{table}_fts", ", ".join(columns)
    old, new = (", ".join(f"{row}.{name}" for name in columns) for row in ("old", "new"))
    was, now = when.format("old"), when.format("new")
    take = f"INSERT INTO {index} ({index}, rowid, {names}) SELECT 'delete', old.id, {old} WHERE {was};"
    put = f"INSERT INTO {index} (rowid, {names}) SELECT new.id, {new} WHERE {now};"
    db.execute(
        f'CREATE VIRTUAL TABLE {index} USING fts5({names}, content="{table}", content_rowid="id",'
        " tokenize='unicode61 remove_diacritics 2')"
    )
    for event, changed, does in (
        ("INSERT", now, put),
        ("DELETE", was, take),
        ("UPDATE", f"({was}, {old}) IS NOT ({now}, {new})", take + put),
    ):
        db.execute(f"CREATE TRIGGER {index}_{event.lower()} AFTER {event} ON {table} WHEN {changed} BEGIN {does} END")


def _version_table(medium: Medium) -> str:
    columns = "".join(f"    {field.name} {COLUMN_TYPES[field.kind]},\n" for field in medium.fields)
    return (
        f"CREATE TABLE {medium.name}_version (\n"
        "    series INTEGER NOT NULL REFERENCES series (id),\n"
        "    media_id INTEGER NOT NULL,\n"
        "    since INTEGER NOT NULL,\n"
        "    until INTEGER,\n"
        f"{columns}"
        "    extra TEXT,\n"
        "    PRIMARY KEY (series, media_id, since)\n"
        ") WITHOUT ROWID"
    )


def _list_view(medium: Medium, columns: list[str]) -> str:
    """A view of each user's newest list with titles, readable values, and blanks for unset ones."""
    return f"""
    CREATE VIEW {medium.name}_list AS
    SELECT mal_user.name AS user, newest.id AS snapshot, newest.taken_at, version.media_id AS id,
        {medium.name}.title, {", ".join(columns)}
    FROM (
        SELECT snapshot.*, series.user,
            row_number() OVER (PARTITION BY series.user ORDER BY snapshot.taken_at DESC, snapshot.id DESC) AS age
        FROM snapshot JOIN series ON series.id = snapshot.series
        WHERE snapshot.{medium.name} IS NOT NULL
    ) AS newest
    JOIN mal_user ON mal_user.id = newest.user
    JOIN {medium.name}_version AS version ON version.series = newest.series
        AND version.since <= newest.id AND (version.until IS NULL OR version.until > newest.id)
    LEFT JOIN {medium.name} ON {medium.name}.id = version.media_id
    WHERE newest.age = 1
    """


def _readable(medium: Medium) -> list[str]:
    shown = {
        Kind.WORD: "replace(version.{0}, '_', ' ') AS {0}",
        Kind.NUMBER: "coalesce(version.{0}, 0) AS {0}",
        Kind.FLAG: "CASE WHEN version.{0} THEN 'yes' ELSE '' END AS {0}",
        Kind.DATE: "version.{0}",
        Kind.TAGS: "(SELECT group_concat(value, ', ') FROM json_each(version.{0})) AS {0}",
        Kind.TEXT: "coalesce(version.{0}, '') AS {0}",
        Kind.TIME: "version.{0}",
    }
    return [shown[field.kind].format(field.name) for field in medium.fields]


def _readable_plain(medium: Medium) -> list[str]:
    """The columns of `_readable`, texts decoded if the newest snapshot is encoded."""
    columns = _readable(medium)
    for place, field in enumerate(medium.fields):
        names = f"iif(json_valid(newest.encoded), json_extract(newest.encoded, '$.{medium.name}'), '')"
        is_encoded = f"instr({names}, '\"{field.name}\"')"
        if field.kind is Kind.TEXT:
            text = f"coalesce(version.{field.name}, '')"
            columns[place] = f"iif({is_encoded}, {plain_sql(text)}, {text}) AS {field.name}"
        elif field.kind is Kind.TAGS:
            tags = f"iif({is_encoded}, {plain_sql('value')}, value)"
            columns[place] = f"(SELECT group_concat({tags}, ', ') FROM json_each(version.{field.name})) AS {field.name}"
    return columns
