"""The JSON Schemas of `schemas/`, and what is wrong with a document, in words."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

_BASE = "schema:///"


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong: the way to it through the document, and what it is."""

    path: tuple[str | int, ...]
    message: str


def folder() -> Path:
    """Where the schemas are: inside the package when it is installed, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


def problem(schema: str, document: Any) -> Problem | None:
    """What is wrong with `document` by the schema of that name (`NAME`, or `NAME#/way/to/a/part`); None when it is valid."""
    validator = _validator(schema)
    if validator.is_valid(document):
        return None
    error = next(iter(validator.iter_errors(document)))
    message = error.message if len(error.message) < 200 else error.message[:200] + "..."
    return Problem(tuple(error.instance_path), message)


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    documents = {path.name: orjson.loads(path.read_bytes()) for path in sorted(folder().glob("*.json"))}
    registry = jsonschema_rs.Registry([(_BASE + name, document) for name, document in documents.items()])
    name, mark, part = schema.partition("#")
    return jsonschema_rs.Draft202012Validator({"$ref": f"{_BASE}{name}.json{mark}{part}"}, registry=registry)
