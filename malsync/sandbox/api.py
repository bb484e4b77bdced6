"""The API of one world: access, users and list writes, and the table of handlers that `endpoints` refers to."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from malsync.sandbox.account import Account
from malsync.sandbox.errors import ExpiredToken, Refusal, SandboxError, bad_request, not_found
from malsync.sandbox.exchange import EVERYTHING, Answer, Call
from malsync.sandbox.fields import Teller
from malsync.sandbox.forum import ForumReader
from malsync.sandbox.library import Library
from malsync.sandbox.lists import ListReader, shown_status
from malsync.sandbox.media import ANIME, MEDIA, Medium, Status, number
from malsync.sandbox.oauth import is_registered
from malsync.sandbox.settings import Settings
from malsync.sandbox.titles import TitleReader
from malsync.sandbox.wire import parsed_fields
from malsync.sandbox.world import World

ME_ON_REQUEST = frozenset({"time_zone", "is_supporter", "birthday"})
"""Members of /users/@me that come only if `fields` names them; anime_statistics is another."""

EPISODES_A_DAY = 60
"""Of 24 minutes each: the statistics of a user count every episode alike."""


class Api:
    """The endpoints of one world. Every handler answers a call, or raises Refusal."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._settings = settings
        self._merged = _merged_titles(settings.merged_titles)
        teller = Teller(Library(world.catalogue), settings)
        titles = TitleReader(world.catalogue, teller, settings)
        forum = ForumReader(settings)
        self._lists = ListReader(world.catalogue, teller, settings)
        self.handlers: Mapping[str, Callable[[Call], Answer]] = {
            "me": self.me,
            "user_list": self.user_list,
            "update": self.update,
            "delete": self.delete,
            "search": titles.search,
            "details": titles.details,
            "ranking": titles.ranking,
            "season": titles.season,
            "suggestions": titles.suggestions,
            "boards": forum.boards,
            "topics": forum.topics,
            "posts": forum.posts,
        }

    def identify(self, call: Call) -> None:
        """Set the call's user from its access token, if that is valid."""
        name = self._world.authority.user_of(_bearer(call) or "")
        call.user = self._world.account(name) if name else None

    def admit(self, call: Call) -> None:
        """Check the credentials of a call. Raises Refusal or ExpiredToken if they are not valid.

        None at all: 403 `forbidden`; an unknown client id: 400 (erengy/taiga; SuperMarcus/myanimelist-api-specification
        issue 5). Beside an access token the client id is ignored.
        """
        self.identify(call)
        if _bearer(call) is not None:
            if call.user is None:
                raise ExpiredToken
        elif (client_id := call.headers.get("x-mal-client-id")) is None:
            raise Refusal(403, "forbidden")
        elif not is_registered(client_id, self._settings):
            raise bad_request("Invalid client id")

    def needed_user(self, call: Call) -> Account:
        """Return the account of the call's token. Raises Refusal without a token: a client id is not enough."""
        if call.user is None:
            status = self._settings.me_without_user
            raise Refusal(status, {400: "bad_request", 401: "invalid_token", 403: "forbidden"}[status])
        return call.user

    def me(self, call: Call) -> Answer:
        """GET /users/@me: the account of the token."""
        user = call.me
        me: dict[str, Any] = {"id": user.id, "name": user.name}
        me.update((name, value) for name, value in user.profile.items() if name not in ME_ON_REQUEST)
        if str(me.get("picture", "")).startswith("/"):
            me["picture"] = call.origin + me["picture"]  # drawn by the sandbox
        for name in parsed_fields(call.query.get("fields", "")):
            if name == "anime_statistics" and self._settings.statistics == "on":
                me[name] = _statistics(user, self._settings.uncounted)
            elif name in ME_ON_REQUEST and name in user.profile:
                me[name] = user.profile[name]
        return Answer.json(me)

    def user_list(self, call: Call) -> Answer:
        """GET /users/{name or @me}/animelist and mangalist: a page."""
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
        """PATCH and PUT of my_list_status: both are a partial update; the answer has every member."""
        medium, user = MEDIA[call.where["medium"]], call.me
        if call.body and not call.form:
            raise bad_request("invalid content type")
        user.about_to_write(medium.name)
        id = self._current_id(user, medium.name, call.where["id"])
        before = user.kept(medium.name).get(id)
        user.patch(medium.name, id, call.form, self._world.clock(), self._settings)
        after = user.kept(medium.name)[id]
        if call.lost:
            stored, after = _lost(call.lost, medium, before, after)
            user.put_entry(medium.name, id, stored)
        return Answer.json(shown_status(medium, after, medium.all_columns, self._settings))

    def delete(self, call: Call) -> Answer:
        """DELETE of my_list_status: `[]`; the body of a second one's 404 is a setting."""
        user, medium, id = call.me, call.where["medium"], call.where["id"]
        user.about_to_write(medium)
        try:
            # An absent entry is a 404, whether the DELETE is stored or not.
            if EVERYTHING not in call.lost or id not in user.kept(medium):
                user.delete(medium, id)
        except Refusal as no:
            # One observer saw a 200 for an absent entry, and a 404 only for an id that no title has.
            if self._settings.delete_absent == "200" and self._world.catalogue.get(medium, id) is not None:
                return Answer.json([])
            if no.status != 404 or self._settings.delete_404 == "object":
                raise
            return Answer(404, b"null" if self._settings.delete_404 == "null" else b"")
        return Answer.json([])

    def _current_id(self, user: Account, medium: str, id: int) -> int:
        """Return the id into which a title was merged, and move its entry there (erengy/taiga issues 859 and 627)."""
        current = self._merged.get((medium, id), id)
        entries = user.kept(medium)
        if current != id and id in entries:
            user.put_entry(medium, current, entries.get(current, entries[id]))
            user.put_entry(medium, id, None)
        return current


def _merged_titles(text: str) -> dict[tuple[str, int], int]:
    """Parse the setting `merged_titles`. Raises SandboxError."""
    merged = {}
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"\s*(anime|manga):(\d{1,18})=\1:(\d{1,18})\s*", part)
        if match is None:
            raise SandboxError(f"merged_titles cannot be {text!r}; use anime:1=anime:5, several joined by commas")
        merged[match[1], int(match[2])] = int(match[3])
    return merged


def _lost(
    lost: Mapping[str, bool], medium: Medium, before: Status | None, after: Status
) -> tuple[Status | None, Status]:
    """Return the entry that is stored and the entry that the answer shows, if parts of a write get lost.

    An answer that must show the entry `before` shows a new one if there was none.
    """
    old = before or {"status": medium.planned, "updated_at": after["updated_at"]}
    honest = [name for name, is_shown in lost.items() if not is_shown]
    return (
        before if EVERYTHING in lost else _with_members_of(old, after, lost),
        old if EVERYTHING in honest else _with_members_of(old, after, honest),
    )


def _with_members_of(old: Status, new: Status, names: Collection[str]) -> Status:
    others = {name: value for name, value in new.items() if name not in names}
    return others | {name: old[name] for name in names if name in old}


def _bearer(call: Call) -> str | None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _statistics(user: Account, uncounted: int) -> dict[str, Any]:
    """Return `anime_statistics`, with the members and types of ModerNews/MAL-API-Client-Upgraded and go-myanimelist.

    `uncounted` is the number of anime that it counts although they are not on the list.
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
