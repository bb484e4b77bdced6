"""The plan file: what is written is read back as it was, and nothing else that pretends to be a plan is believed."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsync.errors import UsageError
from malsync.formats import plan_file
from malsync.formats.plan_file import PlanFile
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot, User
from malsync.planning.restore_plan import MODES, Mode, Plan, plan
from malsync.planning.revert_plan import revert
from malsync.planning.writable import why_not_writable
from malsync.schemas import find_problem
from tests.support import strategies
from tests.support.lists import MIKA, snapshot, watched

DESCRIBED = {"reference": "good", "snapshot": 12, "user": "mika"}


def made(of: Plan, mode: str = "merge", user: User = MIKA) -> PlanFile:
    """The file of a plan."""
    return PlanFile("default", user, mode, DESCRIBED, DESCRIBED | {"reference": "live", "snapshot": None}, of)


def a_plan() -> Plan:
    """One call of each kind, and something that is left."""
    wanted = snapshot(
        {1: watched(3, score=7, updated_at="2020-01-01T00:00:00+00:00"), 2: watched(1, tags=["a,b"]), 3: watched(2)},
        {5: {"status": "reading", "num_chapters_read": 4}},
    )
    live = snapshot({1: watched(2, score=7, mood="unknown"), 3: watched(2), 4: watched(9)}, {})
    return plan(wanted, live, "exact")


def written(file: PlanFile, folder: Path, name: str = "plan.json") -> bytes:
    """The bytes of a file."""
    plan_file.write(folder / name, file)
    return (folder / name).read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for every example."""
    return tmp_path_factory.mktemp("plans")


# -- there and back


odd = strategies.snapshots(misfits=True)
odd_pairs = odd.flatmap(lambda a: st.tuples(st.just(a), strategies.evolved(a, misfits=True) | odd))


def _comes_back(file: PlanFile, folder: Path) -> None:
    content = written(file, folder)

    document = orjson.loads(content)
    found = plan_file.read(folder / "plan.json")

    assert find_problem("plan-1", document) is None
    assert found == replace(file, plan=replace(file.plan, already=0))
    assert written(found, folder, "again.json") == content
    assert content.endswith(b"]\n}\n")
    assert b"\r" not in content


@given(odd_pairs, st.sampled_from(MODES), st.booleans(), strategies.texts, strategies.users.filter(lambda one: one.id))
def test_a_plan_comes_back_as_it_was(
    folder: Path, pair: tuple[Snapshot, Snapshot], mode: Mode, round_dates: bool, account: str, user: User
) -> None:
    """Whatever the lists hold: a file that --plan wrote can be applied."""
    file = made(plan(*pair, mode, round_dates=round_dates), mode, user)

    _comes_back(replace(file, account=account), folder)


@given(odd_pairs, st.data(), st.booleans())
def test_a_revert_comes_back_as_it_was(
    folder: Path, pair: tuple[Snapshot, Snapshot], data: st.DataObject, force: bool
) -> None:
    live = data.draw(strategies.evolved(pair[1], misfits=True))

    _comes_back(made(revert(*pair, live, force=force), "revert"), folder)


def test_an_empty_plan_comes_back_too(folder: Path) -> None:
    _comes_back(made(Plan(())), folder)


def test_it_can_be_read_by_a_person(tmp_path: Path) -> None:
    text = written(made(a_plan(), "exact"), tmp_path).decode()

    assert text == (
        "{\n"
        '"format": "malsync-plan",\n'
        '"version": 1,\n'
        '"account": "default",\n'
        '"user": {"id":11,"name":"mika"},\n'
        '"origin": "https://api.example.org",\n'
        '"mode": "exact",\n'
        '"wanted": {"reference":"good","snapshot":12,"user":"mika"},\n'
        '"live": {"reference":"live","snapshot":null,"user":"mika"},\n'
        '"calls": [\n'
        '{"op":"add","medium":"anime","id":2,"title":"Title 2",\n'
        ' "fields":{"status":{"from":null,"to":"watching"},"num_episodes_watched":{"from":null,"to":1}},\n'
        ' "expect":null},\n'
        '{"op":"add","medium":"manga","id":5,"title":"Title 5",\n'
        ' "fields":{"status":{"from":null,"to":"reading"},"num_chapters_read":{"from":null,"to":4}},\n'
        ' "expect":null},\n'
        '{"op":"update","medium":"anime","id":1,"title":"Title 1",\n'
        ' "fields":{"num_episodes_watched":{"from":2,"to":3}},\n'
        ' "expect":{"status":"watching","score":7,"num_episodes_watched":2,"mood":"unknown"}},\n'
        '{"op":"remove","medium":"anime","id":4,"title":"Title 4",\n'
        ' "fields":{"status":{"from":"watching","to":null},"num_episodes_watched":{"from":9,"to":null}},\n'
        ' "expect":{"status":"watching","num_episodes_watched":9}}\n'
        "],\n"
        '"left": [\n'
        '{"medium":"anime","id":2,"title":"Title 2",'
        '"why":"tags: MAL splits tags at commas, so a tag cannot contain one","fields":{"tags":{"from":null,"to":["a,b"]}}}\n'
        "]\n"
        "}\n"
    )


@pytest.mark.promise("security-9")
def test_it_is_its_owners_alone_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("something older")
    path.chmod(0o644)

    plan_file.write(path, made(a_plan()))

    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["plan.json"]
    assert plan_file.read(path).plan.calls == a_plan().calls


def test_where_it_cannot_be_written_nothing_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        plan_file.write(tmp_path / "no such folder" / "plan.json", made(a_plan()))

    assert list(tmp_path.iterdir()) == []


