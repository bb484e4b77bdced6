"""The sandbox over HTTP: routes, access, faults, quota, and the log of requests."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import format_datetime
from functools import partial
from math import ceil
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from malsync.sandbox.api import Api
from malsync.sandbox.consent import Consent
from malsync.sandbox.endpoints import ENDPOINTS
from malsync.sandbox.errors import ExpiredToken, OAuthRefusal, Refusal, SandboxError, not_found
from malsync.sandbox.exchange import BLOCKED, NOT_DONE, TOO_MANY, Answer, Call, nginx
from malsync.sandbox.faults import Fault, parsed_faults
from malsync.sandbox.pictures import Gallery
from malsync.sandbox.responses import Cut, Held, Stalls
from malsync.sandbox.settings import Settings
from malsync.sandbox.wire import decoded
from malsync.sandbox.world import World

Handler = Callable[[Call], Answer]

MINUTE = 60.0

LOG_LENGTH = 50_000
"""Older requests leave the log; the counts have all of them."""

SECRET_PARAMETERS = frozenset(
    {"access_token", "client_secret", "code", "code_challenge", "code_verifier", "state", "token"}
)
"""Their values never appear in the log. The challenge is among them: with `plain` it is the verifier."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

EXPIRED = {"WWW-Authenticate": 'Bearer error="invalid_token",error_description="The access token expired"'}
"""The header of the API's 401 (erengy/taiga)."""


