"""What a command says: results on stdout, everything else on stderr, nothing that a terminal would obey."""

import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from malsync.cli.environment import World
from malsync.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from malsync.mal.list_reader import Progress
    from malsync.model.medium import Medium

_NARROWEST = 20
"""A terminal with less room than this beside an indent gets none."""
_PIPED = 100
_COLOURS = {"+": "green", "~": "yellow", "-": "red"}
# What JSON need not escape and a terminal may obey: DEL, the C1 controls, and what reorders a line (render.py).
_LEFT_BY_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def has_colour(world: World) -> bool:
    """Whether colours are wanted, where there is a terminal (https://no-color.org)."""
    return not world.environment.get("NO_COLOR")


def as_json(document: Any, *, indent: bool) -> str:
    """The document as text, on one line without `indent`.

    Of a file's name that is no UTF-8, the odd bytes are escaped lone surrogates, as Python has them.
    """
    import orjson

    try:
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 if indent else None).decode()
    except TypeError:
        import json

        return json.dumps(document, indent=2 if indent else None)


@contextmanager
def writing() -> Iterator[None]:
    """Say in words that what is printed cannot be written. That nobody reads on is no failure: the command goes on without.

    A run is not to end in the middle because `head` has seen enough, and the exit code says what it says without `head`.
    """
    try:
        yield
    except (BrokenPipeError, SystemExit):  # rich would end the process with 1, which means "different"
        _let_go(sys.stdout)
    except OSError as error:
        _let_go(sys.stdout)
        raise UsageError(
            f"Standard output cannot be written: {error.strerror or error}.",
            "Make room there, or print elsewhere. What was done by then stays done.",
        ) from error


