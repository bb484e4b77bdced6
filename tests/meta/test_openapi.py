"""schemas/openapi.json: that it is whole and valid, and says what the rest of the project says, which was typed apart from it."""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from malsync.mal import types
from malsync.model.medium import ANIME, MANGA, MEDIA, SEASONS, Json, Medium
from malsync.sandbox.endpoints import ENDPOINTS, USER, Endpoint
from malsync.sandbox.media import MEDIA as SANDBOX_MEDIA
from malsync.sandbox.paging import LONGEST_Q
from malsync.sandbox.settings import DEFAULTS
from malsync.sandbox.titles import RANKINGS, SEASON_SORTS
from malsync.schemas import find_problem
from tests.support.openapi import DOCUMENT, REFERENCE, SCHEMAS, operations, resolved

SAMPLES = {("put", f"/{name}/{{{name}_id}}/my_list_status"): "user" for name in MEDIA}
TOKEN = ("post", "/token")
both = pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)


def parameters(operation: dict[str, Any], place: str = "query") -> dict[str, dict[str, Any]]:
    found = [resolved(one) for one in operation.get("parameters", ())]
    return {one["name"]: one for one in found if one["in"] == place}


def walked(part: Any) -> Iterator[dict[str, Any]]:
    """Every object of a part of the document, itself first, without following references."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from walked(inner)


def reachable(part: Any, seen: set[str] | None = None) -> Iterator[dict[str, Any]]:
    """As `walked`, and through references, each once."""
    seen = set() if seen is None else seen
    for one in walked(part):
        yield one
        if (target := one.get("$ref")) and target not in seen:
            seen.add(target)
            yield from reachable(resolved(one), seen)


# -- the document itself


def test_it_is_valid_openapi() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_a_document_that_is_not_valid_would_be_found() -> None:
    broken = orjson.loads(orjson.dumps(DOCUMENT))
    broken["paths"]["/users/@me"]["get"]["parameters"][0]["in"] = "nowhere"

    assert [error.message for error in OpenAPIV31SpecValidator(broken).iter_errors()] != []


def test_every_component_is_used_and_every_reference_leads_to_one() -> None:
    used = {one["$ref"] for one in reachable(DOCUMENT["paths"]) if "$ref" in one}
    used |= {
        f"#/components/securitySchemes/{name}"
        for operation in operations().values()
        for way in operation["security"]
        for name in way
    }
    there = {f"#/components/{kind}/{name}" for kind, found in DOCUMENT["components"].items() for name in found}

    assert used == there


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for operation in operations().values()]

    assert len(set(names)) == len(names)


def test_it_has_the_endpoints_of_the_reference_and_the_token_endpoint_and_no_others() -> None:
    assert operations().keys() == {*REFERENCE, *SAMPLES, TOKEN}


def test_the_token_endpoint_is_at_another_address_than_the_api() -> None:
    (api,), (tokens,) = DOCUMENT["servers"], DOCUMENT["paths"]["/token"]["servers"]

    assert api["url"] == "https://api.myanimelist.net/v2"
    assert tokens["url"] == "https://myanimelist.net/v1/oauth2"


@pytest.mark.parametrize(("key", "access"), [*REFERENCE.items(), *SAMPLES.items()], ids=str)
def test_an_operation_can_be_asked_by_whom_the_reference_says(key: tuple[str, str], access: str) -> None:
    ways = [set(way) for way in operations()[key]["security"]]

    assert {"user"} in ways
    assert ({"client"} in ways) == (access == "client")


@pytest.mark.parametrize("key", [*REFERENCE, *SAMPLES], ids=str)
def test_an_operation_answers_as_every_endpoint_may(key: tuple[str, str]) -> None:
    """401 with its header, 403 in JSON or as a page, a page where something in front of the API is down."""
    answers = {status: resolved(answer) for status, answer in operations()[key]["responses"].items()}

    assert answers.keys() >= {"200", "400", "401", "403", "429", "5XX"}
    assert answers["401"]["headers"]["WWW-Authenticate"]["required"] is True
    assert answers["403"]["content"].keys() == {"application/json", "text/html"}
    assert answers["5XX"]["content"].keys() == {"text/html"}
    names_something = "{" in key[1]
    assert ("404" in answers) == names_something


# -- lenient in what it answers, strict in what it takes


def test_answers_may_bring_members_and_words_that_nobody_knows_yet() -> None:
    for operation in operations().values():
        for part in reachable(operation["responses"]):
            assert not part.keys() & {"additionalProperties", "unevaluatedProperties", "enum", "const"}, part


@both
def test_a_form_takes_no_field_that_it_does_not_name(medium: Medium) -> None:
    (content,) = operations()["patch", f"/{medium.name}/{{{medium.name}_id}}/my_list_status"]["requestBody"][
        "content"
    ].items()

    assert content[0] == "application/x-www-form-urlencoded"
    assert resolved(content[1]["schema"])["additionalProperties"] is False


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_tells_a_document_from_none(name: str) -> None:
    """A schema that a text and a list pass would let anything through."""
    wrong = [
        document
        for document in ("x", ["x"], {"x": 1}, 7, True)
        if find_problem(f"openapi#/components/schemas/{name}", document)
    ]

    assert len(wrong) >= 3


def test_what_is_wrong_is_found_where_it_is_even_in_what_may_be_null() -> None:
    title = {"id": 1, "my_list_status": {"score": "8"}, "main_picture": None}
    topic = {
        "data": {"title": "", "posts": [], "poll": {"id": 1, "options": [{"id": 1, "votes": "many"}]}},
        "paging": {},
    }
    found = [
        find_problem("openapi#/components/schemas/AnimeTitle", title),
        find_problem("openapi#/components/schemas/ForumTopicPage", topic),
        find_problem("openapi#/components/schemas/MangaTitle", {**title, "my_list_status": 8}),
    ]

    assert [one and one.path for one in found] == [
        ("my_list_status", "score"),
        ("data", "poll", "options", 0, "votes"),
        ("my_list_status",),
    ]
    assert found[0] is not None
    assert found[0].message.startswith("'8' is not of type ")


# -- what malsync says elsewhere


@both
def test_a_list_status_has_the_members_that_malsync_knows(medium: Medium) -> None:
    assert tuple(SCHEMAS[f"{medium.name.capitalize()}ListStatus"]["properties"]) == medium.names


@both
def test_a_form_has_the_names_that_malsync_writes(medium: Medium) -> None:
    form = SCHEMAS[f"{medium.name.capitalize()}ListUpdate"]["properties"]

    assert tuple(form) == tuple(field.write for field in medium.writable)
    assert tuple(form["status"]["enum"]) == medium.statuses


@both
def test_a_title_has_the_members_that_malsync_asks_for(medium: Medium) -> None:
    always = {"id", "title", "main_picture", "my_list_status"}

    assert SCHEMAS[f"{medium.name.capitalize()}Title"]["properties"].keys() == always | {
        name.partition("{")[0] for name in medium.detailed
    }


@both
def test_rankings_and_filters_are_those_that_malsync_knows(medium: Medium) -> None:
    ranking = parameters(operations()["get", f"/{medium.name}/ranking"])["ranking_type"]
    status = parameters(operations()["get", f"/users/{{user_name}}/{medium.list_endpoint}"])["status"]

    assert set(ranking["schema"]["enum"]) == set(medium.ranking_types)
    assert tuple(status["schema"]["enum"]) == medium.statuses


def test_seasons_are_those_that_malsync_knows() -> None:
    season = parameters(operations()["get", "/anime/season/{year}/{season}"], "path")["season"]

    assert tuple(season["schema"]["enum"]) == SEASONS


# The TypedDict of an answer, and where its schema is: a component, or a way through one.
TYPES = {
    "Profile": "Profile",
    "AnimeStatistics": "Profile/properties/anime_statistics",
    "Ranked": "AnimeRankingPage/properties/data/items",
    "Place": "AnimeRankingPage/properties/data/items/properties/ranking",
    "Picture": "Picture",
    "AlternativeTitles": "AlternativeTitles",
    "Season": "Season",
    "Broadcast": "Broadcast",
    "Author": "Author",
    "Person": "Author/properties/node",
    "Serialization": "Serialization",
    "Relation": "RelatedAnime",
    "Recommendation": "AnimeTitle/properties/recommendations/items",
    "Statistics": "AnimeStatistics",
    "Theme": "Theme",
    "Video": "Video",
    "Named": "Genre",
    "Category": "ForumBoards/properties/categories/items",
    "Board": "ForumBoards/properties/categories/items/properties/boards/items",
    "Subboard": ("ForumBoards/properties/categories/items/properties/boards/items/properties/subboards/items"),
    "Member": "Member",
    "Topic": "ForumTopicsPage/properties/data/items",
    "Post": "ForumTopicPage/properties/data/properties/posts/items",
    "Poll": "ForumTopicPage/properties/data/properties/poll/anyOf/0",
    "PollOption": "ForumTopicPage/properties/data/properties/poll/anyOf/0/properties/options/items",
}
JSON_TYPES: dict[Any, set[str]] = {
    str: {"string"}, int: {"integer"}, float: {"number"}, bool: {"boolean"}, dict: {"object"}, list: {"array"},
    type(None): {"null"},
}  # fmt: skip


def at(way: str) -> Any:
    found: Any = SCHEMAS
    for step in way.split("/"):
        found = resolved(found[int(step)] if isinstance(found, list) else found[step])
    return found


def types_of(schema: Any) -> set[str]:
    """The types in JSON that a schema lets through."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return set().union(*(types_of(one) for one in schema["anyOf"]))
    found = schema["type"]
    return {found} if isinstance(found, str) else set(found)


