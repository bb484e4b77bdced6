"""All endpoints of the reference at once: who may ask, limits, pages, faults, and the document."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from malsync.sandbox import Sandbox, World
from malsync.sandbox.endpoints import ENDPOINTS, Endpoint
from malsync.sandbox.fields import FIELDS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text("utf-8")


@dataclass(frozen=True)
class Sample:
    """A request that an endpoint answers with 200. `pages` of it are so many entries at most; `default` without a limit."""

    method: str
    path: str
    access: str = "client"
    default: int = 0
    most: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


# The table in docs/mal.md#endpoints, typed again; recorded replies have 10 entries in a user's list without a limit.
REFERENCE = [
    Sample("GET", "/anime?q=shi&nsfw=true", default=100, most=100),
    Sample("GET", "/anime/5114"),
    Sample("GET", "/anime/ranking?ranking_type=all", default=100, most=500),
    Sample("GET", "/anime/season/2013/spring", default=100, most=500),
    Sample("GET", "/anime/suggestions", access="user", default=100, most=100),
    Sample("PATCH", "/anime/5114/my_list_status", access="user"),
    Sample("DELETE", "/anime/5114/my_list_status", access="user"),
    Sample("GET", "/users/sandbox_mika/animelist", default=10, most=1000),
    Sample("GET", "/forum/boards"),
    Sample("GET", "/forum/topic/2000100", default=100, most=100),
    Sample("GET", "/forum/topics", default=100, most=100),
    Sample("GET", "/manga?q=kimi", default=100, most=100),
    Sample("GET", "/manga/21"),
    Sample("GET", "/manga/ranking?ranking_type=all", default=100, most=500),
    Sample("PATCH", "/manga/21/my_list_status", access="user"),
    Sample("DELETE", "/manga/21/my_list_status", access="user"),
    Sample("GET", "/users/sandbox_mika/mangalist", default=10, most=1000),
    Sample("GET", "/users/@me", access="user"),
]
PAGED = [sample for sample in REFERENCE if sample.most]
Ask = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def ask(reading: Sandbox) -> Iterator[Ask]:
    """Ask with a token of the first account, about a path or a whole address; parameters replace those of the path."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {reading.access_token}"

        def ask(path: str, **parameters: str | int) -> requests.Response:
            address, _, query = path.removeprefix(reading.api_url).partition("?")
            return session.get(reading.api_url + address, params={**dict(parse_qsl(query)), **parameters})

        yield ask


def entries(response: requests.Response) -> list[object]:
    """What comes in pages, each entry by what tells it from the others."""
    data = response.json()["data"]
    data = data["posts"] if isinstance(data, dict) else data
    return [one["node"]["id"] if "node" in one else one["id"] for one in data]


def test_there_are_the_eighteen_of_the_reference() -> None:
    methods = {"PATCH, PUT": "PATCH"}
    rows = {
        (methods.get(", ".join(row.methods), row.methods[0]), re.sub(r":whole", "", path).removeprefix("/v2"))
        for row in ENDPOINTS
        for path, _ in row.routes()
    }

    def of(sample: Sample) -> tuple[str, str]:
        path = (
            sample.path.partition("?")[0].replace("sandbox_mika", "{user}").replace("/2013/spring", "/{year}/{season}")
        )
        return sample.method, re.sub(r"\d{2,}", "{topic_id}" if "topic/" in path else "{id}", path)

    assert len(REFERENCE) == len(rows) == 18
    assert {of(sample) for sample in REFERENCE} == rows


# Who may ask.


def answered(box: Sandbox, sample: Sample, **headers: str) -> requests.Response:
    form = {"score": "7"} if sample.method == "PATCH" else None
    return requests.request(sample.method, box.api_url + sample.path, data=form, headers=headers)


@pytest.mark.parametrize("sample", REFERENCE, ids=str)
def test_without_credentials_nobody_may_ask(reading: Sandbox, sample: Sample) -> None:
    response = answered(reading, sample)

    assert (response.status_code, response.text) == (403, '{"message":"","error":"forbidden"}')


@pytest.mark.parametrize("sample", REFERENCE, ids=str)
def test_a_client_id_is_enough_where_the_reference_says_so(box: Sandbox, sample: Sample) -> None:
    response = answered(box, sample, **{"X-MAL-CLIENT-ID": box.client_id})

    assert response.status_code == (200 if sample.access == "client" else 403)
    assert sample.access == "client" or response.text == '{"message":"","error":"forbidden"}'


@pytest.mark.parametrize("sample", REFERENCE, ids=str)
def test_a_token_may_ask_everything(box: Sandbox, sample: Sample) -> None:
    assert answered(box, sample, Authorization=f"Bearer {box.access_token}").status_code == 200


@pytest.mark.parametrize("sample", REFERENCE, ids=str)
def test_a_bad_token_is_no_better_than_none_even_beside_a_client_id(reading: Sandbox, sample: Sample) -> None:
    headers = {"Authorization": "Bearer nonsense", "X-MAL-CLIENT-ID": reading.client_id}

    assert answered(reading, sample, **headers).status_code == 401


# Pages.


