"""Check documents against the JSON Schemas of `schemas/`, and explain in one line what is wrong.

jsonschema-rs decides, since it checks an answer or a snapshot of 20,000 entries in milliseconds; jsonschema explains, and is
imported only when there is something to explain. Schemas of the API's answers are the components of `schemas/openapi.json`:
`openapi#/components/schemas/AnimeTitle`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_BASE = "https://malsync.invalid/schemas/"
"""Where relative references between the schemas lead. Nothing is fetched: all of them are in the registry."""
_LONGEST_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """The first fault of a document: the path of member names and list indexes to it, and a message of one line."""

    path: tuple[str | int, ...]
    message: str


def schema_folder() -> Path:
    """Return the folder of the schemas: inside the package when it is installed, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


def find_problem(schema: str, document: Any) -> Problem | None:
    """Return the first fault of `document` by the schema `NAME`, or `NAME#/path/to/a/part`; None when it is valid.

    Where the schema has alternatives (anyOf), it is the fault that keeps `document` from the closest one.
    """
    validator = _validator(schema)
    if validator.is_valid(document):
        return None
    error = next(iter(validator.iter_errors(document)))
    path = tuple(error.instance_path)
    return _explain(schema, document, path) or Problem(path, _shortened(error.message))


def _explain(schema: str, document: Any, path: tuple[str | int, ...]) -> Problem | None:
    """Explain the fault at `path` with jsonschema. Returns None in the case that it finds no fault there."""
    from jsonschema.exceptions import best_match

    part, inner = _narrow(document, path)
    error = next((error for error in _explainer(schema).iter_errors(part) if tuple(error.absolute_path) == inner), None)
    if error is None:
        return None
    best = best_match([error])
    return Problem((*path, *list(best.absolute_path)[len(inner) :]), _shortened(best.message))


def _narrow(document: Any, path: tuple[str | int, ...]) -> tuple[Any, tuple[str | int, ...]]:
    """Return `document` with only those list items that are on `path`, and that path through it.

    jsonschema takes seconds for a whole list, so it gets the entry that has the fault.
    """
    if not path:
        return document, ()
    step = path[0]
    item, inner = _narrow(document[step], path[1:])
    if isinstance(document, list):
        return [item], (0, *inner)
    others = {name: [] if isinstance(value, list) else value for name, value in document.items()}
    return {**others, step: item}, (step, *inner)


def _shortened(message: str) -> str:
    return message if len(message) < _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "..."


@cache
def _documents() -> Mapping[str, Any]:
    """The schemas, by their URI."""
    return {_BASE + path.name: orjson.loads(path.read_bytes()) for path in sorted(schema_folder().glob("*.json"))}


@cache
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(list(_documents().items()))


def _reference(schema: str) -> dict[str, str]:
    name, mark, part = schema.partition("#")
    return {"$ref": f"{_BASE}{name}.json{mark}{part}"}


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_reference(schema), registry=_registry())


@cache
def _explainer(schema: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    resources = ((uri, DRAFT202012.create_resource(document)) for uri, document in _documents().items())
    return Draft202012Validator(_reference(schema), registry=Registry().with_resources(resources))
