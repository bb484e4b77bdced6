"""The command line: the only place that prints, prompts and exits. Only click is imported at the top of these modules."""

from malsync.cli.main import run

__all__ = ["run"]
