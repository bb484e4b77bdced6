"""Who may look, and what a page may load: the door in front of Datasette, as ASGI."""

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
"""The policy of our own pages, pictures apart: no script at all, no style but the shipped one."""


def policy(pictures: str = "") -> str:
    """The policy of our own pages. `pictures` are the sources from which covers may come, with blanks between them."""
    return f"{STRICT}; img-src 'self' {pictures}".rstrip()


# Datasette colours its headings by style attributes; its scripts come from files, its inline ones are left out.
_DATASETTES = (
    f"default-src 'none'; style-src 'self' 'unsafe-inline'; {_COMMON}; img-src 'self';"
    " script-src 'self'; connect-src 'self'"
)

_ENTER = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>malsync</title></head>
<body><p><a href="/">Go on</a></p></body></html>
"""
_REFUSED = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{status}</title></head><body><p>{why}</p></body></html>
"""


class Guard:
    """Lets through GET and HEAD of whoever was given the key, to the addresses that are ours; nothing else reaches `app`.

    The host is checked first: a page elsewhere can make its own name point at 127.0.0.1 (DNS rebinding), and is answered
    421. Then the key: a shared machine's loopback is everyone's, and without it there is 403. The key comes once, in the
    address, and is a cookie from then on. Cookies do not tell ports apart, so its name does.
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
            await _refuse(send, 421, "This server answers to 127.0.0.1 and localhost only.")
        elif self._is_key(*parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])):
            await self._enter(send)
        elif not self._is_key(*self._cookies(headers)):
            await _refuse(send, 403, "Open the whole address that malsync browse printed: it ends with a key.")
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "The mirror is only read here.")
        elif scope["path"][1:2] in ("/", "\\"):
            # Datasette leads from an address that ends with a stroke to one without it, and this one begins with a host.
            await _refuse(send, 404, "There is nothing at this address.")
        else:
            await self._app(scope, receive, _with_headers(send))

    def _is_key(self, *given: str) -> bool:
        return any(secrets.compare_digest(one.encode(), self._key.encode()) for one in given)

    def _cookies(self, headers: list[tuple[str, str]]) -> list[str]:
        found = []
        for name, text in headers:
            if name == "cookie":
                try:
                    cookies = SimpleCookie(text)
                except CookieError:
                    continue
                found += [cookies[self._cookie].value] if self._cookie in cookies else []
        return found

    async def _enter(self, send: Send) -> None:
        # A page that goes on by itself, not a redirect: the browser may have come from another program's page, and then
        # sends no SameSite=Strict cookie along a redirect.
        cookie = f"{self._cookie}={self._key}; Path=/; HttpOnly; SameSite=Strict"
        await _answer(send, 200, _ENTER, {"set-cookie": cookie, "content-security-policy": STRICT})


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            given = {name.lower() for name, _ in headers}
            for name, text in {**_ALWAYS, "content-security-policy": _DATASETTES}.items():
                if name.encode() not in given:
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
