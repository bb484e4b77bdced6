"""The addresses under /v1/oauth2: the consent page and the token endpoint."""

from __future__ import annotations

import base64
import binascii
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import unquote_plus

from malsync.sandbox.exchange import Answer, Call
from malsync.sandbox.settings import Settings
from malsync.sandbox.world import World

_PAGE = Path(__file__).with_name("consent.html")


class Consent:
    """The authorization server of one world over HTTP. Every method answers a call, or raises OAuthRefusal."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._authority = world.authority
        self._settings = settings

    def page(self, call: Call) -> Answer:
        """GET /authorize: a page with the accounts, Allow and Deny."""
        self._authority.checked(call.query, self._settings)
        hidden = "\n".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in call.query.items()
        )
        accounts = "\n".join(
            f'<label><input type="radio" name="user" value="{escape(name)}"{"" if number else " checked"}> {escape(name)}</label>'
            for number, name in enumerate(self._world.accounts)
        )
        page = Template(_PAGE.read_text("utf-8"))
        text = page.substitute(action=escape(call.path), hidden=hidden, accounts=accounts)
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
        return Answer.html(text, headers={"Content-Security-Policy": policy})

    def decide(self, call: Call) -> Answer:
        """POST /authorize: the form of the page; a redirect to the application with a code or with an error."""
        form = {**call.query, **call.form}
        request = self._authority.checked(form, self._settings)
        if form.get("decision") != "allow":
            return Answer.redirect(self._authority.denied(request))
        account = self._world.account(form.get("user", self._world.first.name))
        if account is None:
            return Answer.html("<p>There is no such account in this sandbox.</p>", 400)
        return Answer.redirect(self._authority.allowed(request, account.name, self._settings))

    def token(self, call: Call) -> Answer:
        """POST /token: tokens for a code or for a refresh token."""
        tokens = self._authority.token(call.form, _basic(call), self._settings)
        return Answer.json(tokens, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _basic(call: Call) -> tuple[str, str] | None:
    """Return client id and secret of HTTP Basic, if it is used (purarue/malexport uses it)."""
    scheme, _, text = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(client_id), unquote_plus(secret)