def types_in(hint: Any) -> set[str]:
    """The types in JSON of a type in Python."""
    if is_typeddict(hint):
        return {"object"}
    if (origin := get_origin(hint)) in JSON_TYPES:
        return JSON_TYPES[origin]
    return JSON_TYPES.get(hint) or set().union(*(types_in(one) for one in get_args(hint)))


def test_every_type_of_an_answer_has_its_schema() -> None:
    there = {name for name, one in vars(types).items() if is_typeddict(one)}

    assert there == {*TYPES, "Title"}


@pytest.mark.parametrize(("name", "way"), TYPES.items(), ids=TYPES)
def test_a_type_of_an_answer_has_the_members_and_types_of_its_schema(name: str, way: str) -> None:
    hints = get_type_hints(getattr(types, name))
    properties = at(way)["properties"]

    assert {member: types_in(hint) for member, hint in hints.items()} == {
        member: types_of(schema) for member, schema in properties.items()
    }


def test_the_type_of_a_title_has_the_members_and_types_of_both_schemas() -> None:
    schemas = {**SCHEMAS["MangaTitle"]["properties"], **SCHEMAS["AnimeTitle"]["properties"]}

    assert {
        member: types_in(hint) for member, hint in get_type_hints(types.Title, {**vars(types), "Json": Json}).items()
    } == {member: types_of(schema) for member, schema in schemas.items()}


