"""The switches: read from text, seen over HTTP, and the same in the document."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from malsync.sandbox import Sandbox, SandboxError, Settings, World
from malsync.sandbox.faults import KINDS, OWN_KEYS, SHARED_KEYS, Kind, parsed_faults
from malsync.sandbox.settings import SETTINGS

DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox.md"


def seen(settings: dict[str, str], act: Callable[[Callable[..., requests.Response], Sandbox], object]) -> object:
    """What `act` sees of a sandbox with these settings; it gets a function that asks with a token."""
    with Sandbox(World.demo(), settings=settings) as box:

        def ask(path: str, method: str = "GET", token: str | None = None, **form: str) -> requests.Response:
            headers = {"Authorization": f"Bearer {token or box.access_token}"}
            return requests.request(method, box.api_url + path, data=form, headers=headers)

        return act(ask, box)


def entities(ask: Callable[..., requests.Response], _box: Sandbox) -> str:
    return str(ask("/anime/5114/my_list_status", "PATCH", comments='<a> & "b"').json()["comments"])


def entities_of_a_tag(ask: Callable[..., requests.Response], _box: Sandbox) -> list[str]:
    return list(ask("/anime/5114/my_list_status", "PATCH", tags="<a> 'b'").json()["tags"])


def deleted(ask: Callable[..., requests.Response], _box: Sandbox) -> str:
    return ask("/manga/9/my_list_status", "DELETE").text


def deletion(ask: Callable[..., requests.Response], _box: Sandbox) -> int:
    return ask("/anime/25835/my_list_status", "DELETE").status_code


def written_anew(ask: Callable[..., requests.Response], box: Sandbox, **form: str) -> dict[str, object]:
    """What a PATCH of an anime of 64 episodes answers, which was not on the list."""
    box.world.clock = lambda: datetime(2026, 11, 1, tzinfo=UTC)
    box.world.first.put_entry("anime", 5114, None)
    return dict(ask("/anime/5114/my_list_status", "PATCH", **form).json())


def completed(ask: Callable[..., requests.Response], box: Sandbox) -> dict[str, object]:
    shown = written_anew(ask, box, status="completed")
    return {name: shown[name] for name in ("num_episodes_watched", "finish_date") if name in shown}


def last_episode(ask: Callable[..., requests.Response], box: Sandbox) -> object:
    return written_anew(ask, box, num_watched_episodes="64")["status"]


def merged(ask: Callable[..., requests.Response], box: Sandbox) -> list[bool]:
    """Which of two titles are on the list after a write of the first, neither of them having been there."""
    box.world.first.put_entry("anime", 25835, None)
    written_anew(ask, box, status="watching")
    return [id in box.entries(box.user, "anime") for id in (5114, 25835)]


def private(ask: Callable[..., requests.Response], box: Sandbox) -> str:
    box.set_private("sandbox_theo", "anime", "manga")
    return ask("/users/sandbox_theo/animelist").text


def without_user(_ask: Callable[..., requests.Response], box: Sandbox) -> int:
    return requests.get(f"{box.api_url}/users/@me", headers={"X-MAL-CLIENT-ID": box.client_id}).status_code


def as_client(box: Sandbox, client_id: str) -> int:
    return requests.get(f"{box.api_url}/anime/1", headers={"X-MAL-CLIENT-ID": client_id}).status_code


def asked_often(ask: Callable[..., requests.Response], _box: Sandbox) -> list[int]:
    return [ask("/anime/1").status_code for _ in range(5)]


@pytest.mark.parametrize(
    ("setting", "value", "act", "expected"),
    [
        ("default_limit", "100", lambda ask, _: len(ask("/users/@me/animelist").json()["data"]), 100),
        ("over_limit", "clamp", lambda ask, _: len(ask("/users/@me/animelist?nsfw=1&limit=2000").json()["data"]), 280),
        (
            "next_user",
            "name",
            lambda ask, box: ask("/users/@me/animelist").json()["paging"]["next"].removeprefix(box.api_url),
            "/users/sandbox_mika/animelist?offset=10",
        ),
        ("comment_entities", "raw", entities, "<a> & \"b\""),
        ("comment_entities", "encoded", entities, "&lt;a&gt; &amp; &quot;b&quot;"),
        ("tag_entities", "encoded", entities_of_a_tag, ["&lt;a&gt; &#039;b&#039;"]),
        ("delete_404", "object", deleted, '{"message":"","error":"not_found"}'),
        ("delete_404", "null", deleted, "null"),
        ("delete_404", "empty", deleted, ""),
        ("delete_absent", "404", deletion, 404),
        ("delete_absent", "200", deletion, 200),
        ("delete_absent", "200", lambda ask, _: ask("/manga/999999999/my_list_status", "DELETE").status_code, 404),
        ("fills_in", "off", completed, {"num_episodes_watched": 0}),
        ("fills_in", "on", completed, {"num_episodes_watched": 64, "finish_date": "2026-11-01"}),
        ("fills_in", "off", last_episode, "plan_to_watch"),
        ("fills_in", "on", last_episode, "completed"),
        ("merged_titles", "anime:5114=anime:25835", merged, [False, True]),
        ("merged_titles", "", merged, [True, False]),
        ("private_error", "forbidden", private, '{"message":"","error":"forbidden"}'),
        ("not_found_message", "gone", lambda ask, _: ask("/manga/9").text, '{"message":"gone","error":"not_found"}'),
        ("me_without_user", "401", without_user, 401),
        ("me_without_user", "400", without_user, 400),
        ("statistics", "off", lambda ask, _: "anime_statistics" in ask("/users/@me?fields=anime_statistics").json(), False),
        ("client_id", "mine", lambda _, box: as_client(box, "mine"), 200),
        ("client_id", "mine", lambda _, box: as_client(box, "yours"), 400),
        ("client_id", "", lambda _, box: as_client(box, ""), 400),
        ("client_id", "mine", lambda _, box: as_client(box, box.client_id), 200),
        ("quota", "0", asked_often, [200] * 5),
        ("quota", "3", asked_often, [200, 200, 200, 403, 403]),
        ("quota", "5", asked_often, [200] * 5),
        ("gzip", "on", lambda ask, _: ask("/anime/1").headers.get("Content-Encoding"), "gzip"),
        ("gzip", "off", lambda ask, _: ask("/anime/1").headers.get("Content-Encoding"), None),
    ],
)  # fmt: skip
def test_a_setting_is_seen_over_http(setting, value, act, expected):
    assert seen({setting: value}, act) == expected


class Clock:
    """A time that tests move."""

    now = datetime(2026, 11, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_what_is_beyond_the_quota_is_put_off_by_a_429_and_does_not_count():
    clock = Clock()
    with Sandbox(World.demo(clock), settings={"quota": "2", "over_quota": "429"}) as box:

        def ask(after: float) -> tuple[int, str | None]:
            clock.now += timedelta(seconds=after)
            answer = requests.get(f"{box.api_url}/anime/1", headers={"X-MAL-CLIENT-ID": box.client_id})
            return answer.status_code, answer.headers.get("Retry-After")

        assert [ask(after) for after in (0, 40.5, 1, 18, 0.5, 0, 40)] == [
            (200, None), (200, None), (429, "19"), (429, "1"), (200, None), (429, "41"), (429, "1"),
        ]  # fmt: skip
        assert [ask(after) for after in (0.5, 0)] == [(200, None), (429, "20")]
        assert requests.post(f"{box.auth_url}/token", data={}).status_code == 400


def test_the_block_page_is_the_one_that_clients_know():
    """MALSync looks for these words."""
    block = seen({"quota": "1"}, lambda ask, _: [ask("/anime/1"), ask("/users/@me", token="none")][1])

    assert isinstance(block, requests.Response)
    assert (block.status_code, block.headers["Content-Type"]) == (403, "text/html; charset=UTF-8")
    assert "Request blocked" in block.text


def test_packed_answers_are_the_same_and_only_sent_to_those_who_take_them():
    def act(ask: Callable[..., requests.Response], box: Sandbox) -> tuple[object, object]:
        plain = requests.get(
            f"{box.api_url}/anime/1", headers={"X-MAL-CLIENT-ID": box.client_id, "Accept-Encoding": ""}
        )
        return plain.headers.get("Content-Encoding"), plain.json() == ask("/anime/1").json()

    assert seen({"gzip": "on"}, act) == (None, True)


def test_settings_are_read_from_text():
    settings = Settings.parse({"default_limit": "100", "expires_in": "60", "tag_spaces": "trim"})

    assert (settings.default_limit, settings.expires_in, settings.tag_spaces) == (100, 60, "trim")
    assert Settings.parse({}) == Settings()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"limit": "100"}, "default_limit"),
        ({"default_limit": "20"}, "10 or 100"),
        ({"expires_in": "soon"}, "whole number"),
        ({"expires_in": "-1"}, "whole number"),
        ({"over_limit": ""}, "refuse or clamp"),
    ],
)
def test_a_setting_that_is_not_right_says_what_would_be(given, named):
    with pytest.raises(SandboxError, match=named):
        Settings.parse(given)


def code(text: str) -> str:
    return f"`{text}`" if text else "empty"


def own_keys(kind: Kind) -> str:
    return ", ".join(f"`{name}` ({default or '-'})" for name, default in kind.keys.items())


DOCUMENTED = [
    *(
        f"| `{row.name}` | {code(row.default)} | {', '.join(map(code, row.allowed)) or 'any'} | {row.says} |"
        for row in SETTINGS
    ),
    *(f"| `{name}` | {key.says} |" for name, key in {**SHARED_KEYS, **OWN_KEYS}.items()),
    *(
        f"| `{kind.name}` | {kind.strikes} | {'yes' if kind.done else 'no'} | {own_keys(kind)} | {kind.says} |"
        for kind in KINDS.values()
    ),
]


@pytest.mark.parametrize("row", DOCUMENTED, ids=lambda row: row.split("`")[1])
def test_the_document_has_each_setting_and_fault_as_it_is(row):
    assert row in DOCUMENT.read_text("utf-8").splitlines()


def test_the_document_has_no_setting_or_fault_that_is_not_there():
    tables = DOCUMENT.read_text("utf-8").partition("## Settings")[2].partition("## Control addresses")[0]

    rows = [line for line in tables.splitlines() if line.startswith("| `")]

    assert sorted(rows) == sorted(DOCUMENTED)


def test_every_example_of_a_fault_in_the_document_is_right():
    section = DOCUMENT.read_text("utf-8").partition("## Faults")[2].partition("Without `on`")[0]
    examples = [line.strip().partition("  ")[0] for line in section.splitlines() if line.startswith("    ")]

    named = {fault.kind.name for example in examples for fault in parsed_faults(example)}

    assert len(examples) > 10
    assert named >= {kind.name for kind in KINDS.values() if kind.strikes == "writes"}