def test_calls_may_be_taken_out_and_put_in_another_order(tmp_path: Path) -> None:
    document = orjson.loads(written(made(a_plan()), tmp_path))
    document["calls"] = document["calls"][2::-1]
    del document["left"]

    found = plan_file.decode(orjson.dumps(document), "edited")

    assert found.plan.calls == a_plan().calls[2::-1]
    assert found.plan.left == ()


def test_a_packed_file_is_a_file_too(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "plan.json.gz"
    path.write_bytes(gzip.compress(written(made(a_plan()), tmp_path)))

    assert plan_file.read(path).plan.calls == a_plan().calls


def test_a_number_that_is_written_otherwise_is_the_same_number() -> None:
    content = b"".join(plan_file._encoded(made(a_plan())))

    found = plan_file.decode(content.replace(b'"id":5,', b'"id":5.0,'), "edited")

    assert [(call.id, type(call.id)) for call in found.plan.calls] == [(call.id, int) for call in a_plan().calls]


# -- a stranger's file


def _places(item: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(item, dict | list):
        parts = item.items() if isinstance(item, dict) else enumerate(item)
        for name, part in parts:
            yield from _places(part, (*path, name))


def _with(document: Any, path: tuple[Any, ...], part: Any) -> Any:
    """`document` with another part at that place; `...` takes it away."""
    if not path:
        return document if part is ... else part
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    if part is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = part
    return document


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        document = document[name]
    return document


DOCUMENT = orjson.loads(b"".join(plan_file._encoded(made(a_plan(), "exact"))))
SOMETHING: st.SearchStrategy[Any] = (
    strategies.json_values
    | st.sampled_from(["anime", "manga", "add", "update", "remove", "score", "status", "tags", "completed", "a,b"])
    | st.sampled_from([0, 1, -1, 2**53, 2**63, 2**64 - 1, 1e300, 1.5, True, None, [""], ["a"], {}, []])
)


@st.composite
def mutants(draw: Any) -> Any:
    """The document of a plan with one to three places that are otherwise: another value, nothing, or a member more."""
    document = copy.deepcopy(DOCUMENT)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        path = draw(st.sampled_from(places))
        was = _at(document, path)
        how = draw(st.sampled_from(["other", "other", "gone", "more", "moved"]))
        if how == "gone":
            part = ...
        elif how == "more" and isinstance(was, dict):
            part = {**was, draw(strategies.texts): draw(SOMETHING)}
        elif how == "moved":
            part = copy.deepcopy(_at(document, draw(st.sampled_from(places))))
        else:
            part = draw(SOMETHING)
        document = _with(document, path, part)
    return document


def _decoded(content: bytes) -> tuple[PlanFile | None, UsageError | None]:
    try:
        return plan_file.decode(content, "a file"), None
    except UsageError as error:
        return None, error


@settings(max_examples=4 * settings().max_examples)
@given(mutants())
def test_whatever_a_file_says_it_is_a_plan_or_refused_in_words(document: Any) -> None:
    found, error = _decoded(orjson.dumps(document))
    if found is None:
        assert error is not None
        assert "a file" in error.message
        assert len(error.message) < 800
        assert error.hint or error.advice
        return
    calls = found.plan.calls
    assert len({call.key for call in calls}) == len(calls)
    for call in calls:
        assert call.medium is MEDIA[call.medium.name]
        assert type(call.id) is int
        assert call.id > 0
        assert (call.expect is None) == (call.op == "add")
        assert "updated_at" not in call.fields
        assert call.fields.keys() <= {field.name for field in call.medium.writable}
        if call.op != "remove":
            assert call.fields
            assert not [name for name, (_, to) in call.fields.items() if why_not_writable(call.medium, name, to)]
    assert plan_file.decode(b"".join(plan_file._encoded(found)), "again") == found


@given(
    st.binary(max_size=200) | st.integers(0, len(orjson.dumps(DOCUMENT)) - 1).map(lambda n: orjson.dumps(DOCUMENT)[:n])
)
def test_bytes_that_are_no_plan_are_refused_in_words(content: bytes) -> None:
    with pytest.raises(UsageError, match="a file"):
        plan_file.decode(content, "a file")


@pytest.mark.promise("security-40")
@pytest.mark.parametrize("depth", [121, 250, 260, 990, 1020])
@pytest.mark.parametrize("opening", ["[", '{"x":'])
@pytest.mark.parametrize(
    "place",
    ['"comments":{"from":"","to":DEEP}', '"score":{"from":DEEP,"to":1}', '"num_episodes_watched":{"from":2,"to":3}'],
)
def test_what_is_nested_without_end_is_refused_in_words(depth: int, opening: str, place: str) -> None:
    text = b"".join(plan_file._encoded(made(a_plan(), "exact"))).decode()
    deep = opening * depth + "1" + {"[": "]", '{"x":': "}"}[opening] * depth
    nested = text.replace('"num_episodes_watched":{"from":2,"to":3}', place).replace('"unknown"', deep)

    with pytest.raises(UsageError, match=r"nested more than|depth limit"):
        plan_file.decode(nested.replace("DEEP", deep).encode(), "a file")


def test_an_entry_as_deep_as_any_list_may_hold_is_believed() -> None:
    deep: Any = 1
    for _ in range(99):
        deep = [deep]
    file = made(plan(snapshot({1: watched(1)}, {}), snapshot({1: watched(2, mood=deep)}, {})))

    assert plan_file.decode(b"".join(plan_file._encoded(file)), "a file") == file
