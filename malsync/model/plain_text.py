"""Text as the user wrote it: MAL returns comments as `nl2br(htmlspecialchars(text))` and stores what it is sent as is.

Sources: axiel7/MoeList#372, anibridge/anibridge#264, erengy/taiga (DecodeHtmlEntities); docs/limits.md. A snapshot keeps what
was received. Everything that compares, plans, sends, shows, searches or exports works on the decoded text, and whether a list
was encoded is decided by the list itself.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from html.entities import html5

from malsync.model.medium import Field, Json, Kind, ListStatus, Medium

TEXTS = frozenset({Kind.TEXT, Kind.TAGS})
"""The kinds of fields that hold text and may come encoded."""
_BREAK = r"\r\n|\n\r|\n|\r"
_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]*);"
_ENCODED = re.compile(rf"<br />(?:{_BREAK})?|{_ENTITY}")
_BARE = re.compile(rf"[<>\"'&]|{_BREAK}")
_ANY_BREAK = re.compile(_BREAK)
# In this order: `&` last, or `&amp;lt;` would become `<`.
_IN_SQL = (
    *((f"'<br />' || {ends}", ends) for ends in ("char(13, 10)", "char(10, 13)", "char(10)", "char(13)")),
    ("'<br />'", "char(10)"),
    *((f"'{entity}'", "char(39)") for entity in ("&#039;", "&#39;", "&#x27;", "&apos;")),
    *((f"'&{name};'", f"'{sign}'") for name, sign in (("quot", '"'), ("gt", ">"), ("lt", "<"), ("amp", "&"))),
)
_SPECIAL = frozenset("&<>\"'\r\n")


def text_fields(medium: Medium) -> tuple[Field, ...]:
    """The fields of `medium` that hold text."""
    return tuple(field for field in medium.fields if field.kind in TEXTS)


def encode(text: str) -> str:
    """`text` as MAL returns it: PHP's `htmlspecialchars` with both quotes, then `nl2br`."""
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#039;")):
        text = text.replace(sign, entity)
    return _ANY_BREAK.sub(lambda found: f"<br />{found[0]}", text)


def decode(text: str) -> str:
    """The text that `encode` was given, in one pass. Entities that no HTML names stay as they are."""
    return text if _SPECIAL.isdisjoint(text) else _ENCODED.sub(_meaning, text)


def _meaning(found: re.Match[str]) -> str:
    token = found[0]
    if token.startswith("<"):
        return token.removeprefix("<br />") or "\n"
    if not token.startswith("&#"):
        return html5.get(token[1:], token)
    number = int(token[3:-1], 16) if token[2] in "xX" else int(token[2:-1])
    is_character = 0 < number < 0x110000 and not 0xD800 <= number < 0xE000
    return chr(number) if is_character else token


def plain_sql(column: str) -> str:
    """SQL that decodes the text in `column` as `decode` does, of the entities that `htmlspecialchars` knows."""
    for pair in _IN_SQL:
        column = f"replace({column}, {pair[0]}, {pair[1]})"
    return column


def is_bare(text: str) -> bool:
    """Whether `text` cannot be what MAL encoded: a sign or a line break in it stands as it was typed."""
    if _SPECIAL.isdisjoint(text):
        return False
    return _BARE.search(_ENCODED.sub(lambda found: found[0] if _meaning(found) == found[0] else "", text)) is not None


def is_encoded(texts: Iterable[str], written: Iterable[tuple[str, str]] = ()) -> bool:
    """Whether a list whose texts are `texts` was encoded.

    One bare sign anywhere says that it was not; without one, any entity or `<br />` says that it was. Entities alone may be
    what the user typed, so `written`, pairs of what malsync sent and what the list shows for it, settles that case. A list with
    neither is the same in both forms.
    """
    special = [text for text in texts if not _SPECIAL.isdisjoint(text)]
    if not special or any(map(is_bare, special)):
        return False
    as_sent = [wrote == shown for wrote, shown in written if encode(wrote) != wrote]
    return not as_sent or not all(as_sent)


def is_what_was_sent(wrote: Json, shown: Json) -> bool:
    """Whether `shown` is `wrote` in either form: texts, or lists of texts."""
    return same_text(wrote, shown) or same_text(wrote, plain_value(shown))


def same_text(a: Json, b: Json) -> bool:
    """Whether two texts or lists of texts are equal but for their line endings, which browsers and servers change."""
    if isinstance(a, str) and isinstance(b, str):
        return a == b or _ANY_BREAK.sub("\n", a) == _ANY_BREAK.sub("\n", b)
    return isinstance(a, list) and isinstance(b, list) and len(a) == len(b) and all(map(same_text, a, b))


def plain_value(value: Json) -> Json:
    """A field's value decoded; what is neither a text nor a list stays as it is."""
    if isinstance(value, list):
        return [plain_value(part) for part in value]
    return decode(value) if isinstance(value, str) else value


def plain_status(list_status: ListStatus, encoded: Collection[str]) -> ListStatus:
    """`list_status` with the fields named in `encoded` decoded; itself where that changes nothing."""
    found = {name: plain_value(list_status[name]) for name in encoded if list_status.get(name)}
    return {**list_status, **found} if any(list_status[name] != text for name, text in found.items()) else list_status


def plain_answer(medium: Medium, answer: ListStatus, expected: ListStatus, encoded: Collection[str]) -> ListStatus:
    """One entry as MAL answered, decoded. One entry alone cannot show whether it is encoded: a text that is the `expected` one
    in either form is that text, and others are taken as the list that the entry is on, whose `encoded` fields these are."""
    found = dict(plain_status(answer, encoded))
    for field in text_fields(medium):
        if is_what_was_sent(expected.get(field.name), answer.get(field.name)):
            found[field.name] = expected[field.name]
    return found


def texts_of(value: Json) -> Iterator[str]:
    """The texts that a field's value holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (part for part in value if isinstance(part, str))
