"""JSON as MAL sends it, and the `fields` parameter."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from malsync.sandbox.errors import SandboxError

Fields = Mapping[str, "Fields"]
"""The names in `fields`, in order, each with the names in its braces."""

JSON_TYPE = "application/json; charset=UTF-8"

_BESIDE_NAMES = string.whitespace + "[]'\""

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def encoded(value: Any) -> bytes:
    r"""Return `value` as PHP's json_encode writes it, which MAL uses: compact, with `\/` and `\uXXXX`.

    JSON has no slash outside strings, so each slash of the text can be replaced.
    """
    return _encode(value).replace("/", r"\/").encode("ascii")


def decoded(text: bytes) -> Any:
    """Parse the JSON of a state or a control request. Raises ValueError (SandboxError is one) if it is not valid."""
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
    """Parse `fields` into nested names: `a,b{c, d}` is `{"a": {}, "b": {"c": {}, "d": {}}}`.

    Accepted are spaces around names (go-myanimelist integration_test), braces that do not close, and the brackets and quotes
    of a list as Python writes it (AllanCapistrano/myanimelistpy sends `['rank', 'status']`). Unknown names stay in: MAL
    ignores them (MALSync asks both media for both counts).
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
