"""schemas/openapi.json, its operations and the reference's, typed again by hand."""

from typing import Any

import orjson

from malsync.schemas import schema_folder

DOCUMENT: dict[str, Any] = orjson.loads((schema_folder() / "openapi.json").read_bytes())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
# MAL's reference, its 18 endpoints; PUT stands in its samples only.
REFERENCE = {
    ("get", "/anime"): "client",
    ("get", "/anime/{anime_id}"): "client",
    ("get", "/anime/ranking"): "client",
    ("get", "/anime/season/{year}/{season}"): "client",
    ("get", "/anime/suggestions"): "user",
    ("patch", "/anime/{anime_id}/my_list_status"): "user",
    ("delete", "/anime/{anime_id}/my_list_status"): "user",
    ("get", "/users/{user_name}/animelist"): "client",
    ("get", "/forum/boards"): "client",
    ("get", "/forum/topic/{topic_id}"): "client",
    ("get", "/forum/topics"): "client",
    ("get", "/manga"): "client",
    ("get", "/manga/{manga_id}"): "client",
    ("get", "/manga/ranking"): "client",
    ("patch", "/manga/{manga_id}/my_list_status"): "user",
    ("delete", "/manga/{manga_id}/my_list_status"): "user",
    ("get", "/users/{user_name}/mangalist"): "client",
    ("get", "/users/@me"): "user",
}


def resolved(part: Any) -> Any:
    """A part of the document, or what it refers to."""
    while isinstance(part, dict) and "$ref" in part:
        found: Any = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        part = found
    return part


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation by its method and path."""
    return {
        (method, path): one
        for path, item in DOCUMENT["paths"].items()
        for method, one in item.items()
        if method in METHODS
    }
