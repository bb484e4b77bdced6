"""What each file in fixtures/upgrade means: read by today's malsync, and written again.

A file is called FORMAT-N: what the Nth form of FORMAT looked like when the commit that brought it wrote it. None is ever made
again; a form that changes gets another file.
"""

import gzip
import plistlib
import re
import shlex
import shutil
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from malsync import __version__
from malsync.formats import left_out as left_out_file
from malsync.formats import plan_file, snapshot_file
from malsync.formats.latest_copy import LatestCopy
from malsync.mal.oauth import Tokens
from malsync.mal.token_store import FileStore, KeyringStore
from malsync.mirror import FILE_NAME
from malsync.model.anilist import LeftOut, Taken
from malsync.model.medium import MEDIA
from malsync.model.snapshot import User
from malsync.operations import config
from malsync.operations.accounts import Accounts
from malsync.sandbox import Sandbox, World
from malsync.sandbox.catalogue import Catalogue
from malsync.sandbox.statefile import StateFile
from malsync.schedule import KINDS, TimerRequest, make_timer
from malsync.schemas import find_problem
from tests.support.file_keyring import FileKeyring
from tests.support.harness import ROOT, Malsync

FOLDER = ROOT / "fixtures" / "upgrade"
ORIGIN = "http://127.0.0.1:8123"
"""Where the sandbox was when the files were made."""
MIKA = User(ORIGIN, 9_000_001, "invented_mika")
COMMAND = ("/home/mika/.local/bin/malsync", "--home", "/home/mika/my lists", "--account", "second", "backup", "-q")
STAMP = {"updated_at": "2026-01-02T03:04:05+00:00"}
NARUTO = {
    "status": "dropped", "score": 0, "num_episodes_watched": 3, "is_rewatching": False, "start_date": "2023-12",
    "priority": 0, "num_times_rewatched": 0, "rewatch_value": 0, "tags": [], "comments": "=1+1\nzweite Zeile, ünïcode 時",
    **STAMP,
}  # fmt: skip
BERSERK = {
    "status": "reading", "score": 0, "num_volumes_read": 1, "num_chapters_read": 4, "is_rereading": True, "priority": 1,
    "num_times_reread": 2, "reread_value": 5, "tags": ["a tag, of prose"], "comments": "", **STAMP,
}  # fmt: skip
Read = Callable[[Path, Malsync], object]
Again = Callable[[Path, Malsync], bytes | str]
Lists = dict[tuple[str, int], dict[str, Any]]
"""What a list says of each entry, by medium and id."""


def copied(path: Path, to: Path) -> Path:
    """A copy, its folder made."""
    to.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(path, to))


