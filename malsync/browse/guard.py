"""Access control in front of Datasette, as ASGI: who may read, and what a page may load."""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_ALWAYS = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_COMMON = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
STRICT = f"default-src 'none'; style-src 'self'; {_COMMON}"
"""The content security policy of our own pages, except images: no scripts, and no styles but ours."""


def policy(pictures: str = "") -> str:
    """Return the policy of our own pages. `pictures` are the sources of covers, separated by blanks."""
    return f"{STRICT}; img-src 'self' {pictures}".rstrip()


# Datasette colours its headings by style attributes. Its scripts come from files; our templates leave the inline ones out.
_DATASETTES = (
    f"default-src 'none'; style-src 'self' 'unsafe-inline'; {_COMMON}; img-src 'self';"
    " script-src 'self'; connect-src 'self'"
)

_ENTER = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>malsync</title></head>
<body><p><a href="/">Continue</a></p></body></html>
"""
_REFUSED = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{status}</title></head><body><p>{why}</p></body></html>
"""


class Guard:
    """Passes GET and HEAD requests with the right host and key on to `app`, and refuses all others.

    The host is checked first, with 421: a page elsewhere can make its own name point at 127.0.0.1 (DNS rebinding). Then the
    key, with 403: every user of the machine can connect to loopback. The key comes in the address once and in a cookie from
    then on. Cookies are shared between ports, so the cookie's name contains the port.
    """

    def __init__(self, app: Asgi, key: str, port: int) -> None:
        self._app = app
        self._key = key
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._cookie = f"malsync-browse-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = [(name.decode("latin-1").lower(), text.decode("latin-1")) for name, text in scope["headers"]]
        hosts = [text for name, text in headers if name == "host"]
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            await _refuse(send, 421, "This server only answers to 127.0.0.1 and localhost.")
        elif self._is_key(*parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])):
            await self._enter(send)
        elif not self._is_key(*self._cookies(headers)):
            await _refuse(send, 403, "Open the full address that malsync browse printed, including the key at its end.")
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "The mirror is read-only here.")
        elif scope["path"][1:2] in ("/", "\\"):
            # Datasette redirects an address with a slash at its end to one without, and this one would name another host.
            await _refuse(send, 404, "Page not found.")
        else:
            await self._app(scope, receive, _with_headers(send))

    def _is_key(self, *texts: str) -> bool:
        return any(secrets.compare_digest(text.encode(), self._key.encode()) for text in texts)

    def _cookies(self, headers: list[tuple[str, str]]) -> list[str]:
        keys = []
        for name, text in headers:
            if name == "cookie":
                try:
                    cookies = SimpleCookie(text)
                except CookieError:
                    continue
                keys += [cookies[self._cookie].value] if self._cookie in cookies else []
        return keys

    async def _enter(self, send: Send) -> None:
        # A page that refreshes to another, not a redirect: when the browser comes from another program's page, it sends no
        # SameSite=Strict cookie along a redirect.
        cookie = f"{self._cookie}={self._key}; Path=/; HttpOnly; SameSite=Strict"
        await _answer(send, 200, _ENTER, {"set-cookie": cookie, "content-security-policy": STRICT})


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            for name, text in {**_ALWAYS, "content-security-policy": _DATASETTES}.items():
                if name.encode() not in present:
                    headers.append((name.encode(), text.encode()))
            message = {**message, "headers": headers}
        await send(message)

    return sent


async def _refuse(send: Send, status: int, why: str) -> None:
    text = _REFUSED.format(status=status, why=escape(why))
    await _answer(send, status, text, {"content-security-policy": STRICT})


async def _answer(send: Send, status: int, text: str, more: dict[str, str]) -> None:
    headers = {"content-type": "text/html; charset=utf-8", "cache-control": "no-store", **_ALWAYS, **more}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": text.encode()})
