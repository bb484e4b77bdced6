"""The `demo` command: real malsync commands, each a process of its own, against a sandbox that this process serves."""

import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from malsync.cli.app import App
from malsync.cli.environment import SECRET_VARIABLES
from malsync.cli.options import Command, pass_app
from malsync.errors import Exit, UsageError
from malsync.sandbox import Sandbox, World


@click.command(cls=Command, examples=["malsync demo", "malsync demo --browse"])
@click.option("--browse", "browses", is_flag=True, help="End in the browser, on the demo's mirror, until Ctrl-C.")
@pass_app
def demo(app: App, browses: bool) -> int:
    """Walk through everything on a local sandbox, with real titles and an invented user. No account needed."""
    # Returns 0, or the exit code of the first command that did not do what the story says.
    if app.output.json:
        raise UsageError("demo tells a story to people and has no --json.", "Try: malsync demo")
    with tempfile.TemporaryDirectory(prefix="malsync-demo-") as folder, Sandbox(World.demo()) as box:
        story = _Story(app, box, Path(folder))
        chapters = (_sign_in, _back_up, _look, _accident, _rehearse, _restore, _undo, _keep)
        for chapter in (*chapters, _fetch, _browse) if browses else chapters:
            chapter(story)
            if story.failed is not None:
                app.output.warn(f"The demo stopped: the last command ended with {story.failed}.")
                return story.failed
    app.output.say()
    app.output.say(
        "That was all on this machine. For your own list: see README.md, section 'Your own list'.", colour="green"
    )
    return Exit.OK


class _Story:
    def __init__(self, app: App, box: Sandbox, folder: Path) -> None:
        self.app, self.box, self.folder = app, box, folder
        self.failed: int | None = None
        self.titles: list[int] = []
        browser = [sys.executable, "-m", "malsync.sandbox.browser", "%s", "--user", box.user]
        self._environment = {
            **app.world.environment,
            "MALSYNC_HOME": str(folder / "home"),
            "MALSYNC_API_URL": box.api_url,
            "MALSYNC_AUTH_URL": box.auth_url,
            "MALSYNC_CLIENT_ID": box.client_id,
            "MALSYNC_REDIRECT_URI": f"http://localhost:{_free_port()}/callback",
            # Plays the person who clicks "Allow".
            "BROWSER": shlex.join(browser),
        }
        for name in SECRET_VARIABLES:
            self._environment.pop(name, None)

    def serve(self, *arguments: str) -> None:
        """A command that runs until somebody ends it: what ends the demo ends it, and that is how it is meant to end."""
        if self.failed is not None:
            return
        self._say(*arguments)
        environment = {name: text for name, text in self._environment.items() if name != "BROWSER"}
        if own := self.app.world.environment.get("BROWSER"):
            environment["BROWSER"] = own
        served = subprocess.Popen([sys.executable, "-m", "malsync", *arguments], env=environment, cwd=self.folder)
        both = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, lambda *_: served.terminate()) for number in both}
        try:
            self.failed = served.wait() or None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def tell(self, text: str) -> None:
        self.app.output.say()
        self.app.output.say(f"# {text}", colour="cyan")

    def run(self, *arguments: str, ends_with: int = Exit.OK) -> None:
        if self.failed is not None:
            return
        self._say(*arguments)
        command = [sys.executable, "-m", "malsync", *arguments]
        done = subprocess.run(command, env=self._environment, cwd=self.folder, check=False)
        if done.returncode != ends_with:
            self.failed = done.returncode or Exit.BUG

    def _say(self, *arguments: str) -> None:
        self.app.output.say(f"$ malsync {shlex.join(arguments)}", colour="bright_white")
        sys.stdout.flush()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sign_in(story: _Story) -> None:
    story.tell(f"A MyAnimeList API runs at {story.box.api_url}, with an invented user and real titles. Sign in to it.")
    story.run("login")


def _back_up(story: _Story) -> None:
    story.tell("Read both lists, whole, and store them as one snapshot.")
    story.run("backup", "--note", "the first evening")
    story.run("verify")


def _look(story: _Story) -> None:
    story.tell("What is in it? For instance, what is being watched:")
    story.run("show", "latest", "--only", "anime", "--status", "watching")


def _accident(story: _Story) -> None:
    """The accident, and what it did."""
    story.tell("Now an app syncs wrongly, behind malsync's back: one title goes, two are changed, one comes.")
    box, user = story.box, story.box.user
    gone, cleared, dropped, *_ = story.titles = sorted(box.entries(user, "anime"))
    box.remove(user, "anime", gone)
    box.edit(user, "anime", cleared, score=1, comments="", tags=[])
    box.edit(user, "anime", dropped, status="dropped", num_episodes_watched=0)
    here = box.entries(user, "manga").keys()
    newcomer = min(title["id"] for title in box.world.catalogue.titles("manga") if title["id"] not in here)
    box.add(user, "manga", newcomer, status="reading", num_chapters_read=3)
    story.tell("What changed, from the last backup to the live list?")
    story.run("diff", "latest", "live", "--exit-code", ends_with=Exit.DIFFERENT)


def _rehearse(story: _Story) -> None:
    story.tell(
        "What would it take to have the last backup's list back? Rehearse it on a copy, without a write to the API."
    )
    story.run("restore", "latest", "--mode", "exact", "--rehearse")


def _restore(story: _Story) -> None:
    story.tell("Restore it: one write for each title that differs, then both lists are read again and compared.")
    story.run("restore", "latest", "--mode", "exact", "--yes")
    story.tell("The proof: nothing differs between the backup and the live list.")
    story.run("diff", "latest", "live", "--exit-code")


def _undo(story: _Story) -> None:
    story.tell("A run can be taken back, and that too, for an undo is a run.")
    story.run("undo", "--yes", "-q")
    story.run("diff", "latest", "live", "--exit-code", "-q", ends_with=Exit.DIFFERENT)
    story.run("undo", "--yes", "-q")
    story.run("diff", "latest", "live", "--exit-code", "-q")
    story.run("runs")


def _keep(story: _Story) -> None:
    story.tell("Every list stays. The title that went, through all snapshots:")
    story.run("snapshots")
    story.run("history", f"anime:{story.titles[0]}")
    story.tell("Write the first list to a file that needs no malsync to be read, and take it in again.")
    story.run("export", "1", "--output", "first-evening.json.gz")
    story.run("import", "first-evening.json.gz")
    story.run("verify")


def _fetch(story: _Story) -> None:
    story.tell("Fetch what MyAnimeList says of these titles, a season, a ranking and its suggestions.")
    story.run("fetch", "details")
    story.run("fetch", "season", "2026", "fall", "-q")
    story.run("fetch", "ranking", "all", "--limit", "50", "-q")
    story.run("fetch", "suggestions", "-q")


def _browse(story: _Story) -> None:
    story.tell("Look at all of it in a browser: the lists, their history, every call of the runs.")
    story.serve("browse", "--open")
