"""on_success and on_failure: a command of the user's own, told how it went."""

import os
import shlex
import subprocess
from typing import Any

from malsync.cli.app import App
from malsync.cli.environment import SECRET_VARIABLES
from malsync.cli.output import as_json


def run_hook(app: App, command: str, document: dict[str, Any]) -> None:
    """Run `command` without a shell, the result as JSON on its standard input. That it fails is said, and changes nothing."""
    if not command:
        return
    kept = {name: text for name, text in app.world.environment.items() if name not in SECRET_VARIABLES}
    try:
        # Its own output goes to stderr: stdout belongs to the result.
        done = subprocess.run(
            shlex.split(command),
            input=as_json(document, indent=False).encode(),
            env=kept,
            stdout=2,
            check=False,
            timeout=300,
            cwd=os.sep,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        app.output.warn(f"The command {command!r} of config.toml could not be run: {error}")
        return
    if done.returncode:
        app.output.warn(f"The command {command!r} of config.toml ended with {done.returncode}.")
