"""The JSON Schemas of `schemas/`, and what is wrong with a document, in words.

Those of the API's answers are the components of `schemas/openapi.json`: `openapi#/components/schemas/AnimeTitle`.
"""

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


def schema_folder() -> Path:
    """Where the schemas are: inside the package when it is installed, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


def find_problem(schema: str, document: Any) -> Problem | None:
    """What is wrong with `document` by the schema of that name (`NAME`, or `NAME#/way/to/a/part`); None when it is valid.

    Where one of several forms would do, it is what keeps `document` from the form that it comes nearest to.
    """
    validator = _validator(schema)
    if validator.is_valid(document):
        return None
    error = _deepest(next(iter(validator.iter_errors(document))))
    message = error.message if len(error.message) < 200 else error.message[:200] + "..."
    return Problem(tuple(error.instance_path), message)


def _deepest(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    context = getattr(error.kind, "context", None)
    if not context:
        return error
    inner = [_deepest(form[0]) for form in context if form]
    return max([error, *inner], key=lambda one: len(one.instance_path))


@cache
def _registry() -> jsonschema_rs.Registry:
    documents = ((path.name, orjson.loads(path.read_bytes())) for path in sorted(schema_folder().glob("*.json")))
    return jsonschema_rs.Registry([(_BASE + name, document) for name, document in documents])


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    name, mark, part = schema.partition("#")
    return jsonschema_rs.Draft202012Validator({"$ref": f"{_BASE}{name}.json{mark}{part}"}, registry=_registry())
