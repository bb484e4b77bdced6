"""Check URLs: their origin, and whether a token may be sent there. Imports no HTTP library, so that file formats can use it."""

from urllib.parse import urlsplit

from malsync.errors import UsageError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def origin_of(url: str) -> str:
    """Return scheme, host and port: what a token is bound to and what makes a MAL user's id unique.

    For a text that is not a URL it returns the beginning, which equals no origin.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url[:60]
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_loopback(url: str) -> bool:
    """Return whether the address is one of this machine's own."""
    return (urlsplit(url).hostname or "") in _LOOPBACK


def check_url(url: str, name: str) -> str:
    """Return `url` without a trailing slash. Raises UsageError unless it is https, or http on this machine.

    `name` is the setting or parameter that holds it, for the message.
    """
    if "@" in url:
        raise UsageError(
            f"{name} holds a user name or a password.", "Take it out; malsync signs in with its own tokens."
        )
    if not _is_safe(url):
        raise UsageError(
            f"{name} is {url!r}: malsync sends tokens over https only (http on this machine's own addresses).",
            f"Set {name} to an address that begins with https://",
        )
    return url.rstrip("/")


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # urlsplit checks the port only when it is read.
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_address and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))
