"""Who stands between malsync and the sandbox, notes what each says, and holds it against schemas/openapi.json.

openapi-core would do most of it, and holds the validator of the document back to an older release. But OpenAPI lets a request
carry any parameter beside those of the document, and a parameter by a wrong name is what must be found here. What is left is
little, over jsonschema-rs.
"""

import base64
import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema_rs
import orjson
import requests

from malsync.schemas import schema_folder
from tests.support.servers import FarSide, Heard, Reply

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
FORM = "application/x-www-form-urlencoded"
_FORWARDED = ("authorization", "x-mal-client-id", "content-type", "user-agent", "accept")
_RETURNED = ("Content-Type", "WWW-Authenticate", "Retry-After", "Location")


@dataclass(frozen=True)
class Exchange:
    """A request and its answer. Names of headers are in lower case; `target` is the path and the query as they were sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    form: str
    status: int
    answer_headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.target} -> {self.status}"


class Contract:
    """The document. `strict`: an answer may bring no member that the document does not name."""

    def __init__(self, document: Mapping[str, Any], *, strict: bool = False) -> None:
        self.document: dict[str, Any] = copy.deepcopy(dict(document))
        if strict:
            for schema in _objects(self.document["components"]["schemas"]):
                schema["additionalProperties"] = False
        self.operations: dict[str, tuple[str, str, dict[str, Any]]] = {
            operation["operationId"]: (method, path, operation)
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        }
        self._validators: dict[bytes, jsonschema_rs.Draft202012Validator] = {}

    @classmethod
    def shipped(cls, *, strict: bool = False) -> "Contract":
        """That of schemas/openapi.json."""
        return cls(orjson.loads((schema_folder() / "openapi.json").read_bytes()), strict=strict)

    def operation_of(self, exchange: Exchange) -> str | None:
        """Which operation a request was meant for, by its method and path; None for none of them."""
        target = urlsplit(exchange.target).path
        found = [
            (path.count("{"), name)
            for name, (method, path, _) in self.operations.items()
            if method == exchange.method.lower() and re.fullmatch(self._home(path) + _pattern(path), target)
        ]
        return min(found)[1] if found else None

    def complaints(self, exchange: Exchange) -> list[str]:
        """What is wrong with an exchange, in sentences; none where both sides keep to the document."""
        name = self.operation_of(exchange)
        if name is None:
            return [f"{exchange}: there is no such operation"]
        said = [*self.of_request(name, exchange), *self.of_answer(name, exchange)]
        return [f"{exchange}: {sentence}" for sentence in said]

    def _home(self, path: str) -> str:
        """Where the server of a path has it; at which host does not matter here."""
        (server,) = self.document["paths"][path].get("servers", self.document["servers"])
        return str(urlsplit(server["url"]).path)

    # -- the request

    def of_request(self, name: str, exchange: Exchange) -> Iterator[str]:
        """What is wrong with a request: its path, its query, who asks, its form."""
        _, path, operation = self.operations[name]
        known = [self._resolved(one) for one in operation.get("parameters", ())]
        yield from self._of_path(path, known, exchange)
        yield from self._of_query(known, exchange)
        if not any(all(self._shown(scheme, exchange) for scheme in way) for way in operation["security"]):
            yield f"security: none of {[list(way) for way in operation['security']]} was sent"
        yield from self._of_form(operation.get("requestBody"), exchange)

    def _of_path(self, path: str, known: list[dict[str, Any]], exchange: Exchange) -> Iterator[str]:
        found = re.search(_pattern(path) + "$", urlsplit(exchange.target).path)
        for parameter in known:
            if parameter["in"] == "path" and found:
                text = unquote(found[parameter["name"]])
                yield from self._of_text(f"path: {parameter['name']}", text, parameter["schema"])

    def _of_query(self, known: list[dict[str, Any]], exchange: Exchange) -> Iterator[str]:
        allowed = {parameter["name"]: parameter for parameter in known if parameter["in"] == "query"}
        sent = parse_qsl(urlsplit(exchange.target).query, keep_blank_values=True)
        names = [name for name, _ in sent]
        yield from (f"query: {name} is not known" for name in names if name not in allowed)
        yield from (f"query: {name} is there twice" for name in set(names) if names.count(name) > 1)
        yield from (
            f"query: {name} is missing" for name, one in allowed.items() if one.get("required") and name not in names
        )
        for name, text in sent:
            if name in allowed:
                yield from self._of_text(f"query: {name}", text, allowed[name]["schema"])

    def _of_form(self, expected: Any, exchange: Exchange) -> Iterator[str]:
        if expected is None:
            if exchange.form:
                yield "form: there is one"
            return
        if exchange.headers.get("content-type", "").partition(";")[0] != FORM:
            yield f"form: the content type is {exchange.headers.get('content-type')}"
            return
        sent = parse_qsl(exchange.form, keep_blank_values=True)
        if len(dict(sent)) < len(sent):
            yield "form: a field is there twice"
        schema = self._resolved(expected["content"][FORM]["schema"])
        fields = schema.get("properties", {})
        read = {name: self._read(text, fields.get(name, {})) for name, text in sent}
        yield from (f"form: {sentence}" for sentence in self._of_value(read, schema))

    def _shown(self, scheme: str, exchange: Exchange) -> bool:
        how = self.document["components"]["securitySchemes"][scheme]
        said = exchange.headers.get("authorization", "")
        if how["type"] == "apiKey":
            return bool(exchange.headers.get(how["name"].lower()))
        if how["type"] == "oauth2":
            return re.fullmatch(r"Bearer \S+", said) is not None
        return said.startswith("Basic ") and b":" in base64.b64decode(said[6:])

    def _of_text(self, place: str, text: str, schema: Any) -> Iterator[str]:
        yield from (f"{place}: {sentence}" for sentence in self._of_value(self._read(text, schema), schema))

    def _read(self, text: str, schema: Any) -> Any:
        """A text of a query or a form as the value that it stands for. What is none of its type stays a text, and is wrong."""
        kind = self._resolved(schema).get("type")
        if kind == "boolean":
            return {"true": True, "false": False}.get(text, text)
        return int(text) if kind == "integer" and re.fullmatch(r"-?\d+", text, re.ASCII) else text

    # -- the answer

    def of_answer(self, name: str, exchange: Exchange) -> Iterator[str]:
        """What is wrong with an answer: its status, its headers, its type, its content."""
        responses = self.operations[name][2]["responses"]
        response = self._resolved(responses.get(str(exchange.status)) or responses.get(f"{exchange.status // 100}XX"))
        if response is None:
            yield f"status: {exchange.status} is not documented"
            return
        for header, how in response.get("headers", {}).items():
            if how.get("required") and header.lower() not in exchange.answer_headers:
                yield f"header: {header} is missing"
        if not exchange.body:
            if not response.get("x-may-be-empty"):
                yield "content: there is none"
            return
        kind = exchange.answer_headers.get("content-type", "").partition(";")[0]
        if kind not in response["content"]:
            yield f"content: {kind or 'no type'} is not documented for {exchange.status}"
        elif kind == "application/json":
            try:
                document = orjson.loads(exchange.body)
            except orjson.JSONDecodeError as error:
                yield f"content: no JSON, {error}"
            else:
                schema = response["content"][kind]["schema"]
                yield from (f"content: {sentence}" for sentence in self._of_value(document, schema))

    # -- both

    def _resolved(self, part: Any) -> Any:
        while isinstance(part, dict) and "$ref" in part:
            _, kind, name = part["$ref"].removeprefix("#/").split("/")
            part = self.document["components"][kind][name]
        return part

    def _of_value(self, value: Any, schema: Any) -> Iterator[str]:
        key = orjson.dumps(schema)
        if key not in self._validators:
            whole = {**schema, "components": self.document["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        for error in self._validators[key].iter_errors(value):
            yield f"{'.'.join(map(str, error.instance_path)) or 'the whole'}: {error.message[:200]}"


@cache
def _pattern(path: str) -> str:
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))


def _objects(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema of an object with named members."""
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict) and "object" in part.get("type", ()):
            yield part
        for inner in part.values():
            yield from _objects(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _objects(inner)


class Witness(FarSide):
    """A far side that hands every request on to the server at `origin`, its answer back, and keeps both.

    Addresses in an answer become its own, as at any reverse proxy: else the next page would be asked for behind its back.
    """

    def __init__(self, origin: str) -> None:
        super().__init__(self._passed_on)
        self.exchanges: list[Exchange] = []
        self._behind = origin
        self._session = requests.Session()
        self._session.trust_env = False

    @property
    def auth_url(self) -> str:
        return f"{self.origin}/v1/oauth2"

    def _passed_on(self, heard: Heard) -> Reply:
        headers = {name: heard.headers[name] for name in _FORWARDED if name in heard.headers}
        answer = self._session.request(
            heard.method,
            self._behind + heard.target,
            headers={"Accept-Encoding": "identity", **headers},
            data=heard.body.encode() or None,
            allow_redirects=False,
        )
        body = answer.content
        for before, after in ((self._behind, self.origin), (_escaped(self._behind), _escaped(self.origin))):
            body = body.replace(before.encode(), after.encode())
        self.exchanges.append(
            Exchange(
                heard.method,
                heard.target,
                heard.headers,
                heard.body,
                answer.status_code,
                {name.lower(): text for name, text in answer.headers.items()},
                body,
            )
        )
        returned = {name: answer.headers[name] for name in _RETURNED if name in answer.headers}
        return Reply(body, answer.status_code, returned)


def _escaped(url: str) -> str:
    return url.replace("/", r"\/")
