"""Error pages: what stands in front of MAL answers in HTML, not JSON (nstratos/go-myanimelist)."""

from __future__ import annotations

from malsync.sandbox.exchange import Answer

BLOCKED = Answer.html(
    "<!DOCTYPE HTML><html><head><title>ERROR: The request could not be satisfied</title></head>"
    "<body><h1>403 ERROR</h1><h2>The request could not be satisfied.</h2><hr>Request blocked.</body></html>",
    403,
)
"""The page of a firewall. MALSync knows it by its last two words."""

CLOSED = Answer.html(
    "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><p>We will be back soon.</p></body></html>"
)
"""A page where JSON should be, with the status of a success."""

TIMED_OUT = (504, "Gateway Time-out")
TOO_MANY = (429, "Too Many Requests")


def nginx(status: int, reason: str, retry_after: str = "") -> Answer:
    """An error page as nginx writes it, with the header Retry-After if that is to be there."""
    head = f"<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>"
    page = f"{head}\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    return Answer.html(page, status, {"Retry-After": retry_after} if retry_after else {})
