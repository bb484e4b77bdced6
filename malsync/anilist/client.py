"""The client of AniList's GraphQL API: read a user's public lists, every entry once.

Facts are those of its documentation (docs.anilist.co: rate limiting, errors, media lists): 30 requests a minute at present,
lists in chunks of at most 500 entries, at most 11,000 of a list, errors in the body whatever the status. An entry stands in
the list of its status and in every custom list, and may be hidden from the first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests

from malsync.errors import ApiError, ListKeptChanging, NotFound, PrivateList, Transient, UsageError
from malsync.model.anilist import Listed, Lists
from malsync.model.medium import MEDIA, Medium
from malsync.schemas import find_problem
from malsync.throttle import Throttle
from malsync.transport import Credentials, Transport, content_type, json_of, refuse_lone_surrogates, retry_after

PER_MINUTE = 30
PER_CHUNK = 500
REFERER = "https://malsync.invalid/"
"""AniList answers 403 to requests without any Referer (animego#170, Animite#765). This one names a host that cannot exist."""
_DISABLED = "temporarily disabled"
_MAX_PASSES = 4
_REACH = "Check the network, and whether AniList is up; then run the same command again."
_CHECK_URL = "Check MALSYNC_ANILIST_URL; AniList's own is https://graphql.anilist.co"
_STAMPS = "id updatedAt"
_WHOLE = (
    f"{_STAMPS} mediaId status score progress progressVolumes repeat notes"
    " startedAt { year month day } completedAt { year month day }"
    " media { idMal title { romaji english native } }"
)
_QUERY = """query ($user: String, $type: MediaType, $chunk: Int, $perChunk: Int) {
  MediaListCollection(userName: $user, type: $type, chunk: $chunk, perChunk: $perChunk) {
    hasNextChunk
    user { name mediaListOptions { scoreFormat } }
    lists { name isCustomList entries { %s } }
  }
}"""

Progress = Callable[[Medium, int, int], object]
"""Called after each chunk with the medium, the number of the pass, and how many entries it has read so far."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """One read of all chunks of a list."""

    user: str
    score_format: str
    entries: dict[int, Listed]
    chunks: int

    @property
    def stamps(self) -> set[tuple[int, int | None]]:
        """The ids of the entries and when each was updated: what two passes must agree on."""
        return {(id, listed.entry["updatedAt"]) for id, listed in self.entries.items()}


class Anonymous(Credentials):
    """No credentials: anyone may read public lists."""

    def headers(self) -> dict[str, str]:
        """Return no headers."""
        return {}

    def renew(self, refused: dict[str, str]) -> bool:  # noqa: ARG002
        """Return False: there is nothing to renew."""
        return False


class AniList(Transport):
    """Requests to AniList, throttled and retried as those to MAL are."""

    service = "AniList"
    setting = "MALSYNC_ANILIST_URL"
    headers: ClassVar[dict[str, str]] = {"Referer": REFERER}

    def __init__(self, url: str, **named: Any) -> None:
        super().__init__(url, Anonymous(), throttle=Throttle(PER_MINUTE / 60, named["clock"]), **named)

    def lists(self, user: str, progress: Progress) -> Lists:
        """Read both lists of `user`.

        Raises UsageError for an unknown user, PrivateList for private lists, ListKeptChanging for a list that changed
        during every attempt to read it, and ApiError.
        """
        passes = {name: self._list(user, medium, progress) for name, medium in MEDIA.items()}
        first = next(iter(passes.values()))
        entries = {name: list(one_pass.entries.values()) for name, one_pass in passes.items()}
        return Lists(first.user, first.score_format, entries)

    def _list(self, user: str, medium: Medium, progress: Progress) -> _Pass:
        """Read one whole list. One of several chunks may change in between, so it is read until two passes in a row agree."""
        for number in range(1, _MAX_PASSES, 2):
            whole = self._pass(user, medium, _WHOLE, partial(progress, medium, number))
            if whole.chunks == 1:
                return whole
            again = self._pass(user, medium, _STAMPS, partial(progress, medium, number + 1))
            if whole.stamps == again.stamps:
                return whole
        raise ListKeptChanging(
            f"The {medium.name} list of {user} on AniList changed while it was read, {_MAX_PASSES // 2} times.",
            "Try again when nothing else is changing it.",
        )

    def _pass(self, user: str, medium: Medium, members: str, progress: Callable[[int], object]) -> _Pass:
        entries: dict[int, dict[str, Any]] = {}
        customs: dict[int, list[str]] = {}
        chunk = 0
        while True:
            chunk += 1
            known = len(entries)
            document = self._chunk(user, medium, members, chunk)
            for group in document["lists"]:
                for entry in group["entries"]:
                    entries.setdefault(entry["id"], entry)
                    names = customs.setdefault(entry["id"], [])
                    if group["isCustomList"] and group["name"] not in names:
                        names.append(group["name"])
            progress(len(entries))
            if not document["hasNextChunk"] or len(entries) == known:
                break
        listed = {id: Listed(entry, tuple(customs[id])) for id, entry in entries.items()}
        return _Pass(document["user"]["name"], document["user"]["mediaListOptions"]["scoreFormat"], listed, chunk)

    def _chunk(self, user: str, medium: Medium, members: str, chunk: int) -> dict[str, Any]:
        variables = {"user": user, "type": medium.name.upper(), "chunk": chunk, "perChunk": PER_CHUNK}
        try:
            request = {"query": _QUERY % members, "variables": variables}
            data = self.send("POST", urlsplit(self.api_url).netloc, address=self.api_url, document=request)
        except NotFound as error:
            raise UsageError(
                f"AniList knows no user {user!r}.", "Check the name: it is in the address of their profile."
            ) from error
        except Transient as error:
            error.hint = _REACH
            raise
        form = "whole" if members == _WHOLE else "stamps"
        problem = find_problem(f"anilist-lists#/$defs/{form}", data)
        if problem is not None:
            place = ".".join(map(str, problem.path)) or "the answer"
            raise ApiError(
                f"AniList's answer has another form than its documentation says: {place}: {problem.message}.",
                "Nothing was stored. Please report it.",
            )
        collection: dict[str, Any] = data["MediaListCollection"]
        return collection

    def parse(self, call: str, response: requests.Response, body: bytes) -> Any:
        """Return the `data` of an answer. Raises the error in its body, whatever HTTP's status, which may be 200."""
        document = json_of(body)
        members = document if isinstance(document, dict) else {}
        errors = members.get("errors")
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        reason, status = str(first.get("message") or "")[:200], response.status_code
        if errors and status == 200:
            status = first["status"] if isinstance(first.get("status"), int) else 400
        if status == 200:
            if isinstance(members.get("data"), dict):
                return members["data"]
            refuse_lone_surrogates(call, body)
            what = (
                "has no data"
                if members
                else f"is not JSON but {content_type(response)}"
                if body.strip()
                else "is empty"
            )
            raise Transient(f"{call}: the answer {what}.", _CHECK_URL)
        if status == 429 or status >= 500 or (status == 403 and not members):
            why = "asks for fewer requests" if status == 429 else f"answered {status}"
            raise Transient(f"AniList {why}{_bracketed(reason)}.", _REACH, self._wait(response), status=status)
        if status == 403 and _DISABLED in reason.lower():
            raise ApiError(
                f"AniList has switched off its API for now{_bracketed(reason)}. Nothing is wrong with your list or its settings.",
                "Try again in some hours. If AniList works for other programs, a proxy may be removing the Referer header.",
            )
        if status in {403, 404} and "private" in reason.lower():
            raise PrivateList(
                "This user shows their AniList lists to nobody.", "Their owner can make them public: AniList, Settings."
            )
        if status == 404 and errors:
            raise NotFound(
                f"{call}: AniList answers that there is no such thing{_bracketed(reason)}.", "Check the name."
            )
        if status == 403:
            raise ApiError(
                f"{call}: AniList refuses this request (403){_bracketed(reason)}.",
                "It may block this address or program for a while: try again later.",
            )
        raise ApiError(f"{call}: AniList answered {status}{_bracketed(reason)}.", _REACH if errors else _CHECK_URL)

    def _wait(self, response: requests.Response) -> float | None:
        """Return the seconds until AniList answers again, from Retry-After or X-RateLimit-Reset; None where it sent neither."""
        reset = response.headers.get("X-RateLimit-Reset", "")
        wait = retry_after(response)
        if wait is None and reset.isascii() and reset.isdecimal():
            return max(0.0, float(reset) - self._clock.now().timestamp())
        return wait


def _bracketed(reason: str) -> str:
    return f" ({reason.rstrip('.')})" if reason else ""
