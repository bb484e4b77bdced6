"""The MAL users that the mirror knows, and the number of each one's row."""

from malsync.mirror.database import File
from malsync.model.row_values import maybe, typed
from malsync.model.snapshot import User


def find(file: File, user: User) -> int | None:
    """The number of `user`; None for one that was never here."""
    found = _find(file, user)
    return None if found is None else found[0]


def keep(file: File, user: User, *, may_rename: bool) -> int:
    """The number of `user`, who is new here or has, with `may_rename`, perhaps taken another name."""
    found = _find(file, user)
    if found is None:
        return file.insert(
            "INSERT INTO mal_user (origin, mal_id, name) VALUES (?, ?, ?)", user.origin, user.id, user.name
        )
    number, name = found
    if name != user.name and user.name and may_rename:
        file.change("UPDATE mal_user SET name = ? WHERE id = ?", user.name, number)
    return number


def _find(file: File, user: User) -> tuple[int, str] | None:
    # Compared here: SQLite's lower() knows ASCII alone.
    rows = file.rows("SELECT id, mal_id, name FROM mal_user WHERE origin = ?", user.origin)
    with file.understood("a MAL user"):
        return next(((row[0], row[2]) for row in rows if read(user.origin, *row[1:]).key == user.key), None)


def read(origin: object, mal_id: object, name: object) -> User:
    """A row of mal_user. Raises TypeError for one that malsync did not write."""
    return User(typed(str, origin), maybe(int, mal_id), typed(str, name))