# -- what the sandbox says


def rows() -> Iterator[tuple[Endpoint, str, str]]:
    """Each row of the sandbox's table of endpoints, with the methods and paths of the document that it stands for."""
    for endpoint in ENDPOINTS:
        for medium in MEDIA if "{medium}" in endpoint.path else ("",):
            path = endpoint.path.replace("{medium}", medium).replace("{user}", "{user_name}")
            path = path.replace("{id}", f"{{{medium}_id}}")
            for method in endpoint.methods:
                yield endpoint, method.lower(), path


def test_the_sandbox_serves_every_operation_and_no_other() -> None:
    assert {(method, path) for _, method, path in rows()} == {*REFERENCE, *SAMPLES}


@pytest.mark.parametrize(("row", "method", "path"), [pytest.param(*row, id=" ".join(row[1:])) for row in rows()])
def test_the_sandbox_takes_the_same_parameters_up_to_the_same_limit(row: Endpoint, method: str, path: str) -> None:
    operation = operations()[method, path]
    query = parameters(operation)

    assert query.keys() == set(row.parameters)
    assert query.get("limit", {}).get("schema", {}).get("maximum", 0) == row.most
    assert ({"client": []} in operation["security"]) == (row.access != USER)
    assert set(parameters(operation, "path")) == set(re.findall(r"\{(\w+)\}", path))


def test_the_sandbox_has_the_same_limits_where_a_request_names_none() -> None:
    for endpoint, method, path in rows():
        if endpoint.most:
            default = DEFAULTS.default_limit if path.startswith("/users/") else DEFAULTS.catalogue_limit
            assert parameters(operations()[method, path])["limit"]["schema"]["default"] == default, path


def test_the_sandbox_takes_the_same_words() -> None:
    for name, rankings in RANKINGS.items():
        ranking = parameters(operations()["get", f"/{name}/ranking"])["ranking_type"]
        assert tuple(ranking["schema"]["enum"]) == tuple(rankings)
    season = parameters(operations()["get", "/anime/season/{year}/{season}"])

    assert set(season["sort"]["schema"]["enum"]) == set(SEASON_SORTS)
    for path in ("/anime", "/manga", "/forum/topics"):
        assert parameters(operations()["get", path])["q"]["schema"]["maxLength"] == LONGEST_Q


@both
def test_the_sandbox_takes_the_same_forms(medium: Medium) -> None:
    form = SCHEMAS[f"{medium.name.capitalize()}ListUpdate"]["properties"]
    fields = SANDBOX_MEDIA[medium.name].by_form_name

    assert form.keys() == fields.keys()
    assert {name: schema.get("maximum") for name, schema in form.items()} == {
        name: field.high for name, field in fields.items()
    }


def test_what_is_said_of_anime_alone_is_said_of_anime() -> None:
    """The pairs of schemas differ in what the media differ in, and in nothing else."""
    anime, manga = SCHEMAS["AnimeTitle"]["properties"], SCHEMAS["MangaTitle"]["properties"]

    assert anime.keys() - manga.keys() == set(ANIME.detailed) - set(MANGA.detailed)
    for name in anime.keys() & manga.keys() - {"related_anime", "related_manga", "my_list_status", "recommendations"}:
        assert types_of(anime[name]) == types_of(manga[name]), name
