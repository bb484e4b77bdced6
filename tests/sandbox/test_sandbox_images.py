"""The pictures that the sandbox draws."""

from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from malsync.sandbox import Catalogue, Sandbox, World


def told(box: Sandbox, path: str) -> Any:
    return requests.get(box.api_url + path, headers={"X-MAL-CLIENT-ID": box.client_id}).json()


def image(box: Sandbox, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{box.port}/images/{path}")


@pytest.mark.parametrize("path", ["/anime/1", "/manga/2"])
def test_every_picture_of_a_title_is_there_for_anybody(reading: Sandbox, path: str) -> None:
    title = told(reading, f"{path}?fields=pictures,videos")
    addresses = [address for picture in (title["main_picture"], *title["pictures"]) for address in picture.values()]

    answers = [requests.get(address) for address in addresses]

    assert title["main_picture"] == title["pictures"][0]
    assert all(answer.status_code == 200 for answer in answers)
    assert {answer.headers["content-type"] for answer in answers} == {"image/svg+xml"}
    assert len({answer.text for answer in answers}) == 2 * len(title["pictures"])


def test_a_picture_is_an_svg_with_the_title_in_two_sizes(reading: Sandbox) -> None:
    small, large = (ElementTree.fromstring(image(reading, name).text) for name in ("anime/5114.svg", "anime/5114l.svg"))

    assert [(one.get("width"), one.get("height")) for one in (small, large)] == [("225", "318"), ("425", "600")]
    assert small[0].text == "Fullmetal Alchemist: Brotherhood"


def test_some_titles_have_no_picture_and_some_no_large_one(reading: Sandbox) -> None:
    without = told(reading, "/anime/31115?fields=pictures")

    assert "main_picture" not in without
    assert without["pictures"] == []
    assert image(reading, "anime/31115.svg").status_code == 404
    assert list(told(reading, "/anime/731")["main_picture"]) == ["medium"]


@pytest.mark.parametrize(
    "path",
    ["anime/424242424.svg", "anime/x.svg", "anime/1.jpg", "anime/1-99.svg", "anime/1ll.svg", "people/1.svg", "users/1.svg",
     "users/9000103.svg", "anime/9999999999.svg", "anime/-1.svg", "anime/.svg"],
)  # fmt: skip
def test_a_picture_of_nothing_is_not_found(reading: Sandbox, path: str) -> None:
    assert image(reading, path).status_code == 404


@pytest.mark.parametrize(
    "title", ['<script>alert(1)</script> & "more"', "\x1b[31m\x00\x0b\ufffe", "", " ", "あ" * 300, "\ud800 alone"]
)
def test_no_title_can_break_out_of_its_picture(title: str) -> None:
    world = World(Catalogue({"anime": [{"id": 7, "title": title}]}))
    world.put_state({"accounts": {"someone": {}}})
    with Sandbox(world) as box:
        answer = image(box, "anime/7.svg")

    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    drawn = ElementTree.fromstring(answer.content)
    assert {part.tag.rpartition("}")[2] for part in drawn.iter()} <= {
        "svg", "title", "linearGradient", "stop", "rect", "g", "text", "tspan",
    }  # fmt: skip


def test_pictures_are_in_the_log_and_in_no_count(box: Sandbox) -> None:
    image(box, "anime/1.svg")

    assert [(row["path"], row["kind"], row["status"]) for row in box.requests] == [
        ("/images/anime/1.svg", "other", 200)
    ]
    assert box.counts == {}


def test_a_fault_strikes_pictures_only_by_name(box: Sandbox) -> None:
    box.add_faults("500:method=GET")
    assert image(box, "anime/1.svg").status_code == 200

    box.add_faults("503:on=/images/")
    assert image(box, "anime/1.svg").status_code == 503


def test_pictures_answer_to_the_sandboxs_own_names_only(reading: Sandbox) -> None:
    address = f"http://127.0.0.1:{reading.port}/images/anime/1.svg"

    assert requests.get(address, headers={"Host": "evil.example"}).status_code == 421
