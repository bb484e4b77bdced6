"""Tests of promises that belong to no single module."""

import ast
import csv
import io
import os
import re
import threading
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from malsync import Client, files
from malsync.formats import csv_export
from malsync.formats.latest_copy import LatestCopy
from malsync.formats.mal_xml import reader, writer
from malsync.mal.credentials import FixedToken
from malsync.mal.oauth import TokenEndpoint
from malsync.mal.token_store import FileStore, StoredToken
from malsync.mirror import FILE_NAME, Mirror
from malsync.model.medium import ANIME, MEDIA
from malsync.model.snapshot import PLAIN, Snapshot, User
from malsync.operations.run import RunContext, is_stale, refresh_if_stale
from malsync.sandbox import Sandbox
from malsync.urls import origin_of
from tests.support.broken import broken_installation
from tests.support.harness import ROOT, Malsync, TestTime
from tests.support.lists import moment, snapshot, watched
from tests.support.servers import FarSide, Heard, Reply, entry, mal, page
from tests.support.signing import grants, sign_in
from tests.support.strategies import HOSTILE_TEXTS
from tests.support.witness import Witness
from tests.support.writing import harm, small

# -- storing


@pytest.mark.promise("storing-2")
def test_a_snapshot_that_does_not_rebuild_is_not_stored(malsync: Malsync, tmp_path: Path) -> None:
    broken = broken_installation(
        tmp_path / "broken",
        "mirror/rows.py",
        "for name, item in list_status.items() if name not in stored}",
        "for name, item in list_status.items() if name not in stored and item is not None}",
    )
    with FarSide(mal(anime=lambda heard: page(entry(1, mood=None)))) as far:
        process = malsync.process("backup", env={**far.environment(), **broken})
        _, said = process.communicate(timeout=30)
        whole = malsync.json("backup", env=far.environment())

    assert process.returncode == 6, said
    assert "does not rebuild to what was stored" in said
    assert whole["snapshot"] == 1
    assert [row["snapshot"] for row in malsync.json("snapshots")] == [1]


@pytest.mark.promise("storing-3")
def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    with Mirror.open(tmp_path / FILE_NAME, write=True) as mirror:
        (journal,) = mirror._connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = mirror._connection.execute("PRAGMA synchronous").fetchone()

    # https://www.sqlite.org/pragma.html#pragma_synchronous: 2 is FULL, 3 EXTRA.
    assert (journal, synchronous) in {("wal", 2), ("delete", 3)}


@pytest.mark.promise("storing-12")
def test_a_file_is_on_disk_before_it_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        happened.append("folder" if Path(f"/dev/fd/{handle}").is_dir() else "file")
        fsync(handle)

    def replaced(source: str, target: str) -> None:
        happened.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(Path, "replace", lambda path, target: replaced(str(path), str(target)))

    files.write(tmp_path / "list.json", [b"whole"])

    assert happened == ["file", "rename", "folder"]
    assert (tmp_path / "list.json").read_bytes() == b"whole"


@pytest.mark.promise("storing-12")
def test_a_file_is_the_old_one_or_the_new_one_to_whoever_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    files.write(path, [b"old"])
    with path.open("rb") as reader:
        files.write(path, [b"the new one"])

        assert reader.read() == b"old"
    assert path.read_bytes() == b"the new one"


# -- pace