class Output:
    """Where a command prints. With `json`, stdout is kept for one document."""

    def __init__(self, *, json: bool, quiet: bool, verbose: bool, colour: bool = True) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self._colour = colour
        self._counted: Any = None

    def say(
        self, text: str = "", *, colour: str | None = None, even_if_quiet: bool = False, indent: int | None = None
    ) -> None:
        """A line of the result, for people. Nothing with --json, nor with --quiet unless it is what was asked for.

        `indent`: on a terminal, where the lines begin on which a long one goes on.
        """
        if not self.json and (even_if_quiet or not self.quiet):
            text = _wrapped(text, sys.stdout) if indent is None else _hanging(text, indent)
            with writing():
                click.echo(self._styled(text, colour), file=sys.stdout)

    def raw(self, text: str) -> None:
        """What is to be kept as it is, in a file or by a shell: even with --quiet, and not with --json."""
        if not self.json:
            with writing():
                click.echo(_harmless(text), file=sys.stdout, nl=False)

    def note(self, text: str, *, colour: str | None = None) -> None:
        """A message beside the result, on stderr. Nothing with --quiet."""
        if not self.quiet:
            _tell(self._styled(_wrapped(text, sys.stderr), colour))

    def warn(self, text: str, *, colour: str | None = "yellow") -> None:
        """A message that --quiet does not silence."""
        _tell(self._styled(_wrapped(text, sys.stderr), colour))

    def log(self, text: str) -> None:
        """A line of --verbose."""
        if self.verbose:
            _tell(self._styled(text))

    def document(self, document: Any) -> None:
        """The result for programs, with --json; it is the only thing on stdout then."""
        if not self.json:
            return
        text = as_json(document, indent=True)
        with writing():
            # As bytes: JSON is UTF-8 whatever the terminal is.
            click.echo(_LEFT_BY_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode(), file=sys.stdout)

    def _styled(self, text: str, colour: str | None = None) -> str:
        text = _harmless(text)
        return click.style(text, fg=colour) if colour and self._colour else text

    def changes(self, lines: Iterable[str]) -> None:
        """Lines of changes, coloured by their sign."""
        for line in lines:
            self.say(line, colour=_COLOURS.get(line[:1]), even_if_quiet=True)

    @property
    def columns(self) -> int:
        """How wide stdout is: the terminal's columns, or enough for most lines where there is none."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPED

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        right: Sequence[str] = (),
        long: str = "",
        most: Mapping[str, int] | None = None,
    ) -> None:
        """A table for people, its numbers to the `right`. Nothing with --json or --quiet.

        The column `long` is the one that gives way on a narrow terminal; piped, lines are as long as they need to be. A cell
        may have several lines. `most` is how many places of a terminal a column may take: 14 Chinese characters take 28.
        """
        if self.json or self.quiet:
            return
        from malsync.cli.columns import Column, lay_out

        named = [Column(name, name in right, name == long, (most or {}).get(name)) for name in columns]
        harmless = [[_harmless(cell) for cell in row] for row in rows]
        room = shutil.get_terminal_size().columns if sys.stdout.isatty() else math.inf
        rule = "─" if (sys.stdout.encoding or "").lower().startswith("utf") else "-"
        with writing():
            click.echo("\n".join(lay_out(named, harmless, room, rule)), file=sys.stdout)

    @contextmanager
    def reading(self) -> "Iterator[Progress]":
        """Progress of reading lists: a bar for each on a terminal, silence elsewhere."""
        from malsync.mal.list_reader import ignore_progress

        if self.quiet or not sys.stderr.isatty():
            yield ignore_progress
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with (
            self._counting_off(),
            Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=20, pulse_style="cyan"),
                TextColumn("{task.completed:,.0f} entries"),
                TimeElapsedColumn(),
                console=_screen(),
                transient=True,
            ) as bars,
        ):
            tasks: dict[str, Any] = {}

            def show(medium: "Medium", number: int, entries: int) -> None:
                what = f"{medium.name}: reading" if number == 1 else f"{medium.name}: reading again, to be sure"
                if medium.name not in tasks:
                    tasks[medium.name] = bars.add_task(what, total=None)
                bars.update(tasks[medium.name], description=what, completed=entries)

            yield show

    @contextmanager
    def counting(self, total: int, what: str) -> Iterator[Callable[[int], object]]:
        """Progress through `total` steps: a bar with rate and time left on a terminal, silence elsewhere."""
        if self.quiet or not sys.stderr.isatty():
            yield str
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=_screen(),
            transient=True,
        ) as bars:
            self._counted = bars
            task = bars.add_task(what, total=total, rate="")

            def moved(number: int) -> None:
                speed = bars.tasks[0].speed
                bars.update(task, completed=number, rate="" if speed is None else f"{speed:.1f}/s")

            try:
                yield moved
            finally:
                self._counted = None

    @contextmanager
    def countdown(self, what: str) -> Iterator[Callable[[float], object]]:
        """The time that is left for `what`, on a terminal: yields what is called with the seconds left."""
        if self.quiet or not sys.stderr.isatty():
            yield str
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn

        with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=_screen(), transient=True) as progress:
            task = progress.add_task(what, total=None)

            def show(seconds: float) -> None:
                minutes, rest = divmod(int(seconds), 60)
                progress.update(task, description=f"{what}: {minutes}:{rest:02} left. Ctrl-C to cancel.")

            yield show

    @contextmanager
    def _counting_off(self) -> Iterator[None]:
        """Without the bar of `counting` meanwhile: two bars at once paint over each other."""
        counted = self._counted
        if counted is not None:
            counted.stop()
        try:
            yield
        finally:
            if counted is not None:
                counted.start()


class _Screen:
    """The terminal as a bar paints on it. It may close while the work goes on: what nobody sees any more stops nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Paint, if that can be."""
        self._tried(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """The same for what waits to be painted."""
        self._tried(self._stream.flush)

    def _tried(self, paint: Callable[[], object]) -> None:
        try:
            paint()
        except OSError:
            _let_go(self._stream)


def _screen() -> "Console":
    from rich.console import Console

    return Console(file=cast("TextIO", _Screen(sys.stderr)))


def _tell(text: str) -> None:
    """Print to stderr. If stderr cannot be written, continue without it."""
    try:
        click.echo(text, file=sys.stderr)
    except OSError:
        _let_go(sys.stderr)


def _wrapped(text: str, stream: TextIO) -> str:
    """`text` with its sentences broken between words on a terminal. What is indented is to be copied, and stays."""
    width = shutil.get_terminal_size().columns
    if len(text) <= width or not stream.isatty():
        return text
    return "\n".join(
        line if line.startswith(" ") else textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )


def _hanging(text: str, indent: int) -> str:
    """`text` broken between words on a terminal, its further lines indented."""
    width = shutil.get_terminal_size().columns
    if len(text.encode()) <= width or not sys.stdout.isatty():
        return text
    from rich.cells import cell_len

    if width - indent < _NARROWEST:
        indent = 0
    lines, line = [], text[: len(text) - len(text.lstrip())]
    for word in re.findall(r"\S+\s*", text):
        if line.strip() and cell_len(line) + cell_len(word.rstrip()) > width:
            lines.append(line.rstrip())
            line = " " * indent
        line += word
    return "\n".join([*lines, line.rstrip()])


def _let_go(stream: TextIO) -> None:
    """Point a stream that failed nowhere, or the interpreter tries again when it ends, and ends with 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def on_screen(text: str) -> str:
    """What a file holds as a terminal may have it: lines and tabs stay, every other control character is written out."""
    from malsync.text import visible

    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in lines)


def _harmless(text: str) -> str:
    """`text` with every control character but its line ends written out."""
    lines = text.split("\n")
    if all(map(str.isprintable, lines)):
        return text
    from malsync.text import visible

    return "\n".join(map(visible, lines))