def unpacked(path: Path) -> bytes:
    """What the file holds."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def entries(malsync: Malsync, reference: str) -> Lists:
    """What `show` says."""
    shown = malsync.json("show", reference)["entries"]
    return {(one["medium"], one["id"]): one["list_status"] for one in shown}


def said_in(name: str) -> Lists:
    """What a snapshot among the files says."""
    said = orjson.loads(unpacked(FOLDER / name))
    return {(medium, one["node"]["id"]): one["list_status"] for medium in MEDIA for one in said[medium]}


# -- the home folder


def settings(path: Path, malsync: Malsync) -> None:
    """Each setting means what it says."""
    copied(path, malsync.home / config.FILE_NAME)

    found = config.load(malsync.home, {})

    said = tomllib.loads(path.read_text(encoding="utf-8"))
    assert {key: getattr(found, key) for key in said} == said


def _pairs(path: Path, malsync: Malsync) -> dict[str, Tokens]:
    copied(path, malsync.home / "tokens.json")
    kept = {account: FileStore(malsync.home).load(account) for account in ("default", "second")}
    return {account: pair for account, pair in kept.items() if pair is not None}


def _is_pair(pair: Tokens | None, account: str) -> None:
    assert pair is not None
    assert pair.access_token == f"invented-access-token-{account}"
    assert pair.refresh_token == f"invented-refresh-token-{account}"
    assert (pair.issued_at, pair.expires_at) == (1_790_000_000.25, 1_792_678_400.25)
    assert (pair.client_id, pair.origin) == ("invented-client-id", "https://api.myanimelist.net")
    # The first form did not say who had issued the pair; it is refreshed wherever one signs in.
    assert pair.auth_url in ("", "https://myanimelist.net/v1/oauth2/token")


def tokens(path: Path, malsync: Malsync) -> None:
    """Both accounts are signed in, by the very tokens."""
    pairs = _pairs(path, malsync)
    for account, pair in pairs.items():
        _is_pair(pair, account)
    assert len(pairs) == 2
    copied(FOLDER / "accounts-1.json", malsync.home / "accounts.json")
    (row,) = malsync.json("accounts")
    assert (row["account"], row["refresh_token_expires_at"]) == ("default", "2026-10-21T14:13:20.250Z")


def tokens_again(path: Path, malsync: Malsync) -> bytes:
    """Kept once more."""
    for account, pair in _pairs(path, malsync).items():
        FileStore(malsync.home).save(account, pair)
    return (malsync.home / "tokens.json").read_bytes()


@contextmanager
def _kept_in_keyring(path: Path, malsync: Malsync) -> Iterator[tuple[KeyringStore, Path]]:
    """A keyring that holds the file as the item of `default`; its own file beside it."""
    import keyring

    before, backend, place = keyring.get_keyring(), FileKeyring(), malsync.home / "keyring"  # type: ignore[no-untyped-call]
    malsync.home.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILE_KEYRING", str(place))
        keyring.set_keyring(backend)
        try:
            backend.set_password("malsync", f"default in {malsync.home}", path.read_text(encoding="utf-8"))
            yield KeyringStore(malsync.home), place
        finally:
            keyring.set_keyring(before)


def keyring_item(path: Path, malsync: Malsync) -> None:
    """The pair that stands in it."""
    with _kept_in_keyring(path, malsync) as (store, _):
        _is_pair(store.load("default"), "default")


def keyring_again(path: Path, malsync: Malsync) -> str:
    """Kept once more."""
    with _kept_in_keyring(path, malsync) as (store, place):
        pair = store.load("default")
        assert pair is not None
        place.unlink()
        store.save("default", pair)
        (item,) = orjson.loads(place.read_bytes()).values()
        return str(item)


def accounts(path: Path, malsync: Malsync) -> None:
    """The account is that MAL user's."""
    copied(path, malsync.home / "accounts.json")
    (found,) = Accounts.of(malsync.home).all().items()

    assert found == ("default", MIKA)
    (row,) = malsync.json("accounts")
    assert (row["account"], row["user"]["name"], row["logged_in"]) == ("default", "invented_mika", False)


def accounts_again(path: Path, malsync: Malsync) -> bytes:
    """Bound once more, to the same user under another name and back."""
    known = Accounts(copied(path, malsync.home / "accounts.json"))
    user = known.all()["default"]
    known.bind("default", replace(user, name="renamed"))
    known.bind("default", user)
    return known.path.read_bytes()


# -- lists


def snapshot(path: Path, malsync: Malsync) -> None:
    """A mirror of it says what it says: whose, when, why, which lists, which entries, and whether they are to be trusted."""
    said = orjson.loads(unpacked(path))
    malsync.ok("mirror", "rebuild", path)
    (row,) = malsync.json("snapshots")

    assert (row["user"], row["taken_at"], row["digest"]) == (said["user"]["name"], said["taken_at"], said["digest"])
    assert (row["source"], row["note"], row["covers"]) == (said["source"], said["note"], said["covers"])
    assert bool(row["suspicious"]) is ("suspicious" in said or ".suspicious" in path.suffixes)
    found = entries(malsync, "1")
    assert found == {(name, one["node"]["id"]): one["list_status"] for name in MEDIA for one in said[name]}
    if said["note"] == "the first":
        assert (found["anime", 20], found["manga", 2]) == (NARUTO, BERSERK)
    assert malsync.json("verify")["ok"]


