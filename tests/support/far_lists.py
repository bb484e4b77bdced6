"""The lists of a sandbox's account: put there, read back, and what its log says was sent."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from malsync.model.entry import Key
from malsync.sandbox import World
from malsync.sandbox.media import MEDIA as FAR_SIDE
from tests.support.farside import Sandbox
from tests.support.harness import TestTime
from tests.support.invented_lists import Lists, by_medium

USER = "mika"
ENTRY = re.compile(r"/v2/(anime|manga)/(\d+)/my_list_status")
READS_ALONE = {"PATCH": 0, "DELETE": 0}


def world_of(lists: Lists, titles: Mapping[Key, Mapping[str, int]]) -> World:
    """One account with these lists, on titles with these totals, whose clock is a second further at each look."""
    known = {
        name: [{"id": id, "title": f"Title {id}", **totals} for (m, id), totals in titles.items() if m == name]
        for name in FAR_SIDE
    }
    world = World.holding(USER, {name: [] for name in FAR_SIDE}, known, clock=TestTime().now)
    put(world, lists)
    return world


def put(world: World, lists: Lists) -> None:
    """Make these the lists of the first account, as they are."""
    with world.lock:
        for name, entries in by_medium(lists).items():
            world.first.put_list(name, entries)


def holds(box: Sandbox, user: str = "") -> Lists:
    """Both lists as the far side has them."""
    return {(name, id): one for name in FAR_SIDE for id, one in box.entries(user or box.user, name).items()}


def key_of(row: Mapping[str, Any]) -> Key:
    """The entry that a row of the log is about."""
    found = ENTRY.fullmatch(row["path"])
    assert found, row
    return found[1], int(found[2])


class Log:
    """What the sandbox was asked for from now on."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box
        self._begin = len(box.requests)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for row in self._box.requests[self._begin :] if row["kind"] == "api"]

    @property
    def writes(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["method"] != "GET"]

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind of write."""
        return READS_ALONE | Counter(row["method"] for row in self.writes)

    @property
    def keys(self) -> set[Key]:
        return {key_of(row) for row in self.writes}

    @property
    def forms(self) -> dict[Key, dict[str, str]]:
        return {key_of(row): row["form"] for row in self.writes if row["method"] == "PATCH"}

    def assert_nothing_done_is_sent_twice(self) -> None:
        """A request that no fault struck, and that was carried out, was the last about its entry, and the only one."""
        carried_out: set[Key] = set()
        for row in self.writes:
            assert key_of(row) not in carried_out, [one for one in self.writes if key_of(one) == key_of(row)]
            if row["status"] == 200 and not row.get("faults"):
                carried_out.add(key_of(row))


def fault(spec: str, place: int | str) -> str:
    """`spec` at that write alone, the writes counted from 1."""
    return f"{spec}{',' if ':' in spec else ':'}on=my_list_status,nth={place}"
