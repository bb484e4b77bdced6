"""Credentials that need no store: a client id, or a token from elsewhere. Those of an account are in token_store.py."""

from dataclasses import dataclass, field

from malsync.errors import TokenRefused


@dataclass(frozen=True, slots=True)
class ClientId:
    """Read public data with the client id and no user (MAL allows it since 2021, myanimelist-api-v2#7)."""

    client_id: str

    def headers(self) -> dict[str, str]:
        """Return the header with the client id."""
        return {"X-MAL-CLIENT-ID": self.client_id}

    def renew(self, refused: dict[str, str]) -> bool:  # noqa: ARG002
        """Return False: a client id cannot be renewed."""
        return False


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token from elsewhere: never stored, never refreshed. `source` names the setting that it was read from, if any."""

    access_token: str = field(repr=False)
    source: str = ""

    def headers(self) -> dict[str, str]:
        """Return the header with the token."""
        return {"Authorization": f"Bearer {self.access_token}"}

    def renew(self, refused: dict[str, str]) -> bool:  # noqa: ARG002
        """Return False: it cannot be refreshed. With a `source`, raises TokenRefused, since logging in would not replace it."""
        if self.source:
            raise TokenRefused(f"MAL refused the token in {self.source}.", advice="replace the token")
        return False