def snapshot_again(path: Path, malsync: Malsync) -> bytes:
    """Written once more, under its own name."""
    malsync.home.mkdir(exist_ok=True)
    snapshot_file.write(malsync.home / path.name, snapshot_file.read(path))
    return unpacked(malsync.home / path.name)


def latest(path: Path, malsync: Malsync) -> None:
    """Beside the mirror it is the last list of its user, where it can be trusted; and a mirror is made of it."""
    ending = "".join(path.suffixes)
    own = copied(path, malsync.home / "latest" / f"invented_mika{ending}")

    assert snapshot_file.owner(own) == MIKA.key
    last = LatestCopy(malsync.home / "latest").last(MIKA)
    assert (last is None) is (".suspicious" in ending)
    assert last is None or last.digest == snapshot_file.read(own).digest
    snapshot(own, malsync)


# -- writing to MAL


@contextmanager
def vandalised(*, mended: bool = False) -> Iterator[tuple[Sandbox, Lists]]:
    """The account as it was when the plans were made, or `mended` by the first of their writes; and what was wanted."""
    goal = said_in("snapshot-2.json")
    lists = {
        name: [
            {"node": {"id": id, "title": f"Title {id}"}, "list_status": dict(status)}
            for (medium, id), status in goal.items()
            if medium == name
        ]
        for name in MEDIA
    }
    world = World.holding(MIKA.name, lists)
    account = world.named(MIKA.name)
    now = datetime(2026, 11, 2, tzinfo=UTC)
    account.edit("anime", 1, now, **({"tags": []} if mended else {"score": 1, "comments": "", "tags": []}))
    account.delete("anime", 20)
    account.edit("manga", 13, now, status="dropped")
    account.put_entry("anime", 7, {"status": "completed", "score": 6, **STAMP})
    with Sandbox(world) as box:
        yield box, goal


def _is_reached(box: Sandbox, goal: Lists) -> None:
    """That the account has all of it, but for when it was written and for tags that MAL cannot take."""
    live = {(name, id): status for name in MEDIA for id, status in box.entries(MIKA.name, name).items()}
    assert live.keys() == goal.keys()
    for key, status in goal.items():
        different = {name for name, item in status.items() if live[key].get(name) != item}
        assert different <= {"updated_at", "tags" if key == ("anime", 1) else ""}, key


def plan(path: Path, malsync: Malsync) -> None:
    """It is carried out, and what was wanted is there."""
    found = plan_file.read(path)
    assert (found.account, found.user, found.mode) == ("default", MIKA, "exact")
    assert [(call.op, *call.key) for call in found.plan.calls] == [
        ("update", "anime", 1), ("add", "anime", 20), ("update", "manga", 13), ("remove", "anime", 7),
    ]  # fmt: skip
    with vandalised() as (box, goal):
        beside = Malsync(malsync.home, box)
        own = malsync.home.parent / "plan.json"
        own.write_text(path.read_text(encoding="utf-8").replace(ORIGIN, _origin(box)), encoding="utf-8")

        document = beside.json("apply", own, exit_code=5)

        assert document["outcomes"]["done"] == 4
        assert [(one["id"], [*one["fields"]]) for one in document["left"]] == [(1, ["tags"])]
        _is_reached(box, goal)


def _origin(box: Sandbox) -> str:
    return box.api_url.removesuffix("/v2")


def plan_again(path: Path, malsync: Malsync) -> bytes:
    """Written once more."""
    malsync.home.mkdir(exist_ok=True)
    plan_file.write(malsync.home / "plan.json", plan_file.read(path))
    return (malsync.home / "plan.json").read_bytes()


