"""The addresses under /images: a cover for every title, an avatar for members of the forum. The sandbox draws them itself."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from hashlib import blake2b
from html import escape
from typing import Any

from malsync.sandbox.catalogue import Catalogue, Title
from malsync.sandbox.errors import not_found
from malsync.sandbox.exchange import Answer, Call
from malsync.sandbox.forum import members
from malsync.sandbox.media import MEDIA, Medium

SIZES = {"": (225, 318), "l": (425, 600)}
AVATAR = (100, 100)

_NAME = re.compile(r"(\d{1,9})(?:-(\d))?(l?)")
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEADERS = {
    "Cache-Control": "max-age=3600",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


def picture(medium: Medium, title: Title, origin: str, number: int = 1) -> dict[str, str] | None:
    """Return the addresses of a title's picture by size; None if the title has none. Some titles have no large one.

    MAL leaves `main_picture` out if there is none (FuzzyGrim/Yamtrack mock_data).
    """
    if title.get("picture") == "none":
        return None
    stem = f"{origin}/images/{medium.name}/{title['id']}" + (f"-{number}" if number > 1 else "")
    sizes = {"medium": f"{stem}.svg", "large": f"{stem}l.svg"}
    return {"medium": sizes["medium"]} if title.get("picture") == "medium" else sizes


def main_picture(medium: Medium, title: Title, origin: str) -> Any:
    """Return a title's first picture, or the one that a state gives it."""
    return title["main_picture"] if "main_picture" in title else picture(medium, title, origin)


class Gallery:
    """Draws pictures on request. They need no credentials, like those of MAL's own picture servers."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def show(self, call: Call) -> Answer:
        """GET /images/{kind}/{name}.svg. Raises Refusal 404 if no such picture exists."""
        kind, name = call.where["kind"], _NAME.fullmatch(call.where["name"])
        if name is None or (kind != "users" and kind not in MEDIA):
            raise not_found()
        id, number, size = int(name[1]), int(name[2] or 1), name[3]
        drawing = _avatar(id) if kind == "users" else self._cover(kind, id, number, SIZES[size])
        return Answer(body=drawing.encode(), content_type="image/svg+xml", headers=_HEADERS)

    def _cover(self, medium: str, id: int, number: int, size: tuple[int, int]) -> str:
        """A cover: two colours, a big letter and the title."""
        title = self._catalogue.get(medium, id)
        if title is None or title.get("picture") == "none":
            raise not_found()
        width, height = size
        text = str(title["title"])
        wide = any(letter >= "\u2e80" for letter in text)
        lines = textwrap.wrap(text, 11 if wide else 16)[:6] or [""]
        step = width // 11
        top = height - step * (len(lines) + 1)
        spans = "".join(
            f'<tspan x="{step}" y="{top + step * at}">{_safe(line)}</tspan>' for at, line in enumerate(lines, 1)
        )
        letter = f'<text x="50%" y="45%" font-size="{width // 2}" text-anchor="middle" opacity=".35">{_safe(text[:1])}</text>'
        return _drawn(
            f"{medium}/{id}", number, text, size, [letter, f'<text font-size="{step * 4 // 5}">{spans}</text>']
        )


def _avatar(id: int) -> str:
    """An avatar: two colours and the first letter of the name."""
    for member in members().values():
        if member["id"] == id and member["avatar"]:
            letter = (
                f'<text x="50%" y="68%" font-size="52" text-anchor="middle">{_safe(member["name"][0].upper())}</text>'
            )
            return _drawn(f"users/{id}", 1, member["name"], AVATAR, [letter])
    raise not_found()


def _drawn(subject: str, number: int, text: str, size: tuple[int, int], parts: Sequence[str]) -> str:
    """Return an SVG whose colours follow from its subject and number."""
    width, height = size
    hue = _pick(f"{subject}/hue {number}", 360)
    second = (hue + 30 + _pick(f"{subject}/second hue", 91)) % 360
    stops = f'<stop stop-color="hsl({hue} 45% 42%)"/><stop offset="1" stop-color="hsl({second} 50% 24%)"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
        f'<title>{_safe(text)}</title><linearGradient id="g" x2="1" y2="1">{stops}</linearGradient>'
        f'<rect width="100%" height="100%" fill="url(#g)"/><g fill="#fff" font-family="sans-serif" font-weight="600">'
        f"{''.join(parts)}</g></svg>\n"
    )


def _pick(key: str, below: int) -> int:
    """Return a number from 0 to `below` - 1 that depends on the key alone."""
    return int.from_bytes(blake2b(key.encode(), digest_size=4).digest(), "big") * below >> 32


def _safe(text: str) -> str:
    """Return text that may stand in XML."""
    return escape(_UNPRINTABLE.sub("", text))
