"""The file of the entries that an import left out: a document of schemas/left-out-1.json."""

from typing import Any

import orjson

from malsync.formats.header import FileFormat
from malsync.model.anilist import LeftOut, Taken
from malsync.model.timestamps import timestamp

FORMAT = FileFormat("left-out", version=1, advice="name a report of an import", hint="Import the list again.")


def report(taken: Taken) -> bytes:
    """The file of what was left out: a document of schemas/left-out-1.json."""
    document = {
        "format": FORMAT.name,
        "version": FORMAT.version,
        "from": taken.snapshot.note,
        "taken_at": timestamp(taken.snapshot.taken_at),
        "left_out": [entry_document(one) | {"list_status": one.list_status} for one in taken.left_out],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def entry_document(one: LeftOut) -> dict[str, Any]:
    """What `import --json` says of an entry that was left out."""
    return {"medium": one.medium.name, "anilist_id": one.anilist_id, "title": one.title, "why": one.why}
