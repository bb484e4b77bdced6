"""The addresses under /images: pictures of titles and of the members of the forum."""

from __future__ import annotations

from malsync.sandbox import covers
from malsync.sandbox.catalogue import Catalogue
from malsync.sandbox.errors import not_found
from malsync.sandbox.exchange import Answer, Call
from malsync.sandbox.media import MEDIA
from malsync.sandbox.topics import members


class Gallery:
    """Pictures drawn when they are asked for. They need no credentials, as those of MAL's own picture servers."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def show(self, call: Call) -> Answer:
        """GET /images/{kind}/{name}.svg. Raises Refusal 404 for a picture of nothing."""
        kind = call.where["kind"]
        if (named := covers.parsed_name(call.where["name"])) is None or (kind != "users" and kind not in MEDIA):
            raise not_found()
        id, number, size = named
        if kind == "users":
            return _drawn(covers.portrait(id, _named(id)))
        title = self._catalogue.get(kind, id)
        if title is None or title.get("picture") == "none":
            raise not_found()
        return _drawn(covers.cover(kind, id, number, str(title["title"]), covers.SIZES[size]))


def _named(id: int) -> str:
    """The member of the forum who has an avatar of that id. Raises Refusal 404 where there is none."""
    for member in members().values():
        if member.id == id and member.avatar:
            return member.name
    raise not_found()


def _drawn(picture: str) -> Answer:
    return Answer(
        body=picture.encode(),
        content_type=covers.SVG_TYPE,
        headers={
            "Cache-Control": "max-age=3600",
            "Content-Security-Policy": "default-src 'none'",
            "X-Content-Type-Options": "nosniff",
        },
    )
