"""The switches of the sandbox.

If no public record says how MAL behaves, the sandbox has a switch, so that a client can be tested with each behaviour. A test
compares the table with that in `docs/sandbox.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from malsync.sandbox.errors import SandboxError


def _switch(default: Any, says: str, *allowed: str) -> Any:
    return field(default=default, metadata={"says": says, "allowed": allowed})


@dataclass(frozen=True)
class Settings:
    """Every switch with its default. `Settings.parse` reads them from text, `SETTINGS` describes them.

    A switch without allowed values takes any whole number if its default is one, else any text.
    """

    default_limit: int = _switch(10, "entries in a page of a user's list where the request names no limit", "10", "100")
    catalogue_limit: int = _switch(100, "the same for every other page", "10", "100")
    over_limit: str = _switch("refuse", "a limit above the greatest: a 400, or as many entries", "refuse", "clamp")
    q_minimum: int = _switch(3, "characters that `q` must have; fewer are a 400", "1", "3")
    q_missing: str = _switch("refuse", "a search without `q`: a 400, or every title", "refuse", "all")
    previous_rank: str = _switch("off", "whether `ranking` has previous_rank, which is documented", "on", "off")
    statistics_type: str = _switch("number", "the counts in a title's `statistics`", "number", "text")
    next_user: str = _switch("kept", "`@me` in `next` and `previous`: as it was sent, or the name", "kept", "name")
    partial_dates: str = _switch(
        "accept", "`2021` or `2021-12` in a write: stored, a 400, its first day, or passed over",
        "accept", "refuse", "round", "ignore",
    )  # fmt: skip
    unknown_total: str = _switch("keep", "progress where the total is 0: stored as sent, or as 0", "keep", "zero")
    zero_dates: str = _switch(
        "refuse", "`2021-12-00` and `0000-00-00` in a write: a 400, or what `2021-12` and the empty text are",
        "refuse", "accept",
    )  # fmt: skip
    tag_spaces: str = _switch("keep", "spaces around a tag in a write", "keep", "trim")
    empty_tags: str = _switch("drop", "what stands between two commas of tags with nothing there", "drop", "keep")
    new_status: str = _switch(
        "planned", "the status of an entry made without one: plan_to_watch, watching, or a 400",
        "planned", "current", "refuse",
    )  # fmt: skip
    comment_entities: str = _switch(
        "encoded", "comments when read: as `nl2br(htmlspecialchars(text))`, or as they were written", "encoded", "raw"
    )
    tag_entities: str = _switch("raw", "the same for each tag", "encoded", "raw")
    delete_404: str = _switch("object", "the body of a DELETE that finds nothing", "object", "null", "empty")
    delete_absent: str = _switch("404", "a DELETE of a title that is not on the list", "404", "200")
    fills_in: str = _switch(
        "off",
        "whether `completed` sets the progress and the finish date, and the last episode or chapter `completed`",
        "off", "on",
    )  # fmt: skip
    merged_titles: str = _switch(
        "",
        "titles that became another: `anime:1=anime:5`, several joined by commas; a write of the first goes to the second",
    )
    private_error: str = _switch("not_permitted", "`error` in the 403 of another user's private list")
    not_found_message: str = _switch("", "`message` in a 404")
    me_without_user: int = _switch(403, "the status of `@me` with a client id alone", "400", "401", "403")
    statistics: str = _switch("on", "whether /users/@me knows anime_statistics", "on", "off")
    uncounted: int = _switch(0, "anime that anime_statistics counts beyond those on the list")
    quota: int = _switch(0, "requests in a minute; what comes beyond is refused, and does not count. 0: any number")
    over_quota: str = _switch(
        "403", "how it is refused: the block page of a firewall, or a 429 with Retry-After", "403", "429"
    )
    date: str = _switch("on", "whether answers say what time it is", "on", "off")
    gzip: str = _switch("on", "whether answers are packed when the client takes gzip", "on", "off")
    expires_in: int = _switch(2_678_400, "seconds that an access token lives")
    refresh_expires_in: int = _switch(5_356_800, "seconds that a refresh token lives")
    code_expires_in: int = _switch(600, "seconds that an authorization code lives")
    redirect_uri: str = _switch(
        "", "the one registered redirect address; empty: http://localhost:8765/callback and any other on loopback"
    )
    client_id: str = _switch("", "one more client id that is registered")
    client_secret: str = _switch("", "makes the client confidential: this secret must come with it")

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> Settings:
        """Return the settings with these values; the others have their defaults.

        Raises SandboxError for a name or a value that is not in the table; the message lists what is.
        """
        known = {switch.name: switch for switch in fields(cls)}
        values: dict[str, Any] = {}
        for name, text in texts.items():
            if name not in known:
                raise SandboxError(f"there is no setting {name!r}; there are: {', '.join(known)}")
            allowed = known[name].metadata["allowed"]
            number = isinstance(known[name].default, int)
            if (allowed and text not in allowed) or (number and not text.isdecimal()):
                raise SandboxError(f"{name} cannot be {text!r}; use {' or '.join(allowed) or 'a whole number'}")
            values[name] = int(text) if number else text
        return cls(**values)


@dataclass(frozen=True)
class Described:
    """A row of the table: name, default as text, allowed values (none: any), and a description."""

    name: str
    default: str
    allowed: tuple[str, ...]
    says: str


SETTINGS: tuple[Described, ...] = tuple(
    Described(switch.name, str(switch.default), switch.metadata["allowed"], switch.metadata["says"])
    for switch in fields(Settings)
)

DEFAULTS = Settings()
