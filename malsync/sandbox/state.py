"""A world as JSON: the form of the state file and of the control address, and its check.

    {"format": "malsync-sandbox-state", "version": 1,
     "accounts": {NAME: {"id", "profile", "private": [MEDIUM, ...],
                         "anime": [{"node": {"id", "title"}, "list_status": {...}}, ...], "manga": [...]}, ...},
     "titles": {"anime": [NODE, ...], "manga": [...]},
     "tokens": [...]}

List statuses have the names of GET and no unset members. `titles` are those that the shipped catalogue does not have or has
differently. Every part of a state that is put in is optional.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from malsync.sandbox.account import Account
from malsync.sandbox.catalogue import Catalogue
from malsync.sandbox.errors import SandboxError
from malsync.sandbox.media import MEDIA

FORMAT = "malsync-sandbox-state"
VERSION = 1

_PROFILE = ("gender", "location", "joined_at", "picture", "birthday", "time_zone", "is_supporter")


def state_of(accounts: Iterable[Account], catalogue: Catalogue) -> dict[str, Any]:
    """Return the state of these accounts and of the titles that are not shipped, without tokens."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "accounts": {account.name: _account_state(account, catalogue) for account in accounts},
        "titles": {medium: catalogue.added(medium) for medium in MEDIA},
    }


def _account_state(account: Account, catalogue: Catalogue) -> dict[str, Any]:
    state: dict[str, Any] = {"id": account.id, "profile": account.profile, "private": sorted(account.private)}
    for medium in MEDIA:
        state[medium] = [
            {"node": {"id": id, "title": catalogue.known(medium, id)["title"]}, "list_status": status}
            for id, status in account.kept(medium).items()
        ]
    return state


def checked_state(value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a valid state. Raises SandboxError that names the place of the first error."""
    state = _object(value, "a state")
    if state.get("format", FORMAT) != FORMAT or state.get("version", VERSION) != VERSION:
        raise SandboxError(f"this is not a {FORMAT} of version {VERSION}")
    for name, account in _object(state.get("accounts", {}), "accounts").items():
        _check_account(account, f"accounts.{name}")
    titles = _object(state.get("titles", {}), "titles")
    for medium in MEDIA:
        for place, title in _items(titles.get(medium, []), f"titles.{medium}"):
            _check_node(title, place)
    return state


def _check_account(account: Any, where: str) -> None:
    _object(account, where)
    if not isinstance(account.get("id", 0), int):
        raise SandboxError(f"{where}.id must be a number")
    for name in _object(account.get("profile", {}), f"{where}.profile"):
        if name not in _PROFILE:
            raise SandboxError(f"{where}.profile has {name!r}; there are: {', '.join(_PROFILE)}")
    for place, medium in _items(account.get("private", []), f"{where}.private"):
        if medium not in list(MEDIA):  # a list, since an object has no hash
            raise SandboxError(f"{place} must be one of {', '.join(MEDIA)}")
    for medium in MEDIA:
        for place, entry in _items(account.get(medium, []), f"{where}.{medium}"):
            _check_entry(entry, MEDIA[medium].statuses, place)


def _check_entry(entry: Any, statuses: tuple[str, ...], where: str) -> None:
    _check_node(_object(entry, where).get("node"), f"{where}.node")
    status = _object(entry.get("list_status"), f"{where}.list_status")
    if status.get("status") not in statuses:
        raise SandboxError(f"{where}.list_status.status must be one of {', '.join(statuses)}")
    if not isinstance(status.get("updated_at"), str):
        raise SandboxError(f"{where}.list_status.updated_at must be a text")


def _check_node(node: Any, where: str) -> None:
    _object(node, where)
    if not isinstance(node.get("id"), int) or not isinstance(node.get("title"), str):
        raise SandboxError(f"{where} must have an id, a number, and a title, a text")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SandboxError(f"{where} must be a JSON object")
    return value


def _items(value: Any, where: str) -> Iterable[tuple[str, Any]]:
    """Return each item of a list with its place."""
    if not isinstance(value, list):
        raise SandboxError(f"{where} must be a JSON array")
    return ((f"{where}[{index}]", item) for index, item in enumerate(value))
