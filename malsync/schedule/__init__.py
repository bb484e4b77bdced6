"""Timers: what makes a machine run the backup every day, in the form that each kind of machine takes."""

from malsync.schedule.forms import KINDS, Kind, Timer, Wanted, natural_kind, printed, units_folder
from malsync.schedule.naming import FIRST_HOUR, command_of, config_folder, daily_time, name_of, time_of

__all__ = [
    "FIRST_HOUR",
    "KINDS",
    "Kind",
    "Timer",
    "Wanted",
    "command_of",
    "config_folder",
    "daily_time",
    "name_of",
    "natural_kind",
    "printed",
    "time_of",
    "units_folder",
]
