"""schemas/openapi.json against the running sandbox: requests made from the document, right ones and wrong ones, by schemathesis.

Used without its plugin for pytest, which every run of the suite would pay for. No example is random: a run is like the last.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from malsync.sandbox import Sandbox
from tests.support.effort import effort
from tests.support.openapi import DOCUMENT, operations, resolved

pytestmark = pytest.mark.promise("reading-15")

CONFORMS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
bounded = settings(
    max_examples=effort(8, nightly=50),
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# Ids and names of the sandbox, and of each one that it does not have; texts that mean something.
KNOWN: dict[str, list[Any]] = {
    "anime_id": [1, 5114, 999_001, 999_002],
    "manga_id": [2, 33327, 999_002],
    "topic_id": [2_000_001, 2_001_000, 999_002],
    "user_name": ["@me", "sandbox_mika", "sandbox_theo", "sandbox_nobody"],
    "fields": [
        "list_status{priority,comments,tags}",
        "id, title, main_picture, mean, start_season, broadcast, num_episodes, num_chapters, media_type, status, genres",
        "pictures,related_anime{mean},related_manga,recommendations{media_type},statistics,studios,videos,opening_themes",
        "my_list_status{tags},authors{first_name,last_name},serialization,alternative_titles,num_favorites,background",
        "anime_statistics,time_zone,is_supporter,birthday",
    ],
    "q": ["kimi", "fullmetal alchemist"],
}
# A number that is too great is a 400, and the document does not know where that begins.
LIMITS = dict.fromkeys(("offset", "board_id", "subboard_id"), 999_999_999)
# What the sandbox takes to be true or false whatever it is: C#'s True was taken (jellyfin-ani-sync#67), of others nobody knows.
LOOSE = ("nsfw", "is_rewatching", "is_rereading")


def without_security() -> dict[str, Any]:
    """The document without who may ask: schemathesis would make credentials up."""
    document = copy.deepcopy(DOCUMENT)
    del document["components"]["securitySchemes"]
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    return document


def loosened() -> dict[str, Any]:
    """The document with ids that lead somewhere and what the sandbox does not look at left open: the rest must be refused."""
    document = without_security()
    for name, schema in _inputs(document):
        if name in LOOSE:
            schema.clear()
        elif name in KNOWN and name.endswith("_id"):
            schema["enum"] = KNOWN[name]
    return document


def narrowed() -> dict[str, Any]:
    """The document with ids, names and texts that lead somewhere."""
    document = without_security()
    for name, schema in _inputs(document):
        if name == "q":
            known = {"type": "string", "enum": KNOWN[name]}
            schema["anyOf"] = [known, {"type": schema.pop("type"), "pattern": schema.pop("pattern")}]
        elif name in KNOWN:
            schema["enum"] = KNOWN[name]
        elif name in LIMITS:
            schema.clear()
            schema.update(type="integer", minimum=1, maximum=LIMITS[name])
    return document


def _inputs(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every parameter and form field of the document with its schema."""
    shared = document["components"]["parameters"].values()
    own = [one for item in document["paths"].values() for method in item.values() if isinstance(method, dict)
           for one in method.get("parameters", ())]  # fmt: skip
    for parameter in (*shared, *own):
        if "schema" in parameter:
            yield parameter["name"], parameter["schema"]
    for medium in ("Anime", "Manga"):
        yield from document["components"]["schemas"][f"{medium}ListUpdate"]["properties"].items()


class Asking(NamedTuple):
    """Who asks, and the status that no operation can have a success with then; None where all may be well."""

    headers: Callable[[Sandbox], dict[str, str]]
    refused: int | None = None


WHO = {
    "user": Asking(lambda box: {"Authorization": f"Bearer {box.access_token}"}),
    "client": Asking(lambda box: {"X-MAL-CLIENT-ID": box.client_id}),
    "stale token": Asking(lambda _: {"Authorization": "Bearer of-old"}, 401),
    "unknown client": Asking(lambda _: {"X-MAL-CLIENT-ID": "of-nobody"}, 400),
    "nobody": Asking(lambda _: {}, 403),
}
KEYS = [key for key in operations() if key != ("post", "/token")]
WITH_INPUT = [key for key in KEYS if operations()[key].get("parameters")]


def told(case: Any, box: Sandbox, session: requests.Session, headers: dict[str, str], checks: list[Any]) -> int:
    """The status of the answer to a case, after `checks` found nothing wrong with it."""
    response = case.call(base_url=box.api_url, session=session, headers=headers)
    case.validate_response(response, checks=checks)
    return int(response.status_code)


def operation_of(document: dict[str, Any], key: tuple[str, str]) -> Any:
    method, path = key
    return schemathesis.openapi.from_dict(document)[path][method.upper()]


