"""Keep tokens in a file or in the system's keyring, and refresh them under a lock that all processes honour."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import orjson

from malsync import files
from malsync.clock import Clock
from malsync.errors import AuthError, Busy, NotSignedIn, TokenOfAnotherOrigin, UsageError
from malsync.mal.oauth import TokenEndpoint, Tokens

FILE_NAME = "tokens.json"
EARLY_SECONDS = 60
"""A token is refreshed this long before it expires, as other clients do (mihon MALOAuth.kt, trackma libmal.py)."""
_LOCK_SECONDS = 90


class TokenStore(Protocol):
    """A place that keeps tokens, by account."""

    def load(self, account: str) -> Tokens | None: ...
    def save(self, account: str, tokens: Tokens) -> None: ...
    def forget(self, account: str) -> None: ...
    def locked(self) -> AbstractContextManager[None]: ...


def store_of(home: Path, kind: str) -> TokenStore:
    """Return the token store of a home folder. `kind` is `file` or `keyring`."""
    return KeyringStore(home) if kind == "keyring" else FileStore(home)


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    """Hold the lock on a home folder's tokens. Raises Busy when another process holds it for over 90 seconds."""
    from filelock import FileLock, Timeout

    files.make_folder(home)
    lock = FileLock(home / "tokens.lock", timeout=_LOCK_SECONDS, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy("Another malsync has been refreshing the token for too long.", "Try again.") from error
    except OSError as error:
        raise UsageError(
            f"{lock.lock_file} cannot be used: {error.strerror or error}.", "Check the home folder and its rights."
        ) from error
    try:
        yield
    finally:
        lock.release()


class FileStore:
    """`tokens.json`: mode 0600 in a 0700 folder, replaced by rename."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / FILE_NAME

    def load(self, account: str) -> Tokens | None:
        """Return the account's tokens, or None. Raises UsageError when the file cannot be read."""
        document = self._all().get(account)
        try:
            return None if document is None else Tokens.from_document(document)
        except TypeError as error:
            raise self._unreadable(error) from error

    def save(self, account: str, tokens: Tokens) -> None:
        """Store the account's tokens; they are on disk when this returns."""
        self._write(self._all() | {account: asdict(tokens)})

    def forget(self, account: str) -> None:
        """Delete the account's tokens, and what an interrupted write left of them."""
        tokens = self._all()
        files.remove_leftovers(self._path)
        if tokens.pop(account, None) is not None:
            self._write(tokens)

    def locked(self) -> AbstractContextManager[None]:
        """Return a context in which no other malsync refreshes or replaces tokens."""
        return _lock(self._home)

    def _all(self) -> dict[str, Any]:
        try:
            return dict(orjson.loads(files.read_own(self._path))["accounts"])
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UsageError:
        return UsageError(f"{self._path} cannot be read ({type(error).__name__}).", advice="replace the tokens")

    def _write(self, accounts: dict[str, Any]) -> None:
        document = {"version": 1, "accounts": accounts}
        files.make_folder(self._home)
        files.remove_leftovers(self._path)
        files.write(self._path, [orjson.dumps(document, option=orjson.OPT_INDENT_2)])


class KeyringStore:
    """The system's keyring, with one item for each account and home folder."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def load(self, account: str) -> Tokens | None:
        """Return the account's tokens, or None. Raises UsageError when the keyring cannot be used or holds something else."""
        text = self._call("get_password", account)
        try:
            return None if text is None else Tokens.from_document(orjson.loads(text))
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"The keyring's item for the account {account!r} does not hold tokens.",
                advice="log in",
                account=account,
            ) from error

    def save(self, account: str, tokens: Tokens) -> None:
        """Store the account's tokens in the keyring."""
        self._call("set_password", account, orjson.dumps(asdict(tokens)).decode())

    def forget(self, account: str) -> None:
        """Delete the account's tokens from the keyring."""
        if self.load(account) is not None:
            self._call("delete_password", account)

    def locked(self) -> AbstractContextManager[None]:
        """Return a context in which no other malsync refreshes or replaces tokens."""
        return _lock(self._home)

    def _call(self, name: str, account: str, *values: str) -> str | None:
        try:
            import keyring
            import keyring.errors
        except ImportError as error:
            raise UsageError(
                "token_store is keyring, and that library is not installed.", advice="install keyring"
            ) from error
        try:
            text: str | None = getattr(keyring, name)("malsync", f"{account} in {self._home.absolute()}", *values)
        except keyring.errors.KeyringError as error:
            raise UsageError(f"The keyring cannot be used: {error}.", advice="unlock the keyring") from error
        return text


class StoredToken:
    """Credentials of an account: its tokens, refreshed before they expire and when refused. Safe for threads and processes.

    `uninterruptible` is a context that is entered, in another thread, from before a refresh is sent until the new pair is
    stored: the process should not end meanwhile.

    Raises NotSignedIn where the account has no tokens, and TokenOfAnotherOrigin where they are not for `origin`.
    """

    def __init__(
        self,
        store: TokenStore,
        account: str,
        origin: str,
        endpoint: TokenEndpoint,
        clock: Clock,
        uninterruptible: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        tokens = store.load(account)
        if tokens is None:
            raise NotSignedIn(account)
        if tokens.origin != origin:
            # A token is sent only to the API that it was issued for; anywhere else it would be given away.
            raise TokenOfAnotherOrigin(account, issued_for=tokens.origin, api=origin)
        self._store, self._account, self._endpoint, self._clock = store, account, endpoint, clock
        self._uninterruptible = uninterruptible
        self._tokens = tokens
        self._lock = threading.Lock()

    def headers(self) -> dict[str, str]:
        """Return the access token's header, refreshing the token first when it is about to expire."""
        with self._lock:
            if self._tokens.expires_at - EARLY_SECONDS <= self._clock.now().timestamp():
                self._refresh()
            return self._tokens.headers()

    def renew(self, refused: dict[str, str]) -> bool:
        """Refresh, unless another thread already has. Raises SignInRefused when MAL refuses the refresh token too."""
        with self._lock:
            if refused == self._tokens.headers():
                self._refresh()
            return True

    def _refresh(self) -> None:
        """Refresh in a thread of its own, so that a KeyboardInterrupt in this one cannot interrupt it halfway."""
        outcome: SimpleQueue[BaseException | None] = SimpleQueue()

        def work() -> None:
            try:
                self._refresh_under_lock()
                outcome.put(None)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                outcome.put(error)

        threading.Thread(target=work, daemon=True).start()
        error = outcome.get()
        if error is not None:
            raise error

    def _refresh_under_lock(self) -> None:
        with self._store.locked(), self._uninterruptible():
            current = self._store.load(self._account)
            if current is None:
                raise AuthError(
                    f"The account {self._account!r} was logged out meanwhile.", advice="log in", account=self._account
                )
            if current.access_token == self._tokens.access_token:
                current = self._refreshed(current)
                # MAL rotates refresh tokens: the old pair is dead, so the new one is on disk before it is used.
                self._store.save(self._account, current)
            self._tokens = current

    def _refreshed(self, tokens: Tokens) -> Tokens:
        try:
            return self._endpoint.refresh(tokens)
        except AuthError as error:
            error.facts["account"] = self._account
            raise
