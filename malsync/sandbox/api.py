"""The endpoints under /v2: what each one answers, as functions of a call. The table of them is in `endpoints`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from malsync.sandbox.account import Account
from malsync.sandbox.errors import ExpiredToken, Refusal, SandboxError, bad_request, not_found
from malsync.sandbox.exchange import EVERYTHING, Answer, Call
from malsync.sandbox.fields import Teller
from malsync.sandbox.forum import ForumReader
from malsync.sandbox.library import Library
from malsync.sandbox.lists import ListReader, told
from malsync.sandbox.media import ANIME, MEDIA, Medium, Status, number
from malsync.sandbox.oauth import is_registered
from malsync.sandbox.settings import Settings
from malsync.sandbox.titles import TitleReader
from malsync.sandbox.wire import parsed_fields
from malsync.sandbox.world import World

ME_ON_REQUEST = frozenset({"time_zone", "is_supporter", "birthday"})
"""Members of /users/@me that come only where `fields` names them; anime_statistics is another."""

EPISODES_A_DAY = 60
"""Of 24 minutes each: the statistics of a user count every episode alike."""


class Api:
    """The API of one world. Every method answers a call, or raises Refusal or ExpiredToken."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._settings = settings
        self._merged = _merged_titles(settings.merged_titles)
        teller = Teller(Library(world.catalogue), settings)
        self.titles = TitleReader(world.catalogue, teller, settings)
        self.forum = ForumReader(settings)
        self._lists = ListReader(world.catalogue, teller, settings)

    def identify(self, call: Call) -> None:
        """Find out whose access token the call bears, if it is a good one."""
        name = self._world.authority.user_of(_bearer(call) or "")
        call.user = self._world.account(name) if name else None

    def admit(self, call: Call) -> None:
        """Let the call in. Raises Refusal or ExpiredToken where its credentials are not right.

        None at all: 403 `forbidden`; a client id that is not known: 400 (erengy/taiga;
        SuperMarcus/myanimelist-api-specification issue 5). Beside an access token the client id is not looked at.
        """
        self.identify(call)
        if _bearer(call) is not None:
            if call.user is None:
                raise ExpiredToken
        elif (client_id := call.headers.get("x-mal-client-id")) is None:
            raise Refusal(403, "forbidden")
        elif not is_registered(client_id, self._settings):
            raise bad_request("Invalid client id")

    def me(self, call: Call) -> Answer:
        """GET /users/@me: who the token belongs to; some members only where `fields` names them."""
        user = call.me
        shown: dict[str, Any] = {"id": user.id, "name": user.name}
        shown.update((name, value) for name, value in user.profile.items() if name not in ME_ON_REQUEST)
        if str(shown.get("picture", "")).startswith("/"):
            shown["picture"] = call.origin + shown["picture"]  # one that the sandbox draws
        for name in parsed_fields(call.query.get("fields", "")):
            if name == "anime_statistics" and self._settings.statistics == "on":
                shown[name] = _statistics(user, self._settings.uncounted)
            elif name in ME_ON_REQUEST and name in user.profile:
                shown[name] = user.profile[name]
        return Answer.json(shown)

    def user_list(self, call: Call) -> Answer:
        """GET /users/{name or @me}/animelist and mangalist: one page."""
        medium, name = MEDIA[call.where["medium"]], call.where["user"]
        owner = self.needed_user(call) if name == "@me" else self._world.account(name)
        if owner is None:
            raise not_found()
        if medium.name in owner.private and call.user is not owner:
            raise Refusal(403, self._settings.private_error)
        if call.lags:
            owner = owner.lagging()
        else:
            owner.was_read(medium.name)
        path = call.path if self._settings.next_user == "kept" else call.path.replace("@me", owner.name)
        return Answer(body=self._lists.page(owner, medium, call, call.origin + path))

    def update(self, call: Call) -> Answer:
        """PATCH and PUT of my_list_status: the same partial update; the answer has every member."""
        medium, user = MEDIA[call.where["medium"]], call.me
        if call.body and not call.form:
            raise bad_request("invalid content type")
        user.about_to_write(medium.name)
        id = self._followed(user, medium.name, call.where["id"])
        before = user.kept(medium.name).get(id)
        user.patch(medium.name, id, call.form, self._world.clock(), self._settings)
        shown = user.kept(medium.name)[id]
        if call.lost:
            stored, shown = _lost(call.lost, medium, before, shown)
            user.put_entry(medium.name, id, stored)
        return Answer.json(told(medium, shown, medium.all_columns, self._settings))

    def delete(self, call: Call) -> Answer:
        """DELETE of my_list_status: `[]`; what a second one says beside its 404 is a switch."""
        user, medium, id = call.me, call.where["medium"], call.where["id"]
        user.about_to_write(medium)
        try:
            # One that is not there is a 404, whether the DELETE is stored or not.
            if EVERYTHING not in call.lost or id not in user.kept(medium):
                user.delete(medium, id)
        except Refusal as no:
            # One observer saw a 200 for what was not on the list, and a 404 only for an id that no title has.
            if self._settings.delete_absent == "200" and self._world.catalogue.get(medium, id) is not None:
                return Answer.json([])
            if no.status != 404 or self._settings.delete_404 == "object":
                raise
            return Answer(404, b"null" if self._settings.delete_404 == "null" else b"")
        return Answer.json([])

    def _followed(self, user: Account, medium: str, id: int) -> int:
        """The id that a title has now; where it became another, its entry goes along (erengy/taiga issues 859 and 627)."""
        now = self._merged.get((medium, id), id)
        entries = user.kept(medium)
        if now != id and id in entries:
            user.put_entry(medium, now, entries.get(now, entries[id]))
            user.put_entry(medium, id, None)
        return now

    def needed_user(self, call: Call) -> Account:
        """Whose token the call bears. Raises Refusal where it bears none: a client id is not enough."""
        if call.user is None:
            status = self._settings.me_without_user
            raise Refusal(status, {400: "bad_request", 401: "invalid_token", 403: "forbidden"}[status])
        return call.user


