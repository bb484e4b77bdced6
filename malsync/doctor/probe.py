"""One question to the API, asked once and quickly: is it there, what time is it there, and does it know who asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import requests
import urllib3

from malsync.clock import http_date
from malsync.errors import ApiError
from malsync.transport import REACH, cause, json_of, session_for

_TIMEOUT = (5.0, 10.0)
_MOST = 65_536


@dataclass(frozen=True)
class Answer:
    """What came back: HTTP's status, whom the API says it is talking to, and how many seconds its clock is ahead of ours."""

    status: int
    user: tuple[int, str] | None
    ahead: float | None


def ask(api_url: str, headers: Mapping[str, str], user_agent: str, now: Callable[[], datetime]) -> Answer:
    """GET /users/@me with these headers, which may be none: then MAL refuses, and that is an answer too.

    Raises ApiError where there is no answer, or one that is not of the API.
    """
    try:
        with session_for(api_url, user_agent) as session:
            before = now()
            with session.get(
                f"{api_url}/users/@me",
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = response.raw.read(_MOST, decode_content=True)
                after = now()
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise ApiError(f"{api_url} does not answer ({cause(error)}).", REACH) from error
    document = json_of(body)
    status = response.status_code
    if status == 429 or status >= 500 or 300 <= status < 400 or not isinstance(document, dict):
        raise ApiError(f"{api_url} answers {status}, which is no answer of the API.", REACH)
    name, id = document.get("name"), document.get("id")
    known = status == 200 and isinstance(name, str) and isinstance(id, int)
    return Answer(status, (int(str(id)), str(name)) if known else None, _ahead(response, before, after))


def _ahead(response: requests.Response, before: datetime, after: datetime) -> float | None:
    theirs = http_date(response.headers.get("Date", ""))
    if theirs is None:
        return None
    # The header knows whole seconds, and was written at some moment between the two.
    return (theirs - before).total_seconds() / 2 + (theirs - after).total_seconds() / 2
