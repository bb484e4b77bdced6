"""Pictures that the sandbox draws itself: a cover for every title, an avatar for every member of the forum."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from html import escape
from typing import Any

from malsync.sandbox.catalogue import Title
from malsync.sandbox.chance import Chance
from malsync.sandbox.media import Medium

SVG_TYPE = "image/svg+xml"
SIZES = {"medium": (225, 318), "large": (425, 600)}
AVATAR = (100, 100)

_NAME = re.compile(r"(\d{1,9})(?:-(\d))?(l?)")
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sizes(medium: Medium, title: Title, origin: str, number: int = 1) -> dict[str, str] | None:
    """The addresses of one of a title's pictures; None for a title that has none. Some have no large one.

    MAL leaves `main_picture` out where there is none (FuzzyGrim/Yamtrack mock_data).
    """
    if title.get("picture") == "none":
        return None
    stem = f"{origin}/images/{medium.name}/{title['id']}" + (f"-{number}" if number > 1 else "")
    found = {"medium": f"{stem}.svg", "large": f"{stem}l.svg"}
    return {"medium": found["medium"]} if title.get("picture") == "medium" else found


def main_picture(medium: Medium, title: Title, origin: str) -> Any:
    """A title's first picture, or the one that was given for it."""
    return title["main_picture"] if "main_picture" in title else sizes(medium, title, origin)


def avatar(id: int, origin: str) -> str:
    return f"{origin}/images/users/{id}.svg"


def parsed_name(name: str) -> tuple[int, int, str] | None:
    """A file's name as an id, a number and a size; None where it is none of ours."""
    found = _NAME.fullmatch(name)
    return found and (int(found[1]), int(found[2] or 1), "large" if found[3] else "medium")


def cover(medium: str, id: int, number: int, text: str, size: tuple[int, int]) -> str:
    """A cover: two colours that follow from the id, a big letter, and the title."""
    width, height = size
    wide = any(letter >= "\u2e80" for letter in text)
    lines = textwrap.wrap(text, 11 if wide else 16)[:6] or [""]
    step = width // 11
    top = height - step * (len(lines) + 1)
    spans = "".join(
        f'<tspan x="{step}" y="{top + step * at}">{_safe(line)}</tspan>' for at, line in enumerate(lines, 1)
    )
    sign = f'<text x="50%" y="45%" font-size="{width // 2}" text-anchor="middle" opacity=".35">{_safe(text[:1])}</text>'
    name = f'<text font-size="{step * 4 // 5}">{spans}</text>'
    return _drawn(Chance(medium, id), number, text, size, [sign, name])


def portrait(id: int, text: str) -> str:
    """An avatar: two colours that follow from the id, and a letter."""
    sign = f'<text x="50%" y="68%" font-size="52" text-anchor="middle">{_safe(text[:1].upper())}</text>'
    return _drawn(Chance("users", id), 1, text, AVATAR, [sign])


def _drawn(chance: Chance, number: int, text: str, size: tuple[int, int], parts: Sequence[str]) -> str:
    width, height = size
    hue = chance.number(f"hue {number}", 0, 359)
    other = (hue + chance.number("second hue", 30, 120)) % 360
    stops = f'<stop stop-color="hsl({hue} 45% 42%)"/><stop offset="1" stop-color="hsl({other} 50% 24%)"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
        f'<title>{_safe(text)}</title><linearGradient id="g" x2="1" y2="1">{stops}</linearGradient>'
        f'<rect width="100%" height="100%" fill="url(#g)"/><g fill="#fff" font-family="sans-serif" font-weight="600">'
        f"{''.join(parts)}</g></svg>\n"
    )


def _safe(text: str) -> str:
    """Text that may stand in XML, whatever somebody called a title."""
    return escape(_UNPRINTABLE.sub("", text))
