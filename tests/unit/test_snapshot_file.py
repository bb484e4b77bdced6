"""JSON snapshots as files: what is read back, what is refused and why, and how they are written."""

import gzip
import resource
import signal
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.errors import UsageError
from malsync.files import MAX_UNPACKED_BYTES
from malsync.formats import snapshot_file
from malsync.formats.snapshot_file import encode
from malsync.model.medium import ANIME, MANGA
from malsync.model.snapshot import Snapshot, User
from tests.support.harness import ROOT, Malsync
from tests.support.lists import many, snapshot, watched

FILES = ROOT / "fixtures" / "snapshots"
VALID = sorted((FILES / "valid").iterdir())
GOLDEN = FILES / "valid" / "golden.json"

# Each file that is refused, named after its fault, and what is said of it.
INVALID = {
    "empty.json": "empty.json is empty",
    "empty.json.gz": "empty.json.gz is empty",
    "cut-short.json": "cut short, or not JSON",
    "cut-short.json.gz": "cut short or damaged",
    "only-the-first-bytes.json.gz": "cut short or damaged",
    "damaged.json.gz": "cut short or damaged",
    "not-json.json": "not JSON",
    "not-utf-8.json": "not valid UTF-8",
    "byte-order-mark.json": "byte order mark",
    "lone-surrogate.json": "surrogate",
    "number-beyond-all-bounds.json": "number is infinity",
    "document-nested-too-deep.json": "depth limit",
    "value-nested-too-deep.json": "nested more than 100 deep",
    "two-documents.json": "unexpected content after document",
    "not-an-object.json": "not a malsync snapshot",
    "not-a-snapshot.json": "not a malsync snapshot",
    "newer-version.json": "is a snapshot of version 2; this malsync reads up to 1",
    "version-is-text.json": "version: 1 was expected",
    "version-is-true.json": "version: 1 was expected",
    "no-digest.json": "'digest' is a required property",
    "no-manga.json": "'manga' is a required property",
    "no-title.json": "anime.0.node: 'title' is a required property",
    "id-zero.json": "anime.0.node.id: 0 is less than the minimum",
    "id-is-text.json": "anime.0.node.id: '1' is not of type 'integer'",
    "id-too-large.json": "anime.0.node.id: 9007199254740992 is greater than the maximum",
    "id-twice.json": "an id stands in its anime list twice",
    "wrong-type.json": "anime.0.list_status.score: '9' is not of type",
    "tag-is-a-number.json": "anime.1.list_status.tags.1: 1 is not of type",
    "unknown-source.json": "source: 'hearsay' is not one of",
    "covers-contradict.json": "contradicts itself: it says otherwise of manga in covers",
    "covers-nothing-of-a-list-that-is-null.json": "contradicts itself: it says otherwise of manga in covers",
    "covers-a-third-list.json": "covers: Additional properties are not allowed",
    "no-time-zone.json": "taken_at:",
    "no-such-day.json": "taken_at: day is out of range for month",
    "edited.json": "was edited or damaged: its digest does not fit what it holds",
    "entry-removed.json": "was edited or damaged: its digest does not fit what it holds",
    "entry-moved-to-the-other-list.json": "was edited or damaged: its digest does not fit what it holds",
    "member-removed.json": "was edited or damaged: its digest does not fit what it holds",
    "digest-of-another.json": "was edited or damaged: its digest does not fit what it holds",
    "digest-is-short.json": "digest:",
}


@pytest.mark.promise("storing-15")
def test_every_file_that_is_kept_as_an_example_is_tested() -> None:
    assert sorted(path.name for path in (FILES / "invalid").iterdir()) == sorted(INVALID)
    assert len(VALID) >= 7


# -- what is read


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.name)
def test_a_whole_snapshot_is_read(path: Path, offline: Malsync) -> None:
    made = snapshot_file.read(path)

    document = offline.json("import", path)

    assert document["digest"] == made.digest
    assert document["counts"] == made.counts
    assert document["user"] == made.user.name


