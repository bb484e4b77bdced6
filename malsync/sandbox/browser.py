"""Answers a consent page, for demos and tests: `python -m malsync.sandbox.browser URL [--user NAME] [--deny]`.

Opens the consent page of a sandbox, or a file that redirects to it, presses Allow (or Deny), and follows the redirect to the
application on this machine. It opens loopback addresses only and uses no proxy. Exit 0 if the application answered, else 1.
"""

from __future__ import annotations

import argparse
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener, url2pathname

TIMEOUT = 10.0


class NotLoopback(URLError):
    """An address that is not on this machine."""


class _OnlyLoopback(HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        return super().redirect_request(req, fp, code, msg, headers, _on_loopback(newurl))


class _Page(HTMLParser):
    """An HTML page: the action and values of its form, and the address of its `http-equiv=refresh`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.values: dict[str, str] = {}
        self.refresh = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = attributes.get("action", "")
        elif tag == "input" and (attributes.get("type") != "radio" or "checked" in attributes):
            self.values[attributes["name"]] = attributes.get("value", "")
        elif tag == "meta" and attributes.get("http-equiv") == "refresh":
            self.refresh = attributes.get("content", "").partition("url=")[2]


def answer_consent(url: str, *, user: str | None = None, deny: bool = False) -> str:
    """Answer the consent page at `url`, and return the text of the page on which the browser ends.

    `user` is an account of the sandbox, by default the first. Raises URLError: an HTTPError for a page that refuses,
    NotLoopback before a request to another machine.
    """
    if (parts := urlsplit(url)).scheme == "file":
        url = _Page(Path(url2pathname(parts.path)).read_text(encoding="utf-8")).refresh
    opener = build_opener(ProxyHandler({}), _OnlyLoopback())
    with opener.open(_on_loopback(url), timeout=TIMEOUT) as page:
        form = _Page(page.read().decode())
    values = form.values | {"decision": "deny" if deny else "allow"} | ({"user": user} if user else {})
    request = Request(_on_loopback(urljoin(url, form.action)), urlencode(values).encode())  # noqa: S310 checked
    with opener.open(request, timeout=TIMEOUT) as page:
        return str(page.read().decode("utf-8", "replace"))


def _on_loopback(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost"):
        raise NotLoopback(f"{url} is not on this machine")
    return url


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m malsync.sandbox.browser", description="Answer a consent page.")
    parser.add_argument("url")
    parser.add_argument("--user", help="an account of the sandbox (default: its first one)")
    parser.add_argument("--deny", action="store_true", help="press Deny")
    arguments = parser.parse_args()
    try:
        answer_consent(arguments.url, user=arguments.user, deny=arguments.deny)
    except OSError as error:  # URLError is one
        sys.stderr.write(f"the consent page was not answered: {getattr(error, 'reason', error)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
