"""`import --repair`: what XML forbids goes, each place is named, and everything else stays as it was."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.formats.mal_xml.repair import Repair, mend
from malsync.model.medium import ANIME
from tests.support.harness import ROOT, Malsync
from tests.support.mal_files import decode

INVALID = ROOT / "fixtures" / "xml" / "invalid"
ENTRY = (
    "<myanimelist><anime><series_animedb_id>21</series_animedb_id><my_status>Watching</my_status>"
    "<my_comments>{}</my_comments></anime></myanimelist>"
)


@pytest.mark.parametrize(
    ("name", "repairs", "comments"),
    [
        ("control-byte.xml", [(35, "took away U+0013")], "left  behind"),
        ("not-utf-8.xml", [(35, "took away byte 0xE9, which is no UTF-8")], "caf"),
        ("character-that-does-not-exist.xml", [(35, "took away &#1;")], "caf"),
    ],
)
def test_what_was_stripped_is_said_and_the_rest_is_imported(
    offline: Malsync, name: str, repairs: list[tuple[int, str]], comments: str
) -> None:
    path = INVALID / name

    document = offline.json("import", "--repair", path)

    assert document["repairs"] == [{"file": str(path), "line": line, "what": what} for line, what in repairs]
    assert document["counts"] == {"anime": 1, "manga": None}
    (entry,) = offline.json("show", "1")["entries"]
    assert entry["list_status"]["comments"] == comments
    said = offline.ok("import", "--repair", path).stderr
    assert [f"{path}, line {line}: {what}." for line, what in repairs] == said.splitlines()


@pytest.mark.parametrize(
    ("name", "title", "what"),
    [
        ("bare-ampersand.xml", "Fish & Chips", ["wrote a bare & as &amp;"]),
        (
            "entity-of-html.xml",
            "Café\xa0noir",
            ["wrote &eacute; as the character that it means", "wrote &nbsp; as the character that it means"],
        ),
    ],
)
def test_what_has_a_meaning_is_written_and_not_taken_away(
    offline: Malsync, name: str, title: str, what: list[str]
) -> None:
    document = offline.json("import", "--repair", INVALID / name)

    assert [repair["what"] for repair in document["repairs"]] == what
    assert offline.json("show", "1")["entries"][0]["title"] == title


def test_a_file_that_needs_no_repair_is_taken_as_it_is(offline: Malsync) -> None:
    path = INVALID.parent / "valid" / "anime-1.1.0.xml"

    repaired = offline.json("import", "--repair", path)

    assert repaired["repairs"] == []
    assert offline.json("import", path)["snapshot"] == repaired["snapshot"]


def test_many_repairs_are_told_in_part_and_all_of_them_as_json(offline: Malsync, tmp_path: Path) -> None:
    path = tmp_path / "list.xml"
    path.write_text(ENTRY.format("\n".join(["\x01"] * 50)))

    assert len(offline.json("import", "--repair", path)["repairs"]) == 50
    said = offline.ok("import", "--repair", path).stderr.splitlines()
    assert said[0] == f"{path}, line 1: took away U+0001."
    assert said[20] == f"{path}: and 30 more of the kind."
    assert len(said) == 22
    assert said[21].startswith("Not in the import, so left as it is: anime: score, ")


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("&lt;&gt;&amp;&quot;&apos;&#65;&#x41;", "&lt;&gt;&amp;&quot;&apos;&#65;&#x41;", []),
        ("<![CDATA[& &nbsp; &#1;]]> &", "<![CDATA[& &nbsp; &#1;]]> &amp;", ["wrote a bare & as &amp;"]),
        ("<!-- & -->", "<!-- & -->", []),
        ("&#xFFFF;&#xD800;&#99999999;", "", ["took away &#xFFFF;", "took away &#xD800;", "took away &#99999999;"]),
        ("&nosuch;", "&amp;nosuch;", ["wrote a bare & as &amp;"]),
        (
            "&lang;&ltcc;",
            "⟨⪦",
            ["wrote &lang; as the character that it means", "wrote &ltcc; as the character that it means"],
        ),
        ("\ufffe\uffff\x0b", "", ["took away U+FFFE", "took away U+FFFF", "took away U+000B"]),
        ("\t\r\n\x85\u2028🐉", "\t\r\n\x85\u2028🐉", []),
    ],
)
def test_only_what_xml_forbids_is_touched(before: str, after: str, what: list[str]) -> None:
    mended, repairs = mend(before.encode())

    assert mended.decode() == after
    assert [repair.what for repair in repairs] == what


def test_lines_are_those_of_the_file() -> None:
    _, repairs = mend(b"\x01one\ntwo \x02\n\n& four\x03")

    assert repairs == (
        Repair(1, "took away U+0001"),
        Repair(2, "took away U+0002"),
        Repair(4, "took away U+0003"),
        Repair(4, "wrote a bare & as &amp;"),
    )


def test_a_file_in_another_encoding_is_left_alone() -> None:
    content = b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9 \x01 &</a>'

    assert mend(content) == (content, ())


@given(st.binary(max_size=60))
def test_any_bytes_in_a_comment_can_be_mended(noise: bytes) -> None:
    content = ENTRY.encode().replace(b"{}", b"<![CDATA[" + noise.replace(b"]]>", b"") + b" ]]>")

    mended, repairs = mend(content)

    assert decode(mended).snapshot.entries(ANIME).keys() == {21}
    assert mend(mended) == (mended, ())
    assert (mended == content) is (repairs == ())