class _Counting(Witness):
    """A witness that knows how many requests were under way at once, by whether they write."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.most = {"reads": 0, "writes": 0, "both": 0}
        self._now = {"reads": 0, "writes": 0}
        self._counting = threading.Lock()

    def _passed_on(self, heard: Heard) -> Reply:
        kind = "reads" if heard.method == "GET" else "writes"
        with self._counting:
            self._now[kind] += 1
            self.most[kind] = max(self.most[kind], self._now[kind])
            self.most["both"] = max(self.most["both"], min(self._now.values()))
        try:
            threading.Event().wait(0.02)  # long enough for another one to come
            return super()._passed_on(heard)
        finally:
            with self._counting:
                self._now[kind] -= 1


@pytest.mark.promise("pace-1")
def test_two_readings_are_under_way_at_most_and_one_write(home: Path) -> None:
    with Sandbox(small()) as box, _Counting(box.api_url.removesuffix("/v2")) as between:
        malsync = Malsync(home, box, MALSYNC_API_URL=between.api_url)
        malsync.ok("backup")
        harm(box)
        malsync.ok("restore", "latest", "--mode", "exact", "--yes")

    assert between.most == {"reads": 2, "writes": 1, "both": 0}


# -- writing


@pytest.mark.promise("writing-4")
@pytest.mark.parametrize(
    ("now", "stale"),
    [
        ("2026-11-01T11:59:59Z", True),  # somebody has set the clock back: nobody knows how old the reading is
        ("2026-11-01T12:00:00Z", False),
        ("2026-11-01T12:05:00Z", False),
        ("2026-11-01T12:05:01Z", True),
    ],
)
def test_a_reading_is_no_ground_to_write_on_after_five_minutes_nor_before_it_was_made(now: str, stale: bool) -> None:
    time = TestTime(moment(now) - timedelta(seconds=1))

    assert is_stale(snapshot({}, {}, at="2026-11-01T12:00:00Z"), time.clock()) is stale


@pytest.mark.promise("writing-5")
def test_what_another_malsync_has_read_since_is_read_again_before_a_run(tmp_path: Path) -> None:
    """It may have waited at its question while somebody else wrote, and backed up."""
    planned_on, now = snapshot({1: watched(1)}, {}, at="2026-11-01T12:00:00Z"), snapshot({}, {})
    time = TestTime(moment("2026-11-01T12:01:00Z"))
    someone = User(planned_on.user.origin, 4711, "someone")
    with Mirror.open(tmp_path / FILE_NAME, write=True) as mirror:
        client = Client("https://api.example.org/v2", FixedToken("token"))
        around = RunContext(client, mirror, LatestCopy(tmp_path), time.clock(), lambda: now)
        mirror.add(snapshot({2: watched(2)}, {}, at="2026-11-01T12:00:30Z", user=someone))
        assert refresh_if_stale(around, planned_on) is planned_on

        mirror.add(snapshot({1: watched(2)}, {}, at="2026-11-01T12:00:30Z"))
        assert refresh_if_stale(around, planned_on) is now


# -- what leaves in another form


@pytest.mark.promise("other-10", "security-28")
@given(st.sampled_from(HOSTILE_TEXTS) | st.text(max_size=40))
def test_whatever_a_comment_says_it_is_text_in_xml(text: str) -> None:
    made = replace(snapshot({1: {"status": "completed", "comments": text, "title": text}}, None), encoded_as=PLAIN)
    pieces, losses = writer.encode(made, ANIME, {})
    content = b"".join(pieces)

    root = ElementTree.fromstring(content)
    names = [element.tag for element in root.iter()]
    assert names.count("anime") == names.count("my_comments") == names.count("update_on_import") == 1
    assert root.findtext("anime/update_on_import") == "1"
    back = reader.decode(content, "list.xml", origin="https://api.example.org", written=moment("2026-11-01T00:00:00Z"))
    (read,) = back.snapshot.entries(ANIME).values()
    assert losses or (read.list_status.get("comments") or "") == text


@pytest.mark.promise("security-28")
def test_a_user_whose_name_is_markup_is_a_name_in_xml() -> None:
    made = snapshot({1: watched(1)}, None)
    odd = Snapshot(
        made.user.__class__(made.user.origin, 7, "<b>&]]></b>"), made.taken_at, "backup", made.covers, made.lists
    )

    pieces, _ = writer.encode(odd, ANIME, {})

    assert ElementTree.fromstring(b"".join(pieces)).findtext("myinfo/user_name") == "<b>&]]></b>"


@pytest.mark.promise("other-10", "security-29")
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_spreadsheet_is_given_no_formula_when_that_is_asked_for(text: str) -> None:
    made = snapshot({1: watched(1, comments=text, title=text)}, None)

    for spreadsheet in (False, True):
        content = b"".join(csv_export.encode(made, ANIME, spreadsheet=spreadsheet)).decode()
        (row,) = csv.DictReader(io.StringIO(content, newline=""))
        assert row["title"] == row["comments"] == (f"'{text}" if spreadsheet else text)


@pytest.mark.promise("other-11")
def test_both_media_are_one_code_path() -> None:
    """What differs between them is in one table: outside of it, no module of the core names a field of one alone."""
    alone = {field.name for medium in MEDIA.values() for field in medium.fields} - set.intersection(
        *({field.name for field in medium.fields} for medium in MEDIA.values())
    )
    for path in [
        *(ROOT / "malsync").glob("model/*.py"),
        *(ROOT / "malsync").glob("planning/*.py"),
        *(ROOT / "malsync").glob("operations/*.py"),
    ]:
        if path.name in {"medium.py", "anilist.py"}:
            continue
        source = path.read_text(encoding="utf-8")
        code = ast.unparse(ast.parse(source))
        assert not {field for field in alone if re.search(rf"'{field}'", code)}, path.name


# -- settings and secrets


@pytest.mark.promise("other-4")
def test_settings_that_are_nested_without_end_are_refused_in_words(offline: Malsync) -> None:
    offline.home.mkdir()
    (offline.home / "config.toml").write_text(f"token_store = {'[' * 5000}")

    assert "cannot be read" in offline.error("snapshots", exit_code=2)["message"]


class _Far(requests.adapters.BaseAdapter):
    """The network beyond this machine, as a session of requests sees it: it hears, and answers with a user."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:  # type: ignore[override]
        self.heard.append(request)
        answer = requests.Response()
        answer.status_code = 200
        answer.raw = urllib3.HTTPResponse(io.BytesIO(b'{"id": 1, "name": "mika"}'), preload_content=False)
        return answer

    def close(self) -> None:
        pass


@pytest.mark.promise("other-5")
def test_a_login_of_netrc_never_goes_out_in_place_of_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.example.org login somebody password of-another-service\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    far = _Far()
    with Client.signed_in("the-token", api_url="https://api.example.org/v2", clock=TestTime().clock()) as client:
        client.transport._session().mount("https://", far)
        client.me()

    assert [request.headers["Authorization"] for request in far.heard] == ["Bearer the-token"]


@pytest.mark.promise("other-6")
def test_a_pair_that_another_malsync_has_refreshed_is_taken_as_it_is(malsync: Malsync, box: Sandbox) -> None:
    """Refreshing it once more would end the pair that the other one is using."""
    sign_in(malsync, box)
    clock = malsync.time.clock()
    endpoint = TokenEndpoint(box.auth_url, box.client_id, "", clock, "test")
    store = FileStore(malsync.home)
    ours, theirs = (StoredToken(store, "default", origin_of(box.api_url), endpoint, clock) for _ in range(2))
    refused = ours.headers()
    assert theirs.renew(refused)

    assert ours.renew(refused)

    assert ours.headers() == theirs.headers() != refused
    assert grants(box) == ["refresh_token"]