def _merged_titles(text: str) -> dict[tuple[str, int], int]:
    """The setting `merged_titles`, read. Raises SandboxError where it is not right."""
    merged = {}
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"\s*(anime|manga):(\d{1,18})=\1:(\d{1,18})\s*", part)
        if found is None:
            raise SandboxError(f"merged_titles cannot be {text!r}; use anime:1=anime:5, several joined by commas")
        merged[found[1], int(found[2])] = int(found[3])
    return merged


def _lost(
    lost: Mapping[str, bool], medium: Medium, before: Status | None, wanted: Status
) -> tuple[Status | None, Status]:
    """The entry that is stored and the one that the answer shows, where parts of a write get lost.

    An entry that was not there `before`, and of which an answer must show what was there, shows as a new one.
    """
    was = before or {"status": medium.planned, "updated_at": wanted["updated_at"]}
    honest = [name for name, shown in lost.items() if not shown]
    return (
        before if EVERYTHING in lost else _with_members_of(was, wanted, lost),
        was if EVERYTHING in honest else _with_members_of(was, wanted, honest),
    )


def _with_members_of(was: Status, wanted: Status, names: Collection[str]) -> Status:
    others = {name: value for name, value in wanted.items() if name not in names}
    return others | {name: was[name] for name in names if name in was}


def _bearer(call: Call) -> str | None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _statistics(user: Account, uncounted: int) -> dict[str, Any]:
    """`anime_statistics`: the members and their types as ModerNews/MAL-API-Client-Upgraded and go-myanimelist read them.

    `uncounted` are those that it counts and the list does not have.
    """
    entries = user.kept("anime").values()
    counts = dict.fromkeys(ANIME.statuses, 0)
    days = dict.fromkeys(ANIME.statuses, 0.0)
    for status in entries:
        filed = ANIME.filed_under(status)
        counts[filed] += 1
        days[filed] += number(status, "num_episodes_watched") / EPISODES_A_DAY
    scores = [score for status in entries if (score := number(status, "score"))]
    all_days = round(sum(days.values()), 2)
    return {
        **{f"num_items_{name}": count for name, count in counts.items()},
        "num_items": len(entries) + uncounted,
        "num_days_watched": all_days,
        **{f"num_days_{name}": round(days[name], 2) for name in ("watching", "completed", "on_hold", "dropped")},
        "num_days": all_days,
        "num_episodes": sum(number(status, "num_episodes_watched") for status in entries),
        "num_times_rewatched": sum(number(status, "num_times_rewatched") for status in entries),
        "mean_score": round(sum(scores) / len(scores), 2) if scores else 0.0,
    }