def test_the_golden_snapshot_says_what_it_always_said() -> None:
    """A file written once stays readable for ever, so these values never change."""
    made = snapshot_file.read(GOLDEN)

    assert made.user == User("https://api.myanimelist.net", 4711, "sandbox_mika")
    assert made.taken_at.isoformat() == "2026-11-01T20:00:00.125000+00:00"
    assert (made.source, made.note) == ("backup", "before the clean-up")
    assert made.covers == {"anime": ANIME.names, "manga": MANGA.names}
    assert made.digest == "sha256:0be635e5595b1990cf64a132a25f9047d2ed9d1b09e58c2d7e7ad2bfe8eb708d"
    assert {id: entry.title for id, entry in made.entries(ANIME).items()} == {
        1: "Cowboy Bebop",
        20: "Naruto",
        5114: "鋼の錬金術師 FULLMETAL ALCHEMIST",
    }
    assert made.entries(ANIME)[1].list_status == {
        "status": "completed",
        "score": 10,
        "num_episodes_watched": 26,
        "is_rewatching": False,
        "start_date": "1999",
        "finish_date": "1999-12-31",
        "priority": 0,
        "num_times_rewatched": 2,
        "rewatch_value": 5,
        "tags": ["space", "jazz, blues"],
        "comments": 'See you, "space cowboy"…\nsecond line',
        "updated_at": "2015-03-02T06:03:11+00:00",
    }
    assert made.entries(ANIME)[20].list_status["score"] is None
    assert "comments" not in made.entries(ANIME)[5114].list_status
    assert made.entries(MANGA)[2].list_status["is_rereading"] is True


def test_the_golden_snapshot_is_written_as_it_stands() -> None:
    assert b"".join(encode(snapshot_file.read(GOLDEN))) == GOLDEN.read_bytes()


def test_a_packed_snapshot_is_the_same_snapshot(tmp_path: Path) -> None:
    assert snapshot_file.read(GOLDEN.with_name("golden.json.gz")) == snapshot_file.read(GOLDEN)


def test_a_file_is_unpacked_for_what_it_is_and_not_for_its_name(tmp_path: Path) -> None:
    (tmp_path / "plain.json.gz").write_bytes(GOLDEN.read_bytes())
    (tmp_path / "packed.json").write_bytes(gzip.compress(GOLDEN.read_bytes()))

    assert snapshot_file.read(tmp_path / "plain.json.gz") == snapshot_file.read(tmp_path / "packed.json")


def test_a_file_in_another_hand_is_the_same_snapshot() -> None:
    """Indented, in ASCII, everything in another order, and with members that version 1 does not know."""
    other = snapshot_file.read(GOLDEN.with_name("another-hand.json"))

    assert other == snapshot_file.read(GOLDEN)


def test_members_that_this_version_does_not_know_are_kept() -> None:
    made = snapshot_file.read(GOLDEN.with_name("members-of-tomorrow.json"))

    assert made.entries(ANIME)[1].list_status["new_member"] == {"n": 1.5, "big": 2**60, "😀": [None, True]}


# -- what is refused


@pytest.mark.promise("security-39")
@pytest.mark.parametrize("name", INVALID)
def test_a_file_that_is_not_whole_is_refused_for_its_fault(name: str, offline: Malsync) -> None:
    path = FILES / "invalid" / name

    with pytest.raises(UsageError) as caught:
        snapshot_file.read(path)
    assert caught.value.message.startswith(f"{path} ")
    assert INVALID[name] in caught.value.message
    assert len(caught.value.message) < 500

    for command in (["import", path], ["show", path], ["mirror", "rebuild", GOLDEN, path]):
        error = offline.error(*command, exit_code=2)
        assert INVALID[name] in error["message"]
    assert offline.json("snapshots") == []


@pytest.mark.promise("security-39")
@given(st.data())
def test_a_change_of_any_byte_is_refused_or_changes_no_list(data: st.DataObject) -> None:
    """The digest vouches for the lists; the title, the note and the rest of the head are not part of it."""
    whole, made = bytearray(GOLDEN.read_bytes()), snapshot_file.read(GOLDEN)
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    try:
        found = snapshot_file.decode(bytes(whole), "it")
    except UsageError:
        return

    for medium in (ANIME, MANGA):
        assert {id: entry.list_status for id, entry in found.entries(medium).items()} == {
            id: entry.list_status for id, entry in made.entries(medium).items()
        }


@given(st.integers(0, GOLDEN.stat().st_size - 3))
def test_a_file_cut_short_anywhere_is_refused(length: int) -> None:
    with pytest.raises(UsageError):
        snapshot_file.decode(GOLDEN.read_bytes()[:length], "it")


