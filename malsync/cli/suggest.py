"""What a shell offers where a list, an account, a run, a field or a file is to be named."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.environment import World
from malsync.cli.output import Output
from malsync.model.timestamps import local_time

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from malsync.mirror import Mirror

META = "malsync."
"""How the shared options are named among what a context knows (options.py)."""
_WAIT = 0.2
_MOST = 40
_WORDS = {
    "latest": "the newest backup",
    "good": "the newest backup that is not suspicious",
    "live": "as it is at MAL now",
    "latest~1": "the backup before the newest",
    "yesterday": "as it stood at the end of yesterday",
}
Offered = Iterator[tuple[str, str]]


def _app(context: click.Context) -> App:
    root = context.find_root()
    world = root.obj if isinstance(root.obj, World) else World()
    silent = Output(json=False, quiet=True, verbose=False)
    return App(world, root.meta.get(f"{META}home"), root.meta.get(f"{META}account"), silent)


def _items(incomplete: str, offered: Offered) -> "list[CompletionItem[str]]":
    """What begins as it was typed. Whatever stands in the way of knowing it, a prompt is no place to say so.

    No comma stands in what is told beside a value: click's script for fish cuts there.
    """
    from click.shell_completion import CompletionItem

    found: list[CompletionItem[str]] = []
    with suppress(Exception):
        for value, summary in offered:
            if value.startswith(incomplete) and value.isprintable():
                found.append(CompletionItem(value, help=summary if summary.isprintable() else None))
    return found


def _files(incomplete: str, kind: str = "file") -> "list[CompletionItem[str]]":
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type=kind)]


def _mirror(app: App) -> "Mirror":
    from malsync.mirror import FILE_NAME, Mirror

    return Mirror.open_unchanged(app.folder / FILE_NAME, wait=_WAIT)


# -- what is offered


def _accounts(app: App) -> Offered:
    for name, user in app.accounts.all().items():
        yield name, user.name


def _runs(app: App) -> Offered:
    with _mirror(app) as mirror:
        for run in reversed(mirror.journal.runs()[-_MOST:]):
            yield str(run.number), f"{run.kind} {run.state} {local_time(run.started_at)}"


def _fields(app: App) -> Offered:  # noqa: ARG001 - as its neighbours
    from malsync.model.medium import MEDIA

    for name in dict.fromkeys(one.name for medium in MEDIA.values() for one in medium.writable):
        yield name, ""


def _references(app: App, who: str) -> Offered:
    """References, the words first; behind WHO@ those of that account or user, whose snapshots are told by their numbers."""
    before = f"{who}@" if who else ""
    for word, summary in _WORDS.items():
        yield f"{before}{word}", summary
    if not who:
        for name, _ in _accounts(app):
            if name != app.account_name:
                yield from ((f"{name}@{word}", _WORDS[word]) for word in ("latest", "good", "live"))
    with _mirror(app) as mirror:
        infos = mirror.infos(app.user_of(who, mirror) if who else None)
        for info in reversed(infos[-_MOST:]):
            counts = " and ".join(f"{count} {name}" for name, count in info.counts.items() if count is not None)
            mark = " (suspicious)" if info.suspicious else ""
            yield f"{before}{info.number}", f"{local_time(info.taken_at)}: {counts}{mark}"


# -- the types of parameters that offer it


class TextParam(click.types.StringParamType):
    """Valid text, unlike the names of files, which may hold any bytes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text that was typed."""
        text = str(super().convert(value, param, ctx))
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                self.fail(f"{text!r} is not valid text in UTF-8.", param, ctx)
        return text


class Suggested(TextParam):
    """A text, for which `offered` knows values that are likely."""

    def __init__(self, offered: Callable[[App], Offered]) -> None:
        self._offered = offered

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> "list[CompletionItem[str]]":
        """The likely values that begin as it was typed."""
        return _items(incomplete, self._offered(_app(ctx)))


class ReferenceParam(click.types.StringParamType):
    """A list reference."""

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> "list[CompletionItem[str]]":
        """References; a path where that is begun, or where nothing else begins so."""
        if "/" in incomplete or incomplete.startswith((".", "~")):
            return _files(incomplete)
        who = incomplete.rpartition("@")[0]
        return _items(incomplete, _references(_app(ctx), who)) or _files(incomplete)


class RunNumber(click.IntRange):
    """The number of a run."""

    def __init__(self) -> None:
        super().__init__(1)

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> "list[CompletionItem[str]]":
        """The newest runs."""
        return _items(incomplete, _runs(_app(ctx)))


class FileName(click.types.StringParamType):
    """The name of a file, or of a folder where `kind` is "dir"."""

    def __init__(self, kind: str = "file") -> None:
        self._kind = kind

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> "list[CompletionItem[str]]":
        """What the shell itself knows."""
        return _files(incomplete, self._kind)


TEXT: Any = TextParam()
REFERENCE: Any = ReferenceParam()
ACCOUNT: Any = Suggested(_accounts)
FIELD: Any = Suggested(_fields)
RUN: Any = RunNumber()
FILE: Any = FileName()
FOLDER: Any = FileName("dir")
