"""Bytes as MAL sends them, and the `fields` parameter."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from malsync.sandbox.errors import SandboxError

Fields = Mapping[str, "Fields"]
"""What `fields` names, in its order; each with what stands in its braces."""

JSON_TYPE = "application/json; charset=UTF-8"

_BESIDE_NAMES = string.whitespace + "[]'\""

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def encoded(value: Any) -> bytes:
    r"""`value` as PHP's json_encode writes it, which is what MAL sends: compact, with `\/` and `\uXXXX`.

    Outside strings JSON has no slash, so replacing each one in the finished text is exact.
    """
    return _encode(value).replace("/", r"\/").encode("ascii")


def decoded(text: bytes) -> Any:
    """The JSON of whoever sets the sandbox up. Raises ValueError, of which SandboxError is one, for what is none."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise SandboxError("it is nested too deep") from None
    except UnicodeEncodeError:
        raise SandboxError("it has half of a character, which no file can hold") from None
    return value


@lru_cache(maxsize=64)
def parsed_fields(text: str) -> Fields:
    """`fields` as nested names: `a,b{c, d}` is `{"a": {}, "b": {"c": {}, "d": {}}}`.

    Spaces around names are accepted (go-myanimelist integration_test), braces that do not close are too, and so are the
    brackets and quotes of a list as Python writes it (AllanCapistrano/myanimelistpy sends `['rank', 'status']`). Whether
    a name means anything is not asked here: MAL passes over those it does not know (MALSync asks both media for both
    counts).
    """
    root: dict[str, Any] = {}
    open_ones = [root]
    last = root
    for piece in re.findall(r"[{}]|[^{},]+", text):
        if piece == "{":
            open_ones.append(last)
        elif piece == "}":
            open_ones = open_ones[:-1] or [root]
        elif name := piece.strip(_BESIDE_NAMES):
            last = open_ones[-1].setdefault(name, {})
    return root