def test_a_file_that_is_not_there_is_said_so(offline: Malsync, tmp_path: Path) -> None:
    for command in ("import", "show"):
        error = offline.error(command, tmp_path / "missing.json", exit_code=2)
        assert error["message"] == f"{tmp_path / 'missing.json'} cannot be read: No such file or directory."


def test_a_folder_is_no_snapshot(offline: Malsync, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()

    for command in ("import", "show"):
        error = offline.error(command, tmp_path / "folder.json", exit_code=2)
        assert "cannot be read: Is a directory" in error["message"]


@pytest.mark.promise("security-40")
def test_a_bomb_does_not_go_off(offline: Malsync, tmp_path: Path) -> None:
    """A few hundred kilobytes that unpack to more than any list: reading stops at the limit."""
    piece = gzip.compress(bytes(2**20))
    bomb = tmp_path / "bomb.json.gz"
    with bomb.open("wb") as file:
        for _ in range((MAX_UNPACKED_BYTES >> 20) + 1):
            file.write(piece)
    assert bomb.stat().st_size < 2**20

    error = offline.error("import", bomb, exit_code=2)

    assert f"unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB" in error["message"]


# -- how it is written


@pytest.mark.promise("security-9")
@pytest.mark.parametrize("name", ["list.json", "list.json.gz"])
def test_a_file_is_its_owners_alone_and_the_same_list_is_the_same_bytes(tmp_path: Path, name: str) -> None:
    made = snapshot_file.read(GOLDEN)
    one, two = tmp_path / name, tmp_path / "other" / name
    two.parent.mkdir()

    snapshot_file.write(one, made)
    snapshot_file.write(two, made)

    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    assert one.read_bytes() == two.read_bytes()
    assert snapshot_file.read(one) == made
    assert list(tmp_path.iterdir()) in ([one, two.parent], [two.parent, one])


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Whoever has the old one open keeps it: a new file takes its name."""
    path = tmp_path / "list.json"
    path.write_text("old")
    path.chmod(0o644)
    with path.open() as old:
        snapshot_file.write(path, snapshot({1: watched()}, {}))

        assert old.read() == "old"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert snapshot_file.read(path).counts == {"anime": 1, "manga": 0}


@pytest.mark.promise("storing-12")
@pytest.mark.parametrize("name", ["list.json", "list.json.gz"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(offline: Malsync, tmp_path: Path, name: str) -> None:
    """A disk that fills up halfway: no file may grow beyond 20,000 bytes."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    path = shelf / name
    old = snapshot({1: watched()}, {})
    snapshot_file.write(path, old)
    big = tmp_path / "big.json"
    snapshot_file.write(big, snapshot({id: watched(comments=f"{id**9:x}" * 9) for id in range(1, 3000)}, {}))

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = offline.process("export", big, "--output", path, preexec_fn=prepare)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 2, stderr
    assert f"{path} cannot be written: File too large" in stderr
    assert snapshot_file.read(path) == old
    assert list(shelf.iterdir()) == [path]


@pytest.mark.parametrize("place", ["missing/list.json", "file/list.json", "folder.json"])
def test_a_place_where_no_file_can_be_is_refused(offline: Malsync, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.json").mkdir()

    error = offline.error("export", GOLDEN, "--output", tmp_path / place, exit_code=2)

    assert f"{tmp_path / place} cannot be written" in error["message"]
    assert sorted(path.name for path in tmp_path.rglob("*") if "home" not in path.parts) == ["file", "folder.json"]


def test_an_exported_list_is_the_file_that_came_in(offline: Malsync, tmp_path: Path) -> None:
    offline.time.moment += timedelta(days=1)
    offline.ok("mirror", "rebuild", GOLDEN)
    offline.ok("export", "latest", "--output", tmp_path / "out.json")
    offline.ok("export", "latest", "--output", tmp_path / "out.json.gz")

    assert (tmp_path / "out.json").read_bytes() == GOLDEN.read_bytes()
    assert gzip.decompress((tmp_path / "out.json.gz").read_bytes()) == GOLDEN.read_bytes()
    assert offline.ok("export", "latest").stdout.encode() == GOLDEN.read_bytes()


def test_a_long_list_comes_back_whole(tmp_path: Path) -> None:
    made: Snapshot = snapshot(many(20_000, score=7, comments="said"), {})
    snapshot_file.write(tmp_path / "long.json.gz", made)

    assert snapshot_file.read(tmp_path / "long.json.gz") == made
