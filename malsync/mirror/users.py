"""The table `mal_user`: a number for each MAL user that the mirror knows."""

from malsync.mirror.database import File
from malsync.model.row_values import optional, typed
from malsync.model.snapshot import User


def number_of(file: File, user: User) -> int | None:
    """The number of `user`'s row; None if the mirror does not know the user."""
    row = _find(file, user)
    return None if row is None else row[0]


def ensure(file: File, user: User, *, rename: bool) -> int:
    """Insert `user` if new and return the row's number. With `rename` a changed name is stored."""
    row = _find(file, user)
    if row is None:
        return file.insert(
            "INSERT INTO mal_user (origin, mal_id, name) VALUES (?, ?, ?)", user.origin, user.id, user.name
        )
    number, name = row
    if rename and user.name and name != user.name:
        file.execute("UPDATE mal_user SET name = ? WHERE id = ?", user.name, number)
    return number


def user_of(origin: object, mal_id: object, name: object) -> User:
    """The user in a row of `mal_user`. Raises TypeError if malsync did not write the row."""
    return User(typed(str, origin), optional(int, mal_id), typed(str, name))


def _find(file: File, user: User) -> tuple[int, str] | None:
    # Keys are compared in Python: SQLite's lower() knows only ASCII.
    rows = file.rows("SELECT id, mal_id, name FROM mal_user WHERE origin = ?", user.origin)
    with file.decoding("a MAL user"):
        return next(
            ((number, name) for number, mal_id, name in rows if user_of(user.origin, mal_id, name).key == user.key),
            None,
        )
