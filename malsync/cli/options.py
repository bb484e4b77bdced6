"""Options that every command takes, before its name or after it, and those that several have."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from malsync.cli.app import App
from malsync.cli.environment import World
from malsync.cli.output import Output, has_colour
from malsync.cli.suggest import ACCOUNT, FOLDER, META
from malsync.model.medium import STATUSES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

MEDIA_CHOICE = click.Choice(["anime", "manga"])
ONLY = click.option("--only", type=MEDIA_CHOICE, help="One of the two lists.")
PORT = click.option(
    "--port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="N",
    help="The port; 0 picks a free one.",
)


class Amount(click.FloatRange):
    """A number from 0 on. What is no number and what has no end (nan, inf) is no amount of seconds or days."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that was typed."""
        amount: float = super().convert(value, param, ctx)
        if not math.isfinite(amount):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return amount


class Word(click.Choice[str]):
    """One of several words, in capitals or not, with blanks or hyphens for its underscores, or by another name for it."""

    def __init__(self, words: Sequence[str], also: Mapping[str, str]) -> None:
        super().__init__(words)
        self._also = also

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word that was meant."""
        return self.word(value) or super().convert(value, param, ctx)

    def word(self, value: Any) -> str:
        """The word that was meant; empty where it is none of them."""
        word = re.sub(r"[ -]+", "_", str(value).strip().casefold())
        word = self._also.get(word, word)
        return word if word in self.choices else ""


STATUS = Word(STATUSES, {"ptw": "plan_to_watch", "ptr": "plan_to_read"})


WAIT = click.option(
    "--wait",
    type=Amount(),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for another malsync to end.",
)


def pass_app(function: Decorated) -> Decorated:
    """Give the command its App, made from the shared options wherever they stood."""

    @wraps(function)
    def called(*positional: Any, **named: Any) -> Any:
        root = click.get_current_context().find_root()
        given = {name: root.meta.get(META + name) for name in ("home", "account", "json", "quiet", "verbose")}
        world = root.obj if isinstance(root.obj, World) else World()
        output = Output(
            json=bool(given["json"]),
            quiet=bool(given["quiet"]),
            verbose=bool(given["verbose"]),
            colour=has_colour(world),
        )
        return function(App(world, given["home"], given["account"], output), *positional, **named)

    return cast("Decorated", called)


def home_named(arguments: Sequence[str]) -> str | None:
    """What --home says, for the report of a failure that left no context behind."""
    for place, argument in enumerate(arguments):
        if argument == "--home":
            return next(iter(arguments[place + 1 :]), None)
        if argument.startswith("--home="):
            return argument.partition("=")[2]
    return None


def _remember(context: click.Context, parameter: click.Parameter, given: Any) -> None:
    if given == "":
        # A script's variable that is not set. The default account is not who was meant.
        raise click.BadParameter("it is empty.", context, parameter)
    if given is not None and parameter.name is not None:
        context.find_root().meta[META + parameter.name] = given


@cache  # one of each for all commands: making them again for every command is a tenth of the time that --help takes
def _shared() -> tuple[click.Option, ...]:
    common: dict[str, Any] = {"expose_value": False, "callback": _remember, "default": None}
    return (
        click.Option(
            ["--home"], type=FOLDER, metavar="DIR", help="The home folder: mirror, tokens, settings.", **common
        ),
        click.Option(
            ["--account"],
            type=ACCOUNT,
            metavar="NAME",
            help="Which signed-in account to use (default: 'default').",
            **common,
        ),
        click.Option(["-v", "--verbose"], is_flag=True, help="Log every request to stderr.", **common),
        click.Option(["-q", "--quiet"], is_flag=True, help="Only print errors.", **common),
        click.Option(["--json"], is_flag=True, help="Print one JSON document on stdout.", **common),
    )


class _WithExamples(click.Command):
    """The shared options, and help that ends with examples."""

    def __init__(self, *positional: Any, examples: Sequence[str] = (), **named: Any) -> None:
        super().__init__(*positional, **named)
        self.examples = tuple(examples)
        self.params += _shared()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, one a line."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")


class Command(_WithExamples):
    """A command of malsync's."""


class Group(_WithExamples, click.Group):
    """Commands in the order in which one meets them."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order in which they were added, not by name."""
        return list(self.commands)


Group.group_class = Group


class LazyGroup(Group):
    """A group that imports a command when it is typed: from the module of this package that has its name.

    `summaries` are the commands, each with its line of --help.
    """

    def __init__(self, *positional: Any, summaries: Mapping[str, str], **named: Any) -> None:
        super().__init__(*positional, **named)
        self._summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of `summaries`."""
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, from its module."""
        if cmd_name not in self._summaries:
            return None
        module = import_module(f"malsync.cli.{cmd_name}{'_' if iskeyword(cmd_name) else ''}")
        commands = [item for item in vars(module).values() if isinstance(item, click.Command)]
        return next(command for command in commands if command.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was typed. What a misspelt one may mean, click looks up among those that were imported."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=self._summaries, ctx=ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """What may follow in a shell: commands and what --help says of each, none of which is imported for it, and options."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=summary)
            for name, summary in self._summaries.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """All commands, none of which is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))
