"""completion: the script that teaches a shell malsync's commands, and the answers that it then asks for."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.errors import Exit, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem, ShellComplete

    from malsync.cli.environment import World

VARIABLE = "_MALSYNC_COMPLETE"
"""Set by the shell's script when it asks what may follow; `bash_complete` and the like."""
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

    Without a shell, the one that you use. It knows commands, options, accounts, references, snapshots, runs and fields.
    """
    shell = shell or _own(app.world)
    script = _completer(shell, click.get_current_context().find_root().command, app.world).source()
    app.output.document({"shell": shell, "script": script})
    app.output.raw(script.lstrip("\n"))
    path, then = _PLACES[shell]
    app.output.note(f"To keep it: malsync completion {shell} > {path}")
    app.output.note(f"{then} Then open a new shell.".lstrip())


def _own(world: "World") -> str:
    name = os.path.basename(world.environment.get("SHELL", ""))  # noqa: PTH119 - a name, no file
    if name not in _SHELLS:
        raise UsageError(f"{name or 'This shell'} is none that malsync knows.", f"Name one: {', '.join(_SHELLS)}")
    return name


def answer(root: click.Command, instruction: str, world: "World") -> int:
    """Print what may follow on the command line that the shell is at. Whatever goes wrong, a prompt is no place to say so."""
    shell, _, wanted = instruction.partition("_")
    with suppress(Exception):
        if shell in _SHELLS and wanted == "complete":
            click.echo(_completer(shell, root, world).complete().encode())
            return Exit.OK
    return Exit.USAGE


def _completer(shell: str, root: click.Command, world: "World") -> "ShellComplete":
    from click.shell_completion import get_completion_class

    kind = _bash() if shell == "bash" else get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has had all three since 8.0
    return kind(root, {"obj": world}, "malsync", VARIABLE)


def _bash() -> "type[ShellComplete]":
    """click's completion for bash, which is asked with the line instead of bash's words.

    To bash, `bob@latest` and `anime:5114` are several words, and it replaces the last of them alone.
    """
    from click.shell_completion import BashComplete, split_arg_string

    class Bash(BashComplete):
        source_template = BashComplete.source_template.replace(
            'COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD',
            'COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS"',
        )
        _before = ""

        def get_completion_args(self) -> tuple[list[str], str]:
            line = os.environ["COMP_LINE"]
            words = split_arg_string(line)[1:]
            incomplete = "" if not words or line[-1:].isspace() else words.pop()
            # Of the signs that part words for bash, readline keeps the @ in the word behind it.
            breaks = [
                place if sign == "@" else place + 1
                for place, sign in enumerate(incomplete)
                if sign in os.environ["COMP_WORDBREAKS"]
            ]
            self._before = incomplete[: breaks[-1]] if breaks else ""
            return words, incomplete

        def format_completion(self, item: "CompletionItem[str]") -> str:
            if item.type == "plain":
                item.value = item.value.removeprefix(self._before)
            return super().format_completion(item)

    return Bash