@pytest.mark.parametrize(
    "path",
    [
        *("/anime/one", "/anime/-1", f"/anime/{'9' * 5000}", f"/anime/season/{'9' * 5000}/fall", "/manga/1.0"),
        *("/nothing", "/no%0Athing", "/anime/1%0Aand", "/users/a%0Ab/animelist", "/forum/topic/x%0Ay"),
    ],
    ids=lambda path: path[:24],
)
def test_an_address_where_nothing_is_is_a_404_whatever_it_is_made_of(ask: Ask, reading: Sandbox, path: str) -> None:
    """A line feed in a path, and more digits than Python reads as a number, were answered by the web framework."""
    answer = ask(path)

    assert (answer.status_code, answer.text) == (404, '{"message":"","error":"not_found"}')
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert requests.get(reading.api_url + path, timeout=10).status_code == 403


@pytest.mark.parametrize("sample", PAGED, ids=str)
def test_a_page_has_its_default_and_at_most_its_limit(ask: Ask, sample: Sample) -> None:
    every = len(follow(ask, sample.path, limit=sample.most))

    assert every > 3
    assert len(entries(ask(sample.path))) == min(sample.default, every)
    assert len(entries(ask(sample.path, limit=1))) == 1
    assert len(entries(ask(sample.path, limit=sample.most))) == min(sample.most, every)


@pytest.mark.parametrize("limit", ["over", "0", "-1", "ten", "", "1.0", "1e1", "٣"])
@pytest.mark.parametrize("sample", PAGED, ids=str)
def test_a_limit_that_is_not_right_is_a_400(ask: Ask, sample: Sample, limit: str) -> None:
    response = ask(sample.path, limit=sample.most + 1 if limit == "over" else limit)

    assert (response.status_code, response.text) == (400, '{"message":"invalid limit","error":"bad_request"}')


@pytest.mark.parametrize("offset", ["-1", "x", "", "9999999999"])
@pytest.mark.parametrize("sample", PAGED, ids=str)
def test_an_offset_that_is_not_right_is_a_400(ask: Ask, sample: Sample, offset: str) -> None:
    response = ask(sample.path, offset=offset)

    assert (response.status_code, response.text) == (400, '{"message":"invalid offset","error":"bad_request"}')


@pytest.mark.parametrize("sample", PAGED, ids=str)
def test_an_offset_beyond_the_end_is_an_empty_page(ask: Ask, sample: Sample) -> None:
    response = ask(sample.path, offset=100_000, limit=50)

    assert entries(response) == []
    assert list(response.json()["paging"]) == ["previous"]


def follow(ask: Ask, path: str, **parameters: str | int) -> list[object]:
    """Every entry, page by page, by nothing but `next`."""
    response = ask(path, **parameters)
    found = entries(response)
    while (address := response.json()["paging"].get("next")) is not None:
        response = ask(address)
        found += entries(response)
    return found


