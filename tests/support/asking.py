"""Asking a sandbox's API with nothing between, and reading what it answers."""

from collections.abc import Callable
from typing import Any

import requests

from malsync.sandbox import Sandbox

Get = Callable[..., Any]
"""The JSON at a path, with these parameters."""


def refused(box: Sandbox, path: str, **parameters: str) -> tuple[int, str]:
    """The status and the text that whoever has a client id gets."""
    response = requests.get(box.api_url + path, params=parameters, headers={"X-MAL-CLIENT-ID": box.client_id})
    return response.status_code, response.text


def bad(message: str) -> tuple[int, str]:
    """What a parameter that is not right gets."""
    return 400, f'{{"message":"{message}","error":"bad_request"}}'


def nodes(page: Any) -> list[dict[str, Any]]:
    """The titles in a page."""
    return [entry["node"] for entry in page["data"]]


def titles(page: Any) -> list[str]:
    """What the titles in a page are called."""
    return [node["title"] for node in nodes(page)]
