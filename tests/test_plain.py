"""Text that MAL shows HTML-encoded: decoded exactly, and taken for encoded only where the list itself shows it."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.diff import diff
from malsync.medium import ANIME, MANGA
from malsync.plain import decode, encode, is_bare, is_encoded, is_what_was_sent, plain_sql, same_text
from malsync.plan import plan
from malsync.revert import revert
from malsync.snapshot import PLAIN, Snapshot
from tests.lists import snapshot, watched

texts = st.text(st.sampled_from("&<>\"'\r\n abr/;#039xlt") | st.characters(exclude_categories=["Cs"]), max_size=30)
NOT_ENCODED = ("a < b", "b > a", 'say "x"', "it's", "AT&T", "R&D;", "&unheardof;", "two\nlines", "&amp; but 'bare'")
ENCODED = (
    "a &lt; b",
    "AT&amp;T",
    "it&#039;s",
    "&quot;x&quot;",
    "two<br />\nlines",
    "two<br />\r\nlines",
    "caf&eacute;",
)
EITHER = ("", "plain words", "100%", "[b]bold[/b]", "x = y; #3")


def with_comments(*comments: str, user_is: str = "mika") -> Snapshot:
    return snapshot({id: watched(1, comments=text) for id, text in enumerate(comments, 1)}, {})


@given(texts)
def test_what_mal_encodes_is_decoded_to_the_letter(text: str) -> None:
    assert decode(encode(text)) == text
    assert not is_bare(encode(text))


@given(texts)
def test_sql_decodes_what_mal_encodes(text: str) -> None:
    if "\0" in text:
        return  # SQLite's text functions end at it
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(f"SELECT {plain_sql('?')}", (encode(text),)).fetchone()[0] == text


@pytest.mark.parametrize(
    ("shown", "plain"),
    [
        ("caf&eacute; &#233; &#xe9;", "café é é"),
        ("&amp;eacute; &amp;amp;", "&eacute; &amp;"),
        ("&nosuch; &#0; &#xD800; &#1114112;", "&nosuch; &#0; &#xD800; &#1114112;"),
        ("a<br />b", "a\nb"),
        ("a<br />\r\nb<br />\rc", "a\r\nb\rc"),
    ],
)
def test_entities_are_decoded_once(shown: str, plain: str) -> None:
    assert decode(shown) == plain


@pytest.mark.parametrize("bare", NOT_ENCODED)
def test_one_bare_sign_shows_that_a_list_is_not_encoded(bare: str) -> None:
    assert not is_encoded([*ENCODED, *EITHER, bare])


@pytest.mark.parametrize("shown", ENCODED)
def test_an_entity_without_a_bare_sign_shows_that_a_list_is_encoded(shown: str) -> None:
    assert is_encoded([*EITHER, shown])
    assert not is_encoded(EITHER)


def test_what_malsync_wrote_settles_a_list_of_entities() -> None:
    assert not is_encoded(["&amp;"], written=[("&amp;", "&amp;")])
    assert is_encoded(["&amp;"], written=[("&", "&amp;")])
    assert is_encoded(["&amp;", "&lt;"], written=[("&amp;", "&amp;"), ("<", "&lt;")])
    assert is_encoded(["&amp;"], written=[("no sign in it", "no sign in it")])
    assert not is_encoded(["&amp;", "<"], written=[("&", "&amp;")])


def test_either_form_of_what_was_sent_counts_as_that_text() -> None:
    assert is_what_was_sent("a & b\nc", "a &amp; b<br />\r\nc")
    assert is_what_was_sent(["a & b"], ["a &amp; b"])
    assert is_what_was_sent("&amp;", "&amp;")
    assert not is_what_was_sent("a & b", "a &amp;amp; b")
    assert not is_what_was_sent(["a"], ["a", "b"])


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_line_endings_are_no_difference(ends: str) -> None:
    assert same_text(f"a{ends}b{ends}", "a\nb\n")
    assert not same_text(f"a{ends}b", "ab")
    one, other = with_comments("it's\nso"), with_comments(f"it's{ends}so")
    assert diff(one, other) == []
    assert plan(other, one, "exact").calls == ()


@pytest.mark.parametrize("comments", [("a & b", "<i>", "x"), ("&amp; typed", "it's"), ("tags", "two\nlines")])
def test_a_list_of_which_only_the_encoding_changed_shows_no_change(comments: tuple[str, ...]) -> None:
    raw, encoded = with_comments(*comments), with_comments(*map(encode, comments))

    assert raw.digest != encoded.digest
    for one, other in ((raw, encoded), (encoded, raw)):
        assert diff(one, other) == []
        assert plan(one, other, "exact").calls == ()
        assert revert(one, other, other).calls == ()


def test_each_field_of_each_list_is_judged_by_itself() -> None:
    anime = {1: watched(1, comments="a &amp; b", tags=["it's"]), 2: watched(1, tags=["&lt;"])}
    made = snapshot(
        anime, {1: {"status": "reading", "comments": 'he said "x"'}, 2: {"status": "reading", "comments": "&lt;"}}
    )

    assert made.encoded == {"anime": ("comments",), "manga": ()}
    assert made.plain.list_status(ANIME, 1) == watched(1, comments="a & b", tags=["it's"])
    assert made.plain.list_status(MANGA, 2) == {"status": "reading", "comments": "&lt;"}


def test_encoded_tags_are_decoded_one_by_one() -> None:
    made = snapshot({1: watched(1, tags=["R&amp;D", "x"]), 2: watched(1, tags=["y"])}, {})
    plain = snapshot({1: watched(1, tags=["R&D", "x"]), 2: watched(1, tags=["y"])}, {})

    assert diff(made, plain) == []
    (call,) = plan(made, with_comments("x", "y")).calls[:1]
    assert call.fields["tags"] == ([], ["R&D", "x"])


def test_what_is_sent_is_the_plain_text() -> None:
    good, live = with_comments("a &amp; b", "it&#039;s"), with_comments("vandal", "it&#039;s")

    (call,) = plan(good, live).calls

    assert call.fields == {"comments": ("vandal", "a & b")}


def test_a_list_that_lost_its_only_bare_comment_is_read_as_before() -> None:
    """A vandal overwrote the comment that showed that nothing is encoded; the other one is still as it was typed."""
    good, live = with_comments('"typed"', "&amp; typed"), with_comments("vandal", "&amp; typed")

    assert [call.id for call in plan(good, live).calls] == [1]
    assert [change.id for change in diff(good, live)] == [1]
    assert [call.id for call in revert(good, live, live).calls] == [1]


def test_text_from_a_file_is_plain() -> None:
    file = snapshot({1: watched(1, comments="&lt;typed&gt;")}, None, source="import")
    from_xml = Snapshot(
        file.user, file.taken_at, "import", {"anime": ("status", "comments"), "manga": None}, file.lists
    )

    assert Snapshot(**{**vars(file), "encoded_as": PLAIN}).plain.list_status(ANIME, 1) == watched(
        1, comments="&lt;typed&gt;"
    )
    assert from_xml.encoded == {}
    assert file.encoded == {"anime": ("comments",), "manga": ()}  # a backup that was imported is as MAL showed it