def run(path: Path, malsync: Malsync) -> None:
    """A mirror with a run that was interrupted after the first of its four writes: it is resumed, and then taken back."""
    malsync.home.mkdir()
    mirror = malsync.home / FILE_NAME
    mirror.write_bytes(unpacked(path))
    with vandalised(mended=True) as (box, goal):
        with closing(sqlite3.connect(mirror, isolation_level=None)) as connection:
            connection.execute("UPDATE mal_user SET origin = ?", [_origin(box)])
            # When this far side has stamped its entries: the run had another one, later in the year.
            connection.execute(
                "UPDATE run_call SET answer = json_set(answer, '$.updated_at', ?)", ["2026-11-01T12:00:00+00:00"]
            )
        beside = Malsync(malsync.home, box)

        document = beside.json("resume", exit_code=5)

        assert document["outcomes"]["done"] == 4
        assert (box.counts["PATCH"], box.counts["DELETE"]) == (2, 1)
        _is_reached(box, goal)
        beside("undo", "1", "--yes")
        assert box.entries(MIKA.name, "anime")[1]["score"] == 1
        assert 20 not in box.entries(MIKA.name, "anime")


def _when_tokens_lived() -> datetime:
    return datetime(2026, 10, 1, tzinfo=UTC)


def sandbox_state(path: Path, malsync: Malsync) -> None:
    """The sandbox is who and what it was, and knows the token that it gave."""
    state = copied(path, malsync.home / "state.json")
    world = World(Catalogue.shipped(), _when_tokens_lived)
    with Sandbox(world, state_file=state) as box:
        beside = Malsync(malsync.home, MALSYNC_API_URL=box.api_url, MALSYNC_ACCESS_TOKEN="invented-access-token")
        assert beside.json("backup")["user"] == "invented_mika"
        found = entries(beside, "latest")
    assert (found["anime", 20], found["manga", 2]) == (NARUTO, BERSERK)
    account = world.named("invented_mika")
    assert (account.id, account.profile["location"]) == (9_000_001, "Nowhere")
    assert account.private == {"manga"}


def sandbox_state_again(path: Path, malsync: Malsync) -> bytes:
    """Saved once more. Its titles are those that are not shipped, which may be others today."""
    state = copied(path, malsync.home / "state.json")
    StateFile(state, World(Catalogue.shipped(), _when_tokens_lived)).save()
    return orjson.dumps(orjson.loads(state.read_bytes()) | {"titles": orjson.loads(path.read_bytes())["titles"]})


# -- lists for others


def mal_xml(path: Path, malsync: Malsync) -> None:
    """The list that it was made of, as far as XML can say it."""
    medium = path.suffixes[0].removeprefix(".")
    malsync.ok("import", path)
    goal = {key: status for key, status in said_in("snapshot-2.json").items() if key[0] == medium}
    found = entries(malsync, "1")

    assert found.keys() == goal.keys()
    for key, status in goal.items():
        # Tags with a comma are what MAL's XML cannot say, and so is when an entry was written.
        for name in status.keys() - {"tags", "updated_at"}:
            assert (found[key].get(name) or None) == (status[name] or None), (key, name)
    assert malsync.json("snapshots")[0]["user"] == "invented_mika"


def exported(path: Path, malsync: Malsync) -> bytes:
    """The same list, exported today."""
    kind, medium = path.name.partition("-")[0], path.suffixes[0].removeprefix(".")
    malsync.ok("import", FOLDER / "snapshot-2.json")
    target = malsync.home / "exported"
    malsync.ok("export", "1", "--format", kind, "--output", target, *(() if kind == "sqlite" else ("--only", medium)))
    return target.read_bytes()


def one_way(path: Path, malsync: Malsync) -> None:
    """Nothing comes back from it, and that is said. What others read in it, today's still says: see `exported`."""
    own = malsync.home.parent / path.name.removesuffix(".gz")
    own.write_bytes(unpacked(path))
    assert "nothing comes back from CSV and SQLite" in malsync.error("import", own, exit_code=2)["message"]


