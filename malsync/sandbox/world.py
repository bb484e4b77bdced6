"""Everything that the sandbox remembers: titles, accounts and tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from malsync.sandbox.account import Account
from malsync.sandbox.catalogue import Catalogue, fixtures_folder
from malsync.sandbox.errors import SandboxError
from malsync.sandbox.generate import generated_lists
from malsync.sandbox.media import MEDIA
from malsync.sandbox.oauth import Authority, grants_from
from malsync.sandbox.state import checked_state, state_of

Clock = Callable[[], datetime]

DEMO_ACCOUNTS = ("sandbox_mika", "sandbox_theo")
FIRST_USER_ID = 9_000_001


def utc_now() -> datetime:
    return datetime.now(UTC)


class World:
    """The far side, whole. Hold `lock` while you look at it or change it beside a running sandbox.

    `clock` tells the time, aware and in UTC; a running sandbox asks it on a thread of its own, one request after another.
    """

    def __init__(self, catalogue: Catalogue, clock: Clock = utc_now) -> None:
        self.catalogue = catalogue
        self.clock = clock
        self.accounts: dict[str, Account] = {}
        self.authority = Authority(clock)
        self.lock = RLock()

    @classmethod
    def demo(cls, clock: Clock = utc_now) -> World:
        """Two invented people with lists of real titles: `sandbox_mika` has the big ones, and every oddity."""
        world = cls(Catalogue.shipped(), clock)
        for name in DEMO_ACCOUNTS:
            path = fixtures_folder() / "accounts" / f"{name}.json"
            world._put_account(name, json.loads(path.read_text("utf-8")))
        return world

    @classmethod
    def generated(cls, entries: int, seed: int = 1, clock: Clock = utc_now) -> World:
        """The demo, but the first account has lists of `entries` entries together, made from `seed`.

        Of 10,900 entries 900 are manga, and so in proportion. Real titles come first, then invented ones from id
        1,000,001 on. The same numbers give the same lists. Raises SandboxError for a number that is not possible.
        """
        world = cls.demo(clock)
        titles, lists = generated_lists(world.catalogue, entries, seed)
        for medium in MEDIA:
            for title in titles[medium]:
                world.catalogue.put(medium, title)
            world.first.put_list(medium, lists[medium])
        return world

    @classmethod
    def holding(
        cls,
        name: str,
        lists: Mapping[str, Iterable[Mapping[str, Any]]],
        titles: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
        clock: Clock = utc_now,
    ) -> World:
        """One account with a copy of somebody's lists: what a rehearsal runs against.

        `lists` and `titles` are by medium; an entry is `{"node", "list_status"}` as the API tells it, a title is a
        node. A title that is on no list yet can be added only if it is in `titles` or in the shipped catalogue.
        Raises SandboxError for an entry that is not right.
        """
        world = cls(Catalogue.shipped(), clock)
        world.put_state(
            {
                "titles": {medium: list(some) for medium, some in (titles or {}).items()},
                "accounts": {name: {medium: list(entries) for medium, entries in lists.items()}},
            }
        )
        return world

    @property
    def first(self) -> Account:
        return next(iter(self.accounts.values()))

    def account(self, name: str) -> Account | None:
        """The account of that name; case does not matter."""
        wanted = name.casefold()
        return next((one for one in self.accounts.values() if one.name.casefold() == wanted), None)

    def named(self, name: str) -> Account:
        """The account of that name. Raises SandboxError that lists the others."""
        if (account := self.account(name)) is None:
            raise SandboxError(f"there is no account {name!r}; there are: {', '.join(self.accounts)}")
        return account

    def withdraw(self, medium: str, id: int) -> None:
        """Take a title away as a moderator does: it is gone from every list, and nobody can add it again."""
        self.catalogue.put(medium, {**self.catalogue.known(medium, id), "withdrawn": True})
        for account in self.accounts.values():
            if id in account.kept(medium):
                account.delete(medium, id)

    def state(self, *, tokens: bool = False) -> dict[str, Any]:
        """Everything as one JSON value (its form: `state`); with `tokens` where nobody else can read it."""
        with self.lock:
            state = state_of(self.accounts.values(), self.catalogue)
            return {**state, "tokens": self.authority.state()} if tokens else state

    def put_state(self, value: Any) -> None:
        """Take a state over: the accounts in it replace those of the same name, the others stay.

        Of an account that is there already, whatever the state does not give stays too. Raises SandboxError with the
        place where the state is not right; nothing was changed then.
        """
        state = checked_state(value)
        grants = grants_from(state.get("tokens", []))
        with self.lock:
            for medium in MEDIA:
                for title in state.get("titles", {}).get(medium, []):
                    self.catalogue.put(medium, title)
            for name, account in state.get("accounts", {}).items():
                self._put_account(name, account)
            self.authority.keep(grants)

    def _put_account(self, name: str, given: Mapping[str, Any]) -> None:
        account = self.accounts.get(name) or Account(name, FIRST_USER_ID + len(self.accounts), self.catalogue)
        account.id = given.get("id", account.id)
        account.profile.update(given.get("profile", {}))
        account.private = frozenset(given.get("private", account.private))
        for medium in MEDIA:
            for entry in given.get(medium, []):
                if self.catalogue.get(medium, entry["node"]["id"]) is None:
                    self.catalogue.put(medium, entry["node"])
            if medium in given:
                account.put_list(medium, {entry["node"]["id"]: entry["list_status"] for entry in given[medium]})
        self.accounts[name] = account
