"""Local names for MAL users: which account is bound to whom. The tokens are elsewhere (auth.py)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from malsync import files
from malsync.errors import AuthError, UsageError
from malsync.model.snapshot import User
from malsync.text import DEFAULT_ACCOUNT

FILE_NAME = "accounts.json"
_NAME = re.compile(r"\w[\w.-]{0,63}")


@dataclass(frozen=True)
class Accounts:
    """The accounts of one home folder. An account is bound at its first login or backup, and stays bound."""

    path: Path

    @classmethod
    def of(cls, home: Path) -> "Accounts":
        """The accounts of that home folder."""
        return cls(home / FILE_NAME)

    def all(self) -> dict[str, User]:
        """Every account's MAL user, by account name. Raises UsageError when the file cannot be read."""
        return {name: user for name, (user, _) in self._read().items()}

    def _read(self) -> dict[str, tuple[User, int]]:
        try:
            found = orjson.loads(files.read_own(self.path))
            return {
                name: (
                    User(str(bound["origin"]), int(bound["id"]), str(bound["name"])),
                    int(bound.get("uncounted", 0)),
                )
                for name, bound in found.items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{self.path} is damaged ({type(error).__name__}).",
                advice="move the accounts away",
            ) from error

    def user(self, account: str) -> User | None:
        """Whom that account is bound to."""
        return self.all().get(account)

    def uncounted(self, account: str) -> int:
        """By how many anime a list of that account's may be shorter than MAL counts: that was accepted."""
        return self._read().get(account, (None, 0))[1]

    def account_of(self, user: User) -> str | None:
        """The account that is bound to `user`: the default one before any other."""
        names = [name for name, bound in self.all().items() if bound.key == user.key]
        return min(names, key=lambda name: (name != DEFAULT_ACCOUNT, name), default=None)

    def bind(self, account: str, user: User, uncounted: int | None = None) -> None:
        """Bind `account` to `user`, with what is `uncounted` from now on. Raises AuthError when it is bound to another."""
        bound = self._read()
        was, accepted = bound.get(account, (None, 0))
        check(account, was, user)
        now = (user, accepted if uncounted is None else uncounted)
        if (was, accepted) == now:
            return
        bound[account] = now
        document: dict[str, Any] = {
            name: {"origin": one.origin, "id": one.id, "name": one.name, **({"uncounted": less} if less else {})}
            for name, (one, less) in sorted(bound.items())
        }
        files.make_folder(self.path.parent)
        files.write(self.path, [orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)])


def check_name(account: str) -> None:
    """Raise UsageError when `account` is no name for a new account. Accounts that exist may have any name."""
    if not _NAME.fullmatch(account):
        raise UsageError(
            f"An account cannot be named {account!r}.",
            advice="name an account",
        )


def check(account: str, bound: User | None, user: User) -> None:
    """Raise AuthError when `account` is bound to another MAL user than `user`, UsageError when it is new and misnamed."""
    if bound is None:
        check_name(account)
        return
    if bound.key == user.key:
        return
    raise AuthError(
        f"The account {account!r} belongs to the MAL user {bound.name} ({bound.origin}), "
        f"and this token to {user.name} ({user.origin}).",
        advice="give an account of its own",
        name=user.name.lower(),
    )
