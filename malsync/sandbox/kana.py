"""Romanised titles in katakana, for the `ja` of alternative titles: spelt by rule, so rarely what stands on the cover."""

from __future__ import annotations

import re
from unicodedata import normalize

_ROWS = {
    "": "アイウエオ", "k": "カキクケコ", "g": "ガギグゲゴ", "s": "サシスセソ", "z": "ザジズゼゾ", "t": "タチツテト",
    "d": "ダヂヅデド", "n": "ナニヌネノ", "h": "ハヒフヘホ", "b": "バビブベボ", "p": "パピプペポ", "m": "マミムメモ",
    "r": "ラリルレロ", "l": "ラリルレロ",
}  # fmt: skip
_SYLLABLES = {start + vowel: kana for start, row in _ROWS.items() for vowel, kana in zip("aiueo", row, strict=True)}
_SYLLABLES |= {
    "ya": "ヤ", "yu": "ユ", "yo": "ヨ", "wa": "ワ", "wo": "ヲ", "n": "ン", "shi": "シ", "chi": "チ", "tsu": "ツ", "ji": "ジ",
    "fu": "フ", "fa": "ファ", "fi": "フィ", "fe": "フェ", "fo": "フォ", "v": "ヴ", "she": "シェ", "che": "チェ", "je": "ジェ",
}  # fmt: skip
for _start, _kana in {
    "ky": "キ", "gy": "ギ", "sh": "シ", "j": "ジ", "ch": "チ", "ny": "ニ", "hy": "ヒ", "by": "ビ", "py": "ピ", "my": "ミ",
    "ry": "リ",
}.items():  # fmt: skip
    _SYLLABLES |= {_start + vowel: _kana + small for vowel, small in zip("auo", "ャュョ", strict=True)}

_SYLLABLE = "|".join(sorted(_SYLLABLES, key=len, reverse=True)) + r"|([kstpcgdbz])(?=\1|ch)"
_PIECE = re.compile(_SYLLABLE)
_ROMAJI = re.compile(f"({_SYLLABLE.replace('1', '2')})+")
_WORD = re.compile(r"[^\W\d_]+")


def katakana(title: str) -> str:
    """`title` with every word that is made of Japanese syllables in katakana; the others stay as they are."""
    return _WORD.sub(_spelt, title)


def _spelt(word: re.Match[str]) -> str:
    plain = "".join(letter for letter in normalize("NFKD", word[0].casefold()) if not "\u0300" <= letter <= "\u036f")
    if not _ROMAJI.fullmatch(plain):
        return word[0]
    return _PIECE.sub(lambda piece: "ッ" if piece[1] else _SYLLABLES[piece[0]], plain)
