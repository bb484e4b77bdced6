"""Hostile bytes for everything that reads what others wrote: a short look at what `./run fuzz` does at length.

Whatever the bytes, there is an answer or a sentence for the user, and what was stored stays as it was.
"""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from malsync.errors import UsageError
from tests.support import fuzz_ground
from tests.support.effort import effort
from tests.support.fuzz import at_random, varied
from tests.support.fuzz_ground import Reader
from tests.support.fuzz_readers import READERS

pytestmark = pytest.mark.promise("reading-16")

quick = settings(
    max_examples=effort(40, nightly=1000),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module", autouse=True)
def _scratch() -> Iterator[None]:
    with fuzz_ground.scratch():
        yield


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_some_seeds_are_taken_and_no_bytes_near_them_are_a_defect(reader: Reader) -> None:
    taken = [reader(content) for content in reader.seeds()]

    assert any(taken), "nothing that it takes is tried"
    assert at_random(reader, len(taken) + 100, seed=20261101) >= sum(taken)


@pytest.mark.promise("other-1", "security-27", "security-32")
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
@quick
@given(st.data())
def test_no_bytes_at_all_are_a_defect(reader: Reader, data: st.DataObject) -> None:
    content = data.draw(st.binary(max_size=200) | st.sampled_from(_seeds(reader)))
    seed = data.draw(st.integers(0, 2**32))

    # Either raises whatever is a defect.
    reader(content)
    reader(varied(content, Random(seed)))


_SEEDS: dict[str, list[bytes]] = {}


def _seeds(reader: Reader) -> list[bytes]:
    if reader.name not in _SEEDS:
        _SEEDS[reader.name] = reader.seeds()
    return _SEEDS[reader.name]


_FOUND = {
    "a date of a year that no calendar has": ("doctor: API", b"\0Wed, 21 Oct " + b"20" * 30 + b" 07:28:00 GMT\n{}"),
    "a body that is not packed as it says": ("doctor: API", b"\0z\n{}"),
    "a body where there must be none": ("doctor: API", b"\x07\n{}"),
    "half of a character in a sandbox's state": (
        "sandbox state",
        b'{"titles": {"anime": [{"id": 1, "title": "\\ud800"}]}}',
    ),
    "a user whose name is no text": ("mirror: rows", b'{"mal_user": {"mal_id": null, "name": {"blob": "41"}}}'),
    "a version that ends at a text": ("mirror: rows", b'{"anime_version": {"until": "x"}}'),
}


@pytest.mark.promise("other-1")
@pytest.mark.parametrize("found", _FOUND)
def test_what_was_a_defect_once_is_none_any_more(found: str) -> None:
    name, content = _FOUND[found]
    (reader,) = (one for one in READERS if one.name == name)

    # It raises whatever is a defect.
    reader(content)


def test_a_defect_is_found_and_a_sentence_is_none() -> None:
    def reads(content: bytes) -> None:
        if b"!" in content:
            raise KeyError(content)
        raise UsageError("These are no bytes.", "Take others.")

    assert at_random(Reader("a good one", lambda content: len(content), lambda: [b"[1, 2]"]), 20) == 20
    assert at_random(Reader("a sentence", reads, lambda: [b"abc"]), 1) == 0
    with pytest.raises(AssertionError, match="KeyError"):
        at_random(Reader("a defect", reads, lambda: [b"a!"]), 20)


def test_an_error_without_a_word_is_a_defect() -> None:
    def says_nothing(_content: bytes) -> None:
        raise UsageError(" ")

    with pytest.raises(AssertionError, match="a mute one"):
        at_random(Reader("a mute one", says_nothing, lambda: [b"a"]), 1)