@pytest.mark.parametrize("sample", PAGED, ids=str)
def test_following_next_reads_every_entry_once_and_in_one_order(ask: Ask, sample: Sample) -> None:
    whole = follow(ask, sample.path, limit=sample.most)

    assert len(set(whole)) == len(whole)
    assert follow(ask, sample.path, limit=max(1, len(whole) // 4)) == whole


@pytest.mark.parametrize("sample", PAGED, ids=str)
def test_the_pages_around_are_named_as_recorded(ask: Ask, reading: Sandbox, sample: Sample) -> None:
    """go-myanimelist testdata: offset first, the rest in alphabetical order; nothing before the first page."""
    base, _, query = (reading.api_url + sample.path).partition("?")
    rest = "&".join(sorted(["limit=1", "zebra=x+y%2F", *query.split("&")])).removeprefix("&")

    first, second = (ask(sample.path, limit=1, zebra="x y/", offset=offset).json()["paging"] for offset in (0, 1))

    assert first == {"next": f"{base}?offset=1&{rest}"}
    assert second == {"previous": f"{base}?offset=0&{rest}", "next": f"{base}?offset=2&{rest}"}
    between = ask(sample.path, limit=3, zebra="x y/", offset=2).json()["paging"]
    assert between["previous"] == f"{base}?offset=0&{rest.replace('limit=1', 'limit=3')}"


@pytest.mark.parametrize("sample", PAGED, ids=str)
def test_the_last_page_has_no_next(ask: Ask, sample: Sample) -> None:
    last = len(follow(ask, sample.path, limit=sample.most)) - 1

    assert list(ask(sample.path, limit=1, offset=last).json()["paging"]) == ["previous"]
    assert ask(sample.path, limit=min(last + 1, sample.most)).json()["paging"].keys() == (
        set() if last < sample.most else {"next"}
    )


def test_a_page_that_holds_all_ends_with_an_empty_paging(ask: Ask) -> None:
    assert ask("/anime/ranking?ranking_type=ova").content.endswith(b'}}],"paging":{}}')
    assert ask("/anime/season/2013/fall").content.endswith(b'"paging":{},"season":{"year":2013,"season":"fall"}}')


@pytest.mark.parametrize(("value", "size"), [("10", 10), ("100", 100)])
def test_the_default_of_other_pages_is_a_switch(value: str, size: int) -> None:
    with Sandbox(World.demo(), settings={"catalogue_limit": value}) as box:
        token = {"Authorization": f"Bearer {box.access_token}"}
        found = [
            len(entries(requests.get(box.api_url + path, headers=token)))
            for path in (
                "/manga/ranking?ranking_type=all",
                "/forum/topics",
                "/forum/topic/2000100",
                "/users/@me/animelist",
            )
        ]

    assert found == [size, size, size, 10]


@pytest.mark.parametrize("sample", PAGED, ids=str)
def test_a_limit_above_the_greatest_may_stop_at_it(sample: Sample) -> None:
    with Sandbox(World.demo(), settings={"over_limit": "clamp"}) as box:
        token = {"Authorization": f"Bearer {box.access_token}"}
        pages = [
            requests.get(box.api_url + sample.path, params={"limit": str(limit)}, headers=token)
            for limit in (sample.most, sample.most + 1)
        ]

    assert pages[0].status_code == 200
    assert entries(pages[0]) == entries(pages[1])


# Faults and the log.


@pytest.mark.parametrize("sample", REFERENCE, ids=str)
def test_a_fault_strikes_every_endpoint(box: Sandbox, sample: Sample) -> None:
    box.add_faults("503:times=1")
    token = {"Authorization": f"Bearer {box.access_token}"}

    assert [answered(box, sample, **token).status_code for _ in range(2)] == [503, 200]
    assert [row.get("faults") for row in box.requests] == [["503"], None]
    assert box.counts == {sample.method: 2}


@pytest.mark.parametrize("sample", PAGED, ids=str)
def test_faults_for_pages_strike_every_page(box: Sandbox, sample: Sample) -> None:
    token = {"Authorization": f"Bearer {box.access_token}"}
    box.add_faults("overlap:nth=1;endless:nth=2;foreign_next:nth=3,to=http://elsewhere.invalid")

    overlap, endless, foreign = (
        requests.get(box.api_url + sample.path, params={"limit": "2", "offset": "1"}, headers=token) for _ in range(3)
    )

    assert len(entries(overlap)) == 3
    assert len(entries(endless)) == 2
    assert dict(parse_qsl(urlsplit(endless.json()["paging"]["next"]).query))["offset"] == "1"
    assert foreign.json()["paging"]["next"].startswith("http://elsewhere.invalid/v2/")


@pytest.mark.parametrize("sample", [one for one in REFERENCE if not one.most], ids=str)
def test_faults_for_pages_leave_the_rest_alone(box: Sandbox, sample: Sample) -> None:
    box.add_faults("overlap;endless;foreign_next")

    assert answered(box, sample, Authorization=f"Bearer {box.access_token}").status_code == 200
    assert "faults" not in box.requests[0]


@pytest.mark.parametrize("sample", [one for one in PAGED if "/users/" not in one.path], ids=str)
def test_faults_for_lists_strike_no_other_page(box: Sandbox, sample: Sample) -> None:
    before = box.entries("sandbox_mika", "anime")
    box.add_faults("edit;add;remove;wrong_type")

    assert answered(box, sample, Authorization=f"Bearer {box.access_token}").status_code == 200
    assert "faults" not in box.requests[0]
    assert box.entries("sandbox_mika", "anime") == before


def test_reading_the_catalogue_changes_no_state(box: Sandbox) -> None:
    before = box.world.state()
    for sample in REFERENCE:
        if sample.method == "GET":
            answered(box, sample, Authorization=f"Bearer {box.access_token}")

    assert box.world.state() == before
    assert box.counts == {"GET": 14}


# The document.


def section(row: Endpoint) -> str:
    """The part of the document on an endpoint."""
    if "{medium}" in row.path and "my_list_status" in row.path:
        paths = [f"{row.path.replace('{medium}', medium)}" for medium in ("anime", "manga")]
        heading = f"### {', '.join(row.methods)} /v2{paths[0]} and /v2{paths[1]}"
    else:
        paths = [re.sub(":whole", "", path) for path, _ in row.routes()]
        heading = "### " + ", ".join(f"GET {path}" for path in paths)
    assert DOCUMENT.count(f"\n{heading}\n") == 1, heading
    return DOCUMENT.partition(f"\n{heading}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: f"{row.methods[0]} {row.path}")
def test_the_document_has_each_endpoint_with_its_parameters_and_limits(row: Endpoint) -> None:
    text = section(row)

    named = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
    parameters = {name for cell in named for name in re.findall(r"`(\w+)`", cell)}
    assert "| status | when |" in text
    assert "| 200 |" in text
    assert re.search(rf"Access:\s`{row.access}`", text)
    if "GET" in row.methods:
        assert parameters == set(row.parameters)
    assert (f"at most {row.most}" in text) == bool(row.most)


def test_the_document_has_every_member_of_a_title() -> None:
    members = DOCUMENT.partition("## Members of a title")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \| (yes|no) \|", members, re.MULTILINE)

    assert rows == [(one.name, ", ".join(one.media), "no" if one.whole else "yes") for one in FIELDS.values()]
