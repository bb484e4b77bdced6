"""Timers that run the backup every day, for each kind of machine."""

from malsync.schedule.forms import KINDS, Timer, TimerKind, TimerRequest, make_timer, natural_kind, units_folder
from malsync.schedule.naming import FIRST_HOUR, command_of, config_folder, daily_time, name_of, time_of

__all__ = [
    "FIRST_HOUR",
    "KINDS",
    "Timer",
    "TimerKind",
    "TimerRequest",
    "command_of",
    "config_folder",
    "daily_time",
    "make_timer",
    "name_of",
    "natural_kind",
    "time_of",
    "units_folder",
]
