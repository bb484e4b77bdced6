"""What a command says: results on stdout, everything else on stderr, nothing that a terminal would obey."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from malsync.medium import Medium
    from malsync.reading import Progress

_COLOURS = {"+": "green", "~": "yellow", "-": "red"}


class Output:
    """Where a command prints. With `json`, stdout is kept for one document."""

    def __init__(self, *, json: bool, quiet: bool, verbose: bool) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self.documented = False

    def say(self, text: str = "", *, colour: str | None = None, even_if_quiet: bool = False) -> None:
        """A line of the result, for people. Nothing with --json, nor with --quiet unless it is what was asked for."""
        if not self.json and (even_if_quiet or not self.quiet):
            _print(click.style(text, fg=colour) if colour else text)

    def note(self, text: str, *, colour: str | None = None) -> None:
        """A message beside the result, on stderr. Nothing with --quiet."""
        if not self.quiet:
            _print(click.style(text, fg=colour) if colour else text, err=True)

    def warn(self, text: str, *, colour: str = "yellow") -> None:
        """A message that --quiet does not silence."""
        _print(click.style(text, fg=colour), err=True)

    def log(self, text: str) -> None:
        """A line of --verbose."""
        if self.verbose:
            _print(text, err=True)

    def document(self, document: Any) -> None:
        """The result for programs, with --json; it is the only thing on stdout then."""
        if not self.json:
            return
        import orjson

        self.documented = True
        _print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())

    def changes(self, lines: Iterable[str]) -> None:
        """Lines of changes, coloured by their sign."""
        for line in lines:
            self.say(line, colour=_COLOURS.get(line[:1]), even_if_quiet=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        """A table for people; where it is piped, its lines are as long as they need to be. Nothing with --json or --quiet."""
        if self.json or self.quiet:
            return
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(markup=False, highlight=False, emoji=False)
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(
                column, justify="right" if column in right else "left", overflow="fold", no_wrap=column in right
            )
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        if console.is_terminal:
            console.print(table)
        else:
            console.print(table, width=max(80, console.measure(table, options=_unbounded(console)).maximum))

    @contextmanager
    def reading(self) -> "Iterator[Progress]":
        """Progress of reading lists: a bar for each on a terminal, silence elsewhere."""
        from malsync.reading import untold

        if self.quiet or not sys.stderr.isatty():
            yield untold
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20, pulse_style="cyan"),
            TextColumn("{task.completed:,.0f} entries"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bars:
            tasks: dict[str, Any] = {}

            def told(medium: "Medium", number: int, entries: int) -> None:
                what = f"{medium.name}: reading" if number == 1 else f"{medium.name}: reading again, to be sure"
                if medium.name not in tasks:
                    tasks[medium.name] = bars.add_task(what, total=None)
                bars.update(tasks[medium.name], description=what, completed=entries)

            yield told


def _unbounded(console: Any) -> Any:
    return console.options.update(width=100_000)


def _print(text: str, *, err: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    try:
        click.echo(text, file=stream)
    except UnicodeEncodeError as error:
        # A terminal without Unicode still gets the line.
        click.echo(text.encode(error.encoding, "backslashreplace").decode(error.encoding), file=stream)
