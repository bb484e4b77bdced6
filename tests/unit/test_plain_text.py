"""Text that MAL shows HTML-encoded: decoded exactly, and taken for encoded only where the list itself shows it."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.model.diff import diff
from malsync.model.medium import ANIME, MANGA, MEDIA, Medium
from malsync.model.plain_text import (
    decode,
    encode,
    is_bare,
    is_encoded,
    is_what_was_sent,
    plain_answer,
    plain_sql,
    plain_status,
    same_text,
    text_fields,
)
from malsync.model.snapshot import PLAIN, Snapshot, User, plain_together, same_person
from malsync.planning.restore_plan import plan
from malsync.planning.revert_plan import revert
from tests.support.lists import MIKA, ORIGIN, THEO, snapshot, watched

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
        ("&#1; &#xD7FF; &#xE000; &#x10FFFF; &#X27;", "\x01 \ud7ff \ue000 \U0010ffff '"),
        ("&#xDFFF; &#x110000;", "&#xDFFF; &#x110000;"),
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


def test_lists_of_texts_are_compared_part_by_part() -> None:
    assert same_text(["a\n", "b"], ["a\r\n", "b"])
    assert not same_text(["a", "b"], ["a", "c"])
    assert not same_text(["a", "b"], ["b", "a"])
    assert not same_text(["a", "b"], ["a"])
    for other in ("ab", {"a": 1, "b": 2}, None):
        assert not same_text(["a", "b"], other)
        assert not same_text(other, ["a", "b"])
    assert not same_text(5, 5)  # neither is a text


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


@pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)
def test_text_fields_are_tags_and_comments(medium: Medium) -> None:
    assert {field.name for field in text_fields(medium)} == {"tags", "comments"}


def test_only_the_fields_that_are_encoded_are_decoded() -> None:
    status = watched(1, comments="a &amp; b", tags=["c &amp; d"])

    assert plain_status(status, ("comments",)) == watched(1, comments="a & b", tags=["c &amp; d"])
    assert plain_status(status, ("tags",)) == watched(1, comments="a &amp; b", tags=["c & d"])


@pytest.mark.parametrize("status", [watched(1, comments="plain"), watched(1, comments="", tags=None), watched(1)])
def test_an_entry_that_decoding_does_not_change_stays_the_same_object(status: dict[str, object]) -> None:
    assert plain_status(status, ("comments", "tags")) is status


@pytest.mark.parametrize("encoded", [(), ("comments",)])
def test_an_answer_that_shows_the_expected_text_in_either_form_is_that_text(encoded: tuple[str, ...]) -> None:
    for shown in ("a &amp;amp; b", "a &amp; b"):
        answer = watched(1, comments=shown, tags=["x"])
        assert plain_answer(ANIME, answer, {"comments": "a &amp; b"}, encoded)["comments"] == "a &amp; b"


@pytest.mark.parametrize(("encoded", "plain"), [((), "other &amp; text"), (("comments",), "other & text")])
def test_an_answer_with_another_text_is_read_as_its_list_is(encoded: tuple[str, ...], plain: str) -> None:
    answer = watched(1, comments="other &amp; text")

    assert plain_answer(ANIME, answer, {"comments": "sent"}, encoded) == watched(1, comments=plain)
    assert answer == watched(1, comments="other &amp; text")


# -- what a second list and what malsync wrote say of the encoding


def test_two_lists_are_read_alike_in_either_order() -> None:
    """One of them alone shows that nothing is encoded."""
    good, live = with_comments('"typed"', "&amp; typed"), with_comments("vandal", "&amp; typed")

    for pair in ((good, live), (live, good)):
        assert [one.list_status(ANIME, 2) for one in plain_together(*pair)] == [watched(1, comments="&amp; typed")] * 2


def test_a_list_that_shares_no_entity_says_nothing_of_another_one() -> None:
    """The bare sign is in another text: MAL may have changed how it shows comments in between."""
    raw, encoded = with_comments('"typed"', "a & b", "same"), with_comments("vandal", "a &amp; b", "same")

    assert encoded.judged_like(raw) is encoded
    assert encoded.judged_like(raw).plain.list_status(ANIME, 2) == watched(1, comments="a & b")


def test_a_text_under_another_title_says_nothing_of_the_encoding() -> None:
    raw, encoded = with_comments("&amp; typed", "it's"), with_comments("vandal", "&amp; typed")

    assert encoded.judged_like(raw) is encoded


def test_only_the_field_that_the_other_list_shows_not_to_be_encoded_is_plain() -> None:
    stays = watched(1, comments="&amp; typed", tags=["R&amp;D"])
    raw = snapshot({1: stays, 2: watched(1, comments="it's")}, {1: {"status": "reading", "comments": "&lt;"}})
    live = snapshot({1: stays, 2: watched(1, comments="vandal")}, {1: {"status": "reading", "comments": "&lt;"}})

    judged = live.judged_like(raw)

    assert judged.encoded == {"anime": ["tags"], "manga": ["comments"]}
    assert judged.plain.list_status(ANIME, 1) == watched(1, comments="&amp; typed", tags=["R&D"])
    assert judged.plain.list_status(MANGA, 1) == {"status": "reading", "comments": "<"}


@pytest.mark.parametrize("covers", [{"anime": ("status", "comments"), "manga": None}])
def test_a_list_from_a_file_says_nothing_of_how_mal_shows_text(covers: dict[str, tuple[str, ...] | None]) -> None:
    live = with_comments("vandal", "&amp; typed")
    same = with_comments("it's", "&amp; typed")
    file = snapshot({2: watched(1, comments="&amp; typed")}, None, source="import", covers=covers)

    assert live.judged_like(file) is live
    assert file.judged_like(live) is file
    assert live.judged_like(same.plain) is live
    assert live.judged_like(same) is not live


def written(live: Snapshot, sent: str, answered: str | None, id: int = 1) -> Snapshot:
    """`live` after malsync wrote the comment `sent` into an entry of it."""
    return replace(live, written={("anime", id): {"comments": (sent, answered)}})


def test_what_malsync_wrote_shows_whether_a_list_is_encoded() -> None:
    live = with_comments("&amp; typed", "&lt;b&gt;")

    assert live.plain.list_status(ANIME, 2) == watched(1, comments="<b>")
    assert written(live, "&amp; typed", None).encoded == {"anime": (), "manga": ()}
    assert written(live, "&amp; typed", "&amp; typed").plain.list_status(ANIME, 2) == watched(1, comments="&lt;b&gt;")
    assert written(live, "& typed", "&amp; typed").plain.list_status(ANIME, 2) == watched(1, comments="<b>")


def test_what_malsync_wrote_says_nothing_once_it_was_changed_or_is_gone() -> None:
    live = with_comments("&amp; typed", "&lt;b&gt;")

    for sent, answered, id in (("&amp; typed", "other", 1), ("&amp; other", None, 1), ("&amp; typed", None, 3)):
        assert written(live, sent, answered, id).encoded == {"anime": ("comments",), "manga": ()}


def test_what_malsync_wrote_is_that_text_however_the_list_is_shown() -> None:
    """The list is not encoded, and yet MAL shows this text so."""
    live = with_comments("a &amp; b", "it's")

    plain = written(live, "a & b", "a &amp; b").plain

    assert plain.list_status(ANIME, 1) == watched(1, comments="a & b")
    assert plain.list_status(ANIME, 2) is live.list_status(ANIME, 2)
    assert plain.plain is plain


# -- whose list it is


@pytest.mark.parametrize(
    ("user", "covers", "encoded"),
    [
        (MIKA, {"anime": ("comments", "updated_at"), "manga": None}, True),
        (MIKA, {"anime": ("comments",), "manga": None}, False),
        (User(ORIGIN, None, "yuki"), {"anime": ("comments", "updated_at"), "manga": None}, True),
        (User(ORIGIN, None, ""), {"anime": ("comments", "updated_at"), "manga": None}, False),
        (User(ORIGIN, 11, ""), {"anime": ("comments", "updated_at"), "manga": None}, True),
    ],
)
def test_an_imported_list_is_encoded_where_it_was_read_from_mal(
    user: User, covers: dict[str, tuple[str, ...] | None], encoded: bool
) -> None:
    made = snapshot({1: watched(1, comments="&amp;")}, None, source="import", user=user, covers=covers)

    assert bool(made.encoded) == encoded
    assert made.plain.list_status(ANIME, 1) == watched(1, comments="&" if encoded else "&amp;")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (MIKA, User(ORIGIN, 11, "renamed"), True),
        (MIKA, THEO, False),
        (MIKA, User("https://other.example.org", 11, "mika"), False),
        (MIKA, User(ORIGIN, None, "Mika"), True),
        (MIKA, User(ORIGIN, None, "theo"), False),
        (MIKA, User("https://other.example.org", None, "mika"), False),
        (User(ORIGIN, None, "YUKI"), User(ORIGIN, None, "yuki"), True),
        (MIKA, User(ORIGIN, None, ""), True),
        (MIKA, User(ORIGIN, 12, "mika"), False),
    ],
)
def test_two_users_are_one_by_id_and_by_name_where_one_has_no_id(a: User, b: User, same: bool) -> None:
    assert same_person(a, b) == same
    assert same_person(b, a) == same
