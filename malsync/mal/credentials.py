"""Who asks the API: what proves it, as the client is given it. The tokens of an account are in auth.py."""

from dataclasses import dataclass, field

from malsync.errors import AuthError


@dataclass(frozen=True, slots=True)
class ClientId:
    """No user at all: public reads with the client id (MAL allows them since 2021, myanimelist-api-v2#7)."""

    client_id: str

    def headers(self) -> dict[str, str]:
        """The client id's header."""
        return {"X-MAL-CLIENT-ID": self.client_id}

    def renew(self, refused: dict[str, str]) -> bool:  # noqa: ARG002
        """A client id cannot be renewed."""
        return False


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token from elsewhere: used as it is, never stored, never refreshed. `source` is what it was read from, if anything."""

    access_token: str = field(repr=False)
    source: str = ""

    def headers(self) -> dict[str, str]:
        """The token's header."""
        return {"Authorization": f"Bearer {self.access_token}"}

    def renew(self, refused: dict[str, str]) -> bool:  # noqa: ARG002
        """It is not ours to refresh. Raises AuthError that names its source: logging in would not replace it."""
        if self.source:
            raise AuthError(
                f"MAL refused the token in {self.source}.",
                "Put a fresh one there, or unset it. Log in again: malsync login",
            )
        return False
