"""A MAL account as plain values: no server, no clock, no lock.

Tests of plans and restores run thousands of examples against it; the server adds HTTP and a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from malsync.sandbox.catalogue import Catalogue
from malsync.sandbox.errors import Refusal, bad_request, not_found
from malsync.sandbox.forms import read_form
from malsync.sandbox.media import MEDIA, Medium, Status
from malsync.sandbox.settings import DEFAULTS, Settings


def stamp(now: datetime) -> str:
    """Return a time as MAL writes it: whole seconds, with +00:00. `now` is aware and in UTC."""
    return now.strftime("%Y-%m-%dT%H:%M:%S+00:00")


class Account:
    """One MAL user and the two lists. `medium` is always `"anime"` or `"manga"`.

    A list status is kept sparse (without unset members) and is replaced, never changed in place, so that a caller's list
    status does not change.
    """

    def __init__(
        self,
        name: str,
        id: int,
        catalogue: Catalogue,
        lists: Mapping[str, Mapping[int, Status]] | None = None,
        *,
        profile: Mapping[str, Any] | None = None,
        private: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.id = id
        self.catalogue = catalogue
        self.profile = dict(profile or {})
        self.private = frozenset(private)
        self._lists: dict[str, dict[int, Status]] = {medium: {} for medium in MEDIA}
        self._versions = dict.fromkeys(MEDIA, 0)
        self._earlier: dict[str, dict[int, Status]] = {}
        self._read_since: set[str] = set()
        for medium, entries in (lists or {}).items():
            self.put_list(medium, entries)

    def kept(self, medium: str) -> Mapping[int, Status]:
        """Return the list as it is kept: sparse list statuses by id."""
        return self._lists[medium]

    def version(self, medium: str) -> int:
        """Return a number that changes whenever the list does."""
        return self._versions[medium]

    def entries(self, medium: str) -> dict[int, Status]:
        """Return the list as GET shows it with every member: full list statuses by id."""
        return {id: self._full(medium, status) for id, status in self._lists[medium].items()}

    def entry(self, medium: str, id: int) -> Status | None:
        """Return one full list status, or None if the title is not on the list."""
        status = self._lists[medium].get(id)
        return None if status is None else self._full(medium, status)

    def put_list(self, medium: str, entries: Mapping[int, Status]) -> None:
        """Replace a whole list as it is: nothing is checked against the titles, `updated_at` stays."""
        self._lists[medium] = {id: MEDIA[medium].sparse(status) for id, status in entries.items()}
        self._versions[medium] += 1
        self._earlier.pop(medium, None)

    def put_entry(self, medium: str, id: int, status: Status | None) -> None:
        """Replace one entry like `put_list`; None removes it."""
        if status is None:
            self._lists[medium].pop(id, None)
        else:
            self._lists[medium][id] = MEDIA[medium].sparse(status)
        self._versions[medium] += 1

    def about_to_write(self, medium: str) -> None:
        """Keep the list for `lagging` if it was read since the latest writes."""
        if medium in self._read_since or medium not in self._earlier:
            self._earlier[medium] = dict(self._lists[medium])
            self._read_since.discard(medium)

    def was_read(self, medium: str) -> None:
        """Remember that the list was read, for the next write."""
        self._read_since.add(medium)

    def lagging(self) -> Account:
        """Return the account without the latest writes, as a server that lags behind shows it."""
        lists = {medium: self._earlier.get(medium, kept) for medium, kept in self._lists.items()}
        return Account(self.name, self.id, self.catalogue, lists, profile=self.profile, private=self.private)

    def patch(
        self, medium: str, id: int, form: Mapping[str, str], now: datetime, settings: Settings = DEFAULTS
    ) -> Status:
        """Add the title, or change only what the form names; return the full list status.

        Nothing is filled in, unless the settings say so: a title set to completed keeps its progress and its dates
        (Zai-Kun/AniWatch pull request 3). Raises Refusal without a change: 404 for an unknown title, 400 for a title that
        waits for approval or for an invalid form.
        """
        title = self.catalogue.get(medium, id)
        if title is None:
            raise not_found()
        if title.get("pending"):
            raise Refusal(400, "invalid_content", "Invalid content")
        changes = read_form(MEDIA[medium], form, title, settings)
        before = self._lists[medium].get(id)
        if settings.fills_in == "on":
            changes = _filled_in(MEDIA[medium], before or {}, changes, title, now) | changes
        if before is None and "status" not in changes:
            changes["status"] = self._new_status(medium, settings)
        return self._store(medium, id, {**(before or {}), **changes}, now)

    def delete(self, medium: str, id: int) -> None:
        """Remove the title from the list. Raises Refusal 404 if it is not there, so a second DELETE fails."""
        if self._lists[medium].pop(id, None) is None:
            raise not_found()
        self._versions[medium] += 1

    def edit(self, medium: str, id: int, now: datetime, **values: Any) -> Status:
        """Change an entry from outside the API, or add it: members under the names of GET, stored as they are.

        This makes values that no PATCH can make, such as progress above the total. Raises Refusal 404 for an unknown title.
        """
        if self.catalogue.get(medium, id) is None:
            raise not_found()
        before = self._lists[medium].get(id, {"status": MEDIA[medium].planned})
        return self._store(medium, id, {**before, **values}, now)

    def _new_status(self, medium: str, settings: Settings) -> str:
        if settings.new_status == "refuse":
            raise bad_request("invalid status")
        return MEDIA[medium].planned if settings.new_status == "planned" else MEDIA[medium].current

    def _store(self, medium: str, id: int, status: Status, now: datetime) -> Status:
        status = MEDIA[medium].sparse({**status, "updated_at": stamp(now)})
        self._lists[medium][id] = status
        self._versions[medium] += 1
        return self._full(medium, status)

    def _full(self, medium: str, status: Status) -> Status:
        shown = MEDIA[medium].shown(status, MEDIA[medium].all_columns)
        return {name: list(value) if isinstance(value, list) else value for name, value in shown.items()}


def _filled_in(
    medium: Medium, before: Mapping[str, Any], changes: Mapping[str, Any], title: Mapping[str, Any], now: datetime
) -> Status:
    """Return what a site that fills in progress, dates and status sets beside `changes`."""
    totals = {member.read: title.get(member.total) or 0 for member in medium.members if member.total}
    if changes.get("status", before.get("status")) == "completed":
        filled = {name: total for name, total in totals.items() if total} if "status" in changes else {}
        return filled | ({} if before.get("finish_date") else {"finish_date": now.strftime("%Y-%m-%d")})
    is_last = any(total and changes.get(name) == total for name, total in totals.items())
    return {"status": "completed"} if is_last and "status" not in changes else {}