@pytest.fixture
def patient() -> Iterator[Sandbox]:
    """A sandbox that takes the shortest texts, as the document lets them be."""
    with Sandbox(settings={"q_minimum": "1"}) as box:
        yield box


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as open_one:
        yield open_one


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_what_the_document_allows_is_answered_as_it_says(
    key: tuple[str, str], patient: Sandbox, session: requests.Session
) -> None:
    operation = operation_of(narrowed(), key)
    checks = [*CONFORMS, positive_data_acceptance] if key[0] == "get" else CONFORMS
    statuses: Counter[int] = Counter()

    @bounded
    @given(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def run(case: Any) -> None:
        statuses[told(case, patient, session, WHO["user"].headers(patient), checks)] += 1

    run()

    assert statuses[200], f"no request led anywhere: {dict(statuses)}"


@pytest.mark.parametrize("key", WITH_INPUT, ids=str)
def test_what_the_document_does_not_allow_is_refused_as_it_says(
    key: tuple[str, str], box: Sandbox, session: requests.Session
) -> None:
    operation = operation_of(loosened(), key)
    # Whatever `fields` holds is taken: names that mean nothing are passed over.
    checks = CONFORMS if key == ("get", "/users/@me") else [*CONFORMS, negative_data_rejection]

    @bounded
    @given(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def run(case: Any) -> None:
        told(case, box, session, WHO["user"].headers(box), checks)

    run()


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_whoever_may_not_ask_is_told_so_as_the_document_says(
    key: tuple[str, str], box: Sandbox, session: requests.Session
) -> None:
    operation = operation_of(narrowed(), key)
    needs_user = {"client": []} not in operations()[key]["security"]
    before = {name: dict(box.world.first.kept(name)) for name in ("anime", "manga")}

    @settings(bounded, max_examples=effort(3, nightly=12))
    @given(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def run(case: Any) -> None:
        for name, asking in WHO.items():
            refused = asking.refused or (403 if needs_user and name == "client" else None)
            if refused:
                assert told(case, box, session, asking.headers(box), CONFORMS) == refused, name

    run()

    assert {name: dict(box.world.first.kept(name)) for name in before} == before


def bounds() -> Iterator[tuple[str, str, str, int, bool]]:
    """Every number that a query or a form takes, at its bounds and one beyond: path, where, name, value, whether it is taken."""
    for (method, path), operation in operations().items():
        places = {("query", one["name"]): resolved(one["schema"]) for one in map(resolved, operation.get("parameters", ()))
                  if one["in"] == "query"}  # fmt: skip
        if method == "patch":
            (content,) = operation["requestBody"]["content"].values()
            places |= {("form", name): schema for name, schema in resolved(content["schema"])["properties"].items()}
        for (place, name), schema in places.items():
            for bound, beyond in (("minimum", -1), ("maximum", 1)):
                if bound in schema and name not in ("board_id", "subboard_id"):
                    yield path, place, name, schema[bound], True
                    yield path, place, name, schema[bound] + beyond, False


@pytest.mark.parametrize(("path", "place", "name", "value", "taken"), list(bounds()))
def test_a_number_is_taken_up_to_its_bounds_and_not_beyond(
    box: Sandbox, path: str, place: str, name: str, value: int, taken: bool
) -> None:
    filled = path.format(user_name="@me", anime_id=1, manga_id=2, year=2010, season="fall", topic_id=2_000_001)
    needed = {"q": "the"} if path in ("/anime", "/manga") else {"ranking_type": "all"} if "ranking" in path else {}
    answer = requests.request(
        "GET" if place == "query" else "PATCH",
        box.api_url + filled,
        params={**needed, name: value} if place == "query" else {},
        data={name: value} if place == "form" else None,
        headers=WHO["user"].headers(box),
        timeout=10,
    )

    assert answer.status_code == (200 if taken else 400), answer.text[:200]


def test_the_token_endpoint_answers_as_the_document_says(box: Sandbox, session: requests.Session) -> None:
    document = without_security()
    for form in document["paths"]["/token"]["post"]["requestBody"]["content"].values():
        for grant in form["schema"]["oneOf"]:
            grant["required"] += ["client_id"]
            grant["properties"]["client_id"]["enum"] = [box.client_id, box.other_client_id, "of-nobody"]
            if "refresh_token" in grant["properties"]:
                tokens = [box.refresh_token_for("sandbox_mika") for _ in range(3)]
                grant["properties"]["refresh_token"] = {"type": "string", "enum": [*tokens, "of-nobody"]}
    operation = operation_of(document, ("post", "/token"))
    statuses: Counter[int] = Counter()

    @settings(bounded, max_examples=60)
    @given(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def run(case: Any) -> None:
        response = case.call(base_url=box.auth_url, session=session)
        case.validate_response(response, checks=CONFORMS)
        statuses[response.status_code] += 1

    run()

    assert statuses.keys() == {200, 400, 401}


def test_an_answer_that_is_not_as_the_document_says_would_be_found(session: requests.Session) -> None:
    """The checker, checked: a list's score as a text, and an answer that is no JSON."""
    operation = operation_of(DOCUMENT, ("get", "/users/{user_name}/animelist"))
    found = []
    for fault in ("wrong_type", "html", "truncated"):
        with Sandbox(faults=fault) as box:
            case = operation.Case(path_parameters={"user_name": "@me"}, query={"fields": "list_status", "limit": 3})
            try:
                told(case, box, session, WHO["user"].headers(box), CONFORMS)
            except BaseException as failure:  # noqa: BLE001 - a group, of which the library has several kinds
                found.append((fault, type(failure).__name__))

    assert [fault for fault, _ in found] == ["wrong_type", "html", "truncated"]
    assert {name for _, name in found} == {"FailureGroup"}
