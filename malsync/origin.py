"""The origin of an address. It stands apart so that whoever reads a file need not bring in the network."""

from urllib.parse import urlsplit


def origin_of(url: str) -> str:
    """Scheme, host and port: what a token is bound to and what makes a MAL user's id unique.

    Of a text that is no address, its beginning: it equals no origin.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url[:60]
    return f"{parts.scheme}://{parts.netloc}".lower()
