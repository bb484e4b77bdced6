"""Addresses: where they are, and whether a token may be sent there.

This stands apart from the network, so that whoever reads a file need not bring it in.
"""

from urllib.parse import urlsplit

from malsync.errors import UsageError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def origin_of(url: str) -> str:
    """Scheme, host and port: what a token is bound to and what makes a MAL user's id unique.

    Of a text that is no address, its beginning: it equals no origin.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url[:60]
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    return (urlsplit(url).hostname or "") in _LOOPBACK


def check_url(url: str, name: str) -> str:
    """`url` without its last slash. Raises UsageError unless it is https, or http on this machine."""
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
        # A port that is none is found only when it is asked for.
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_address and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))