class Site:
    """One world behind HTTP. `app` is the ASGI application; it answers only requests to `hosts`.

    It calls `changed` after writes, and `heard` with each row of the log. With `control` it has the control addresses, which
    show and change everything without a token.
    """

    def __init__(self, world: World, settings: Settings, latency: float = 0.0, *, control: bool = True) -> None:
        self.hosts: frozenset[str] = frozenset()
        self.changed: Callable[[], None] = lambda: None
        self.heard: Callable[[dict[str, Any]], object] = lambda _row: None
        self.stalls = Stalls()
        self.counts: Counter[str] = Counter()
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
        self._world = world
        self._settings = settings
        self._latency = latency
        self._faults: list[Fault] = []
        self._api = Api(world, settings)
        self._last_minute: deque[float] = deque()
        self._elsewhere = self._route("/{rest:path}", _nothing_here, *METHODS)
        self.app = Starlette(routes=[*(self._controls() if control else ()), *self._routes(Consent(world, settings))])
        self.app.router.default = self._elsewhere.app  # for paths with a line feed in them, which `path` does not match

    def add_faults(self, spec: str) -> None:
        """Add the faults of a spec. Raises SandboxError if it is not valid."""
        added = parsed_faults(spec)
        with self._world.lock:
            self._faults += added

    def clear_faults(self) -> None:
        with self._world.lock:
            self._faults.clear()

    def _routes(self, consent: Consent) -> list[Route]:
        route = self._route
        routes = [
            route("/v1/oauth2/authorize", consent.page, "GET"),
            route("/v1/oauth2/authorize", consent.decide, "POST"),
            route("/v1/oauth2/token", consent.token, "POST"),
            route("/images/{kind}/{name}.svg", Gallery(self._world.catalogue).show, "GET"),
        ]
        for endpoint in ENDPOINTS:
            answer = partial(endpoint.answer, self._api)
            routes += [
                route(path, answer, *endpoint.methods, where=where, most=endpoint.most)
                for path, where in endpoint.routes()
            ]
        return [*routes, self._elsewhere]

    def _controls(self) -> list[Route]:
        return [
            self._control("/_sandbox/requests", self._show_requests, "GET"),
            self._control("/_sandbox/state", self._show_state, "GET"),
            self._control("/_sandbox/state", self._put_state, "PUT"),
            self._control("/_sandbox/faults", self._put_faults, "POST"),
        ]

    def _route(
        self, path: str, handler: Handler, *methods: str, where: Mapping[str, str] | None = None, most: int = 0
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            if (call := await self._call(request, where or {}, most)) is None:
                return _misdirected()
            if self._latency:
                await asyncio.sleep(self._latency)
            with self._world.lock:
                answer = self._answer(call, handler)
            response = self._response(answer, call)
            return response if answer.held is None else Held(response, answer.held, self.stalls)

        return Route(path, endpoint, methods=methods)

    def _control(self, path: str, handler: Handler, *methods: str) -> Route:
        """Return a control address: without faults, latency and log."""

        async def endpoint(request: Request) -> Response:
            if (call := await self._call(request, {})) is None:
                return _misdirected()
            try:
                return self._response(handler(call), call)
            except ValueError as error:  # a SandboxError, or text that is not JSON
                return self._response(Answer.json({"error": str(error)}, 400), call)

        return Route(path, endpoint, methods=methods)

    async def _call(self, request: Request, where: Mapping[str, str], most: int = 0) -> Call | None:
        """Return the request as a call; None if it names another host, as a page that rebinds DNS does."""
        if (host := request.headers.get("host")) not in self.hosts:
            return None
        return Call(
            request.method,
            request.url.path,
            f"http://{host}",
            dict(request.query_params),
            dict(request.headers),
            await request.body(),
            {**request.path_params, **where},
            most,
        )

    def _answer(self, call: Call, handler: Handler) -> Answer:
        """Return the answer of the world, changed by the faults that strike the request; log the request."""
        self._api.identify(call)
        struck = [fault for fault in self._faults if fault.strikes(call)]
        for fault in struck:
            fault.kind.before(self._world, call, fault.values)
        answer = self._carried_out(call, handler) if all(fault.done for fault in struck) else NOT_DONE
        for fault in struck:
            answer = fault.kind.bend(answer, call, fault.values)
        self._record(call, answer, struck)
        if call.method != "GET" or struck:
            self.changed()
        return answer

    def _carried_out(self, call: Call, handler: Handler) -> Answer:
        try:
            if call.is_api:
                if (refusal := self._over_quota()) is not None:
                    return refusal
                self._api.admit(call)
            return handler(call)
        except ExpiredToken:
            return Answer.json({"error": "invalid_token"}, 401, EXPIRED)
        except OAuthRefusal as no:
            headers = {"WWW-Authenticate": 'Basic realm="OAuth"'} if no.body["error"] == "invalid_client" else {}
            return Answer.json(no.body, no.status, headers)
        except Refusal as no:
            message = self._settings.not_found_message if no.status == 404 else no.message
            return Answer.json({"message": message, "error": no.error}, no.status, EXPIRED if no.status == 401 else {})

    def _over_quota(self) -> Answer | None:
        """Return the answer to a request beyond the quota; None counts the request and lets it through.

        MAL documents no limit, and the answer beyond its limit was seen as a 403, never as the 429 that clients expect: so
        both are settings.
        """
        if not self._settings.quota:
            return None
        now, times = self._world.clock().timestamp(), self._last_minute
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) < self._settings.quota:
            times.append(now)
            return None
        if self._settings.over_quota == "403":
            return BLOCKED
        return nginx(*TOO_MANY, retry_after=str(ceil(times[0] + MINUTE - now)))

    def _record(self, call: Call, answer: Answer, struck: list[Fault]) -> None:
        query = {name: "..." if name in SECRET_PARAMETERS else value for name, value in call.query.items()}
        row: dict[str, Any] = {
            "method": call.method,
            "path": call.path,
            "query": urlencode(query, safe=",{}@"),
            "status": 0 if answer.cut else answer.status,
            "kind": call.kind,
            "user": call.user.name if call.user else None,
            "user_agent": call.headers.get("user-agent", ""),
        }
        if call.is_api:
            self.counts[call.method] += 1
            row["form"] = call.form
        elif call.kind == "oauth":
            row["grant_type"] = call.form.get("grant_type")
        if struck:
            row["faults"] = [fault.kind.name for fault in struck]
        self.log.append(row)
        self.heard(row)

    def _response(self, answer: Answer, call: Call) -> Response:
        headers = {**answer.headers, "Content-Type": answer.content_type}
        if self._settings.date == "on":  # clients compare it with their own clock
            headers["Date"] = format_datetime(self._world.clock().astimezone(UTC), usegmt=True)
        body = answer.body
        if self._settings.gzip == "on" and "gzip" in call.headers.get("accept-encoding", "") and body:
            body = gzip.compress(body, compresslevel=1)
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        response = Response(body, answer.status, headers)
        return Cut(response, answer.cut) if answer.cut else response

    def _show_requests(self, _call: Call) -> Answer:
        with self._world.lock:
            return Answer.json({"counts": dict(self.counts), "log": list(self.log)})

    def _show_state(self, _call: Call) -> Answer:
        return Answer.json(self._world.state())

    def _put_state(self, call: Call) -> Answer:
        self._world.put_state(decoded(call.body))
        self.changed()
        return self._show_state(call)

    def _put_faults(self, call: Call) -> Answer:
        is_json = call.headers.get("content-type", "").startswith("application/json")
        form = decoded(call.body) if is_json else call.form
        spec = form.get("spec") if isinstance(form, dict) else None
        if not isinstance(spec, str):
            raise SandboxError("spec is missing: the faults to add, or an empty text to clear them")
        if spec:
            self.add_faults(spec)
        else:
            self.clear_faults()
        return Answer.json({"spec": spec})


def _nothing_here(_call: Call) -> Answer:
    raise not_found()


def _misdirected() -> Response:
    return PlainTextResponse("This server answers to its own address only.\n", 421)
