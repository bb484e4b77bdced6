"""completion: print the script that completes malsync's commands in a shell, and answer what the script asks."""

import os
import re
from contextlib import suppress
from pathlib import PurePath
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    shell_complete,
    split_arg_string,
)

from malsync.cli.app import App
from malsync.cli.environment import World
from malsync.cli.options import Command, pass_app
from malsync.errors import Exit, UsageError

VARIABLE = "_MALSYNC_COMPLETE"
"""Set by the script when it asks for completions: `bash_complete` and the like."""
_SHELLS = ("bash", "zsh", "fish")
_PLACES = {
    "bash": (
        "~/.local/share/bash-completion/completions/malsync",
        'Without the package bash-completion, this line in ~/.bashrc does the same: eval "$(malsync completion bash)"',
    ),
    "zsh": ("~/.zfunc/_malsync", "~/.zshrc must say fpath+=~/.zfunc before compinit."),
    "fish": ("~/.config/fish/completions/malsync.fish", ""),
}


@click.command(
    cls=Command,
    examples=[
        "malsync completion bash > ~/.local/share/bash-completion/completions/malsync",
        "malsync completion zsh > ~/.zfunc/_malsync",
        "malsync completion fish > ~/.config/fish/completions/malsync.fish",
    ],
)
@click.argument("shell", required=False, metavar="[SHELL]", type=click.Choice(_SHELLS))
@pass_app
def completion(app: App, shell: str | None) -> None:
    """Print the script that completes malsync's command lines in bash, zsh or fish.

    Without a shell, the one that you use. It completes commands, options, accounts, references, snapshots, runs and fields.
    """
    shell = shell or _own_shell(app.world)
    completer = get_completion_class(shell)
    assert completer is not None  # noqa: S101 - click has had all three since 8.0
    script = completer(click.get_current_context().find_root().command, {}, "malsync", VARIABLE).source()
    app.output.document({"shell": shell, "script": script})
    app.output.raw(script.lstrip("\n"))
    path, setting = _PLACES[shell]
    app.output.note(f"To keep it: malsync completion {shell} > {path}")
    app.output.note(f"{setting} Then open a new shell.".lstrip())


def _own_shell(world: World) -> str:
    name = PurePath(world.environment.get("SHELL", "")).name
    if name not in _SHELLS:
        raise UsageError(f"malsync does not complete in {name or 'this shell'}.", f"Name one: {', '.join(_SHELLS)}")
    return name


def answer(root: click.Command, instruction: str, world: World) -> int:
    """Print the completions of the command line in the environment. Prints no errors: they would garble the prompt."""
    with suppress(Exception):
        if not shell_complete(root, {"obj": world}, "malsync", VARIABLE, instruction):
            return Exit.OK
    return Exit.USAGE


@add_completion_class
class _Bash(BashComplete):
    """click's completion for bash, which splits `bob@latest` and `--mode=exact` at their signs and replaces only the end."""

    _before = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        if "COMP_LINE" in os.environ:  # asked by a script that malsync 0.1 printed
            line = os.environ["COMP_LINE"]
            words = split_arg_string(line)[1:] + ([""] if line[-1:].isspace() else [])
            is_split = "@" in os.environ["COMP_WORDBREAKS"]
        else:
            args, last = super().get_completion_args()
            words = re.sub(r"\n([@=])(\n|$)", r"\1", "\n".join([*args, last])).split("\n")
            is_split = words[-1] != last
        *words, incomplete = words or [""]
        self._before = incomplete.rpartition("@")[0] if is_split else ""
        return words, incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        if item.type == "plain":
            item.value = item.value.removeprefix(self._before)  # bash keeps the @ in the word that it replaces
        return super().format_completion(item)
