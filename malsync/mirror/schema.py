"""The mirror's tables, as migrations. A migration that has left the house is never edited: a new one follows it.

Importing this brings sqlite-utils in (70 ms), so `database.py` does it only for a file that is new or older than this program.
"""

from sqlite_utils import Database, Migrations

from malsync.medium import MEDIA, Kind, Medium

COLUMN_TYPES = {
    Kind.WORD: "TEXT",
    Kind.NUMBER: "INTEGER",
    Kind.FLAG: "INTEGER",
    Kind.DATE: "TEXT",
    Kind.TAGS: "TEXT",
    Kind.TEXT: "TEXT",
    Kind.TIME: "TEXT",
}

migrations = Migrations("malsync")


@migrations()
def snapshots(db: Database) -> None:
    """MAL users, series, snapshots, and a row for each version of each entry."""
    for statement in _USERS_AND_SNAPSHOTS:
        db.execute(statement)
    for medium in MEDIA.values():
        db.execute(f"CREATE TABLE {medium.name} (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
        db.execute(_version_table(medium))
        db.execute(_list_view(medium))


@migrations()
def journal(db: Database) -> None:
    """Runs, and each write of a run with what came of it."""
    for statement in _RUNS_AND_CALLS:
        db.execute(statement)


_USERS_AND_SNAPSHOTS = (
    """
    CREATE TABLE mal_user (
        id INTEGER PRIMARY KEY,
        origin TEXT NOT NULL,
        mal_id INTEGER,
        name TEXT NOT NULL
    )
    """,
    # A user without an id is known by the name alone (whatever its case: User.key).
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
    # The guard against a second unfinished run, where no program can forget it.
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


def _list_view(medium: Medium) -> str:
    """Each user's newest list, as a person would write it down: the title, and blanks where nothing was set."""
    return f"""
    CREATE VIEW {medium.name}_list AS
    SELECT mal_user.name AS user, newest.id AS snapshot, newest.taken_at, version.media_id AS id,
        {medium.name}.title, {", ".join(_readable(medium))}
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
