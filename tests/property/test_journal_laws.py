"""Every planned write comes back from the journal as it was."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.mirror import FILE_NAME, Journal, Mirror
from malsync.model.medium import MEDIA
from malsync.planning.journal_entry import CALL_STATES, OUTCOMES
from malsync.planning.restore_plan import PlannedWrite
from tests.support.journals import BEFORE, another_reader, at, fill
from tests.support.lists import MIKA
from tests.support.strategies import exact, ids, json_values, list_statuses, texts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fill(tmp_path / FILE_NAME)


@pytest.fixture
def mirror(path: Path) -> Iterator[Mirror]:
    with Mirror.open(path, write=True, wait=0) as opened:
        yield opened


@pytest.fixture
def journal(mirror: Mirror) -> Journal:
    return mirror.journal


# -- a run from its beginning to its end


@given(st.data())
def test_every_call_comes_back_exactly_whatever_lists_and_people_hold(draw: st.DataObject) -> None:
    medium = draw.draw(st.sampled_from(list(MEDIA.values())))
    statuses = list_statuses(medium, misfits=True)
    pairs = st.dictionaries(st.sampled_from(medium.names), st.tuples(json_values, json_values))
    calls = draw.draw(
        st.lists(
            st.builds(
                PlannedWrite,
                st.sampled_from(["add", "update", "remove"]),
                st.just(medium),
                ids,
                texts,
                pairs,
                st.none() | statuses,
            ),
            min_size=1,
            max_size=len(CALL_STATES),
        )
    )
    head = draw.draw(st.dictionaries(texts, json_values))
    answers = [draw.draw(st.none() | statuses) for _ in calls]
    whys = [draw.draw(texts) for _ in calls]
    codes = [draw.draw(st.none() | st.integers(100, 599)) for _ in calls]
    with tempfile.TemporaryDirectory() as folder:
        path = fill(Path(folder) / FILE_NAME)
        with Mirror.open(path, write=True) as mirror:
            run = mirror.journal.begin(MIKA, "ä b", "revert", head, calls, before=BEFORE, now=at(0))
            for seq, state in enumerate(CALL_STATES[: len(calls)], 1):
                if state in ("sent", "done"):
                    mirror.journal.sent(run.number, seq, at(1))
                if state not in ("planned", "sent"):
                    mirror.journal.answered(
                        run.number,
                        seq,
                        state,
                        now=at(2),
                        tries=seq,
                        http=codes[seq - 1],
                        answer=answers[seq - 1],
                        why=whys[seq - 1],
                    )
        with another_reader(path) as journal:
            lines = journal.lines(run.number)
            assert exact(journal.run(run.number).head) == exact(head)

    assert [line.state for line in lines] == list(CALL_STATES[: len(calls)])
    for line, call in zip(lines, calls, strict=True):
        assert (line.call.op, line.call.key, line.call.title) == (call.op, call.key, call.title)
        assert exact(line.call.expect) == exact(call.expect)
        assert exact(line.call.fields) == exact(call.fields)
        assert list(line.call.fields) == list(call.fields)
        assert line.sent_at == (at(1) if line.state in ("sent", "done") else None)
        if line.state in OUTCOMES:
            told = line.tries, line.http, line.why, exact(line.answer)
            place = line.seq - 1
            assert told == (line.seq, codes[place], whys[place], exact(answers[place]))
