"""A write of a run as the journal records it: the planned write, how far it got, and what MAL answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from malsync.model.medium import ListStatus
from malsync.planning.restore_plan import PlannedWrite

Outcome = Literal["done", "already", "skipped", "failed", "not_restorable"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
CallState = Literal["planned", "sent"] | Outcome
CALL_STATES: tuple[CallState, ...] = ("planned", "sent", *OUTCOMES)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One write of a run and its outcome."""

    seq: int
    """Its place in the run, from 1."""
    call: PlannedWrite
    state: CallState
    tries: int
    """How many requests it has taken."""
    sent_at: datetime | None
    """When it was last sent."""
    answered_at: datetime | None
    """When its outcome became known."""
    http: int | None
    """The HTTP status of MAL's last answer."""
    answer: ListStatus | None
    """The entry in MAL's last answer."""
    why: str
    """The reason for an outcome other than `done`."""

    @property
    def is_open(self) -> bool:
        """Whether it has no outcome yet: planned, or sent without a known outcome."""
        return self.state in ("planned", "sent")