def tables(content: bytes) -> list[str]:
    """An SQLite file as statements, but for the version of malsync that wrote it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(content)
        return [line.replace(f"malsync {__version__}", "malsync 0.1.0") for line in connection.iterdump()]


def left_out(path: Path, malsync: Malsync) -> None:
    """What AniList has and MAL has not, by today's schema."""
    document = orjson.loads(path.read_bytes())
    assert find_problem("left-out-1", document) is None
    assert [one["anilist_id"] for one in document["left_out"]] == [2, 3, 4]


def left_out_again(path: Path, malsync: Malsync) -> bytes:
    """The report of the same entries."""
    left = tuple(
        LeftOut(MEDIA[one["medium"]], one["anilist_id"], one["title"], one["why"], one["list_status"])
        for one in orjson.loads(path.read_bytes())["left_out"]
    )
    return left_out_file.report(Taken(snapshot_file.read(FOLDER / "snapshot-4.json"), left, ()))


# -- what others run


def timer(path: Path, malsync: Malsync) -> None:
    """The command that it names is one that today's malsync carries out."""
    words = _command_in(path)
    assert words is None or tuple(words) == COMMAND
    with vandalised() as (box, _):
        beside = Malsync(malsync.home, box)
        beside.ok("--home", malsync.home, *COMMAND[3:])
        assert [row["source"] for row in beside.json("snapshots")] == ["backup"]


def _command_in(path: Path) -> list[str] | None:
    """None where it names none, or those of a workflow."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".cron":
        return shlex.split(text.split(" ", 5)[5])
    if path.suffix == ".service":
        return shlex.split(re.findall("^ExecStart=(.*)$", text, re.MULTILINE)[0])
    if path.suffix == ".plist":
        return list(plistlib.loads(text.encode())["ProgramArguments"])
    if path.suffix == ".ps1":
        program, arguments = re.findall(r"-(?:Execute|Argument) '([^']*)'", text)
        return [program, *shlex.split(arguments)]
    return None


def timer_again(path: Path, malsync: Malsync) -> str:
    """The same timer, printed today."""
    wanted = TimerRequest(COMMAND, "malsync-backup", 3, 5, Path("/home/mika/.config"), Path("/home/mika"), MIKA.name)
    kind = next(one for one in KINDS if f".{one}" in path.suffixes)
    files = make_timer(kind, wanted).files
    text = next(text for file, text in files if len(files) == 1 or (file and file.suffix == path.suffix))
    return text.replace(f"malsync=={__version__}", "malsync==0.1.0")


def completion(path: Path, malsync: Malsync) -> None:
    """What the script asks is answered."""
    shell, script = path.suffix.removeprefix("."), path.read_text(encoding="utf-8")
    assert f"_MALSYNC_COMPLETE={shell}_complete" in script
    typed = {
        "completion-1.bash": {"COMP_LINE": "malsync rest", "COMP_WORDBREAKS": " "},
        "completion-2.bash": {"COMP_WORDS": "malsync\nrest", "COMP_CWORD": "1"},
        "completion-1.zsh": {"COMP_WORDS": "malsync rest", "COMP_CWORD": "1"},
        "completion-1.fish": {"COMP_WORDS": "malsync rest", "COMP_CWORD": "rest"},
    }[path.name]
    assert set(typed) == asked_by(script)
    with pytest.MonkeyPatch.context() as patch:
        for name, text in typed.items():
            patch.setenv(name, text)
        answered = malsync.ok(env={"_MALSYNC_COMPLETE": f"{shell}_complete"}).stdout
    assert "restore" in answered


def asked_by(script: str) -> set[str]:
    """The variables in which a completion script says what is being typed."""
    return set(re.findall(r"\b(COMP_[A-Z]+)=", script))


def completion_again(path: Path, malsync: Malsync) -> str:
    """Printed today."""
    return malsync.ok("completion", path.suffix.removeprefix(".")).stdout
