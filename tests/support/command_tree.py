"""Every command of the command line, by its path."""

import click

from malsync.cli.main import cli


def _commands(group: click.Group, path: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found[f"{path}{name}"] = command
        if isinstance(command, click.Group):
            found |= _commands(command, f"{path}{name} ")
    return found


COMMANDS = {"": cli} | _commands(cli)
