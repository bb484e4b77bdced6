"""Everything that a command does, from Python: no click, no stdout, no terminal."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from malsync import ANIME, MANGA, AuthError, Environment, Filters, Home, Policy, Refused, UsageError
from malsync.operations.run import Result
from tests.support.farside import Sandbox
from tests.support.harness import TestTime, clean_environment
from tests.support.writing import absent, ids

pytestmark = [pytest.mark.writes, pytest.mark.comments]

USER = "sandbox_mika"


@pytest.fixture
def home(box: Sandbox, tmp_path: Path, time: TestTime) -> Any:
    with Home.open(tmp_path / "home", environment=Environment(box.environment, time.clock(), lambda: 1.0)) as home:
        yield home


def harm(box: Sandbox) -> list[int]:
    """An accident: three anime are removed, and a manga loses its score and comment. Returns the ids of the anime."""
    lost = ids(box)[:3]
    for id in lost:
        box.remove(USER, "anime", id)
    box.edit(USER, "manga", ids(box, "manga")[0], score=1, comments="")
    return lost


def test_an_accident_and_its_repair_from_python_alone(
    home: Home, box: Sandbox, time: TestTime, capfd: pytest.CaptureFixture[str]
) -> None:
    account = home.account()
    before = box.entries(USER, "anime"), box.entries(USER, "manga")
    backup = account.backup(note="before the clean-up")
    assert (backup.info.number, backup.suspicion, backup.before) == (1, (), None)
    lost = harm(box)
    time.moment += timedelta(hours=1)

    changes = home.diff("latest", "live")
    assert {(change.op, change.medium.name, change.id) for change in changes} == {
        *(("remove", "anime", id) for id in lost),
        ("update", "manga", ids(box, "manga")[0]),
    }

    prepared = account.prepare_restore("good", mode="exact")
    assert (prepared.plan.counts, prepared.refusals) == ({"add": 3, "update": 1, "remove": 0}, ())
    assert box.counts.get("PATCH", 0) == 0
    rehearsal = prepared.rehearse()
    assert (rehearsal.result.equal, rehearsal.requests["PATCH"], box.counts.get("PATCH", 0)) == (True, 4, 0)
    written: list[tuple[int, str]] = []
    result = prepared.execute(on_write=lambda entry, number: written.append((number, entry.state)))

    assert written == [(number, "done") for number in (1, 2, 3, 4)]
    assert (result.equal, result.outcomes["done"], box.counts["PATCH"]) == (True, 4, 4)
    assert home.diff("good", "live") == []
    for medium, entries in zip(("anime", "manga"), before, strict=True):
        now = box.entries(USER, medium)
        assert {id: {**entry, "updated_at": ""} for id, entry in now.items()} == {
            id: {**entry, "updated_at": ""} for id, entry in entries.items()
        }

    assert [version.list_status is None for version in home.history(ANIME, lost[0])] == [False, True, False]

    undone = account.undo(result.run).execute()
    assert (undone.equal, sorted(box.entries(USER, "anime").keys() & set(lost))) == (True, [])
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_revert_keeps_what_was_done_since(home: Home, box: Sandbox, time: TestTime) -> None:
    account = home.account()
    account.backup()
    harm(box)
    time.moment += timedelta(hours=1)
    account.backup()
    kept = ids(box)[5]
    box.edit(USER, "anime", kept, score=10)

    result = account.prepare_revert("latest~1", "latest").execute()

    assert (result.outcomes["done"], result.left) == (4, ())
    assert box.entries(USER, "anime")[kept]["score"] == 10


def test_a_plan_file_is_written_and_applied(home: Home, box: Sandbox, tmp_path: Path) -> None:
    account = home.account()
    account.backup()
    harm(box)
    path = tmp_path / "plan.json"

    account.prepare_restore("good", filters=Filters(only="anime")).write_plan(path)
    result = account.prepare_apply(path).execute()

    assert (result.outcomes["done"], result.plan.counts["add"]) == (3, 3)
    assert box.entries(USER, "manga")[ids(box, "manga")[0]]["score"] == 1


def test_what_a_guard_refuses_is_data_and_execute_raises_it(home: Home, box: Sandbox) -> None:
    account = home.account()
    for id in list(box.entries(USER, "manga")):
        box.remove(USER, "manga", id)
    account.backup()
    box.add(USER, "manga", absent(box, "manga"), status="reading")

    prepared = account.prepare_restore("latest", mode="exact")

    assert len(prepared.refusals) >= 1
    assert "malsync " not in str(prepared.refusals[0])
    with pytest.raises(Refused):
        prepared.execute()
    assert box.counts.get("DELETE", 0) == 0
    forced = account.prepare_restore("latest", mode="exact", force=True, max_deletes=1)
    assert (forced.refusals, forced.execute().equal) == ((), True)
    assert box.entries(USER, "manga") == {}


def test_a_list_that_is_equal_already_makes_no_run(home: Home, box: Sandbox) -> None:
    account = home.account()
    account.backup()

    result = account.prepare_restore("latest").execute()

    assert (result.run, result.equal, home.snapshots()[-1].number) == (None, True, 1)
    assert set(box.counts) == {"GET"}


def test_an_interrupted_run_is_resumed(home: Home, box: Sandbox) -> None:
    account = home.account()
    account.backup()
    harm(box)

    def stop(_entry: object, number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    from malsync import Interrupted

    with pytest.raises(Interrupted, match=r"2 of 4 writes are settled") as stopped:
        account.prepare_restore("good").execute(on_write=stop)
    assert (stopped.value.facts["run"], "malsync" in stopped.value.hint) == (1, False)
    resumed: Result = account.resume().execute()

    assert (resumed.run, resumed.equal, box.counts["PATCH"]) == (1, True, 4)


def test_snapshots_are_verified_pruned_exported_and_imported(
    home: Home, box: Sandbox, time: TestTime, tmp_path: Path
) -> None:
    account = home.account()
    manga = ids(box, "manga")[0]
    for score in (1, 2, 3):
        box.edit(USER, "manga", manga, score=score)
        time.moment += timedelta(days=1)
        account.backup()
    path = tmp_path / "list.json.gz"
    home.export("1", path)

    pruned = home.prune(Policy(last=1))
    imported = home.import_files(path)

    assert pruned.removed == [1, 2]
    assert (imported.is_new, imported.changes["update"], imported.info.source) == (True, 1, "import")
    snapshot = home.snapshot(str(imported.info.number))
    assert snapshot.entries(MANGA)[manga].list_status["score"] == 1


def test_arguments_that_make_no_sense_are_refused(home: Home, box: Sandbox) -> None:
    account = home.account()
    account.backup()
    wrong: list[Any] = [
        lambda: account.prepare_restore("latest", mode="everything"),
        lambda: account.prepare_migrate("latest", prefer="mine"),
        lambda: account.prepare_restore("latest", max_deletes=-1),
        lambda: Filters(only="books"),
        lambda: Filters(ids=["anime:1"]),
        lambda: account.prepare_restore("latest", filters=Filters(fields=["mood"])),
        lambda: home.import_files(),
        lambda: home.prune(Policy()),
    ]

    for call in wrong:
        with pytest.raises(UsageError):
            call()
    assert [info.number for info in home.snapshots()] == [1]


def test_filters_take_any_collection(home: Home, box: Sandbox) -> None:
    account = home.account()
    account.backup()
    lost = harm(box)

    prepared = account.prepare_restore("latest", filters=Filters(ids=[("anime", lost[0])]))

    assert [call.id for call in prepared.plan.calls] == [lost[0]]


def test_errors_say_what_happened_and_name_no_command(tmp_path: Path, box: Sandbox) -> None:
    nowhere = Environment({name: text for name, text in box.environment.items() if name != "MALSYNC_ACCESS_TOKEN"})
    with Home.open(tmp_path / "home", environment=nowhere) as home:
        with pytest.raises(AuthError) as refused:
            home.account().backup()
        with pytest.raises(UsageError) as missing:
            home.snapshot("latest")

    for error in (refused.value, missing.value):
        assert not {"malsync", "--"} & set(f"{error.message} {error.hint}".split())


def test_the_library_imports_no_part_of_the_command_line(box: Sandbox, tmp_path: Path) -> None:
    source = (
        "import sys\n"
        "from malsync import Environment, Home\n"
        f"with Home.open({str(tmp_path)!r}, environment=Environment({box.environment!r})) as home:\n"
        "    print(home.account().backup().info.number, home.account().prepare_restore('latest').plan.calls)\n"
        "print([name for name in sys.modules if name.startswith('malsync.cli')], 'rich' in sys.modules)\n"
    )

    printed = subprocess.check_output([sys.executable, "-c", source], text=True, env=clean_environment())

    assert printed.splitlines() == ["1 ()", "[] False"]
