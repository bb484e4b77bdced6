"""The clients of a home folder: the addresses, credentials and pace that its settings say."""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from malsync.errors import AuthError
from malsync.operations.environment import Environment, Listener

if TYPE_CHECKING:
    from malsync.anilist.client import AniList
    from malsync.clock import Clock
    from malsync.mal.client import Client
    from malsync.mal.oauth import TokenEndpoint
    from malsync.operations.config import Settings
    from malsync.transport import Credentials


class Clients:
    """Makes clients for the home folder at `folder`. `named_account` is the account that was asked for by name, if any."""

    def __init__(
        self,
        folder: Path,
        settings: "Settings",
        environment: Environment,
        listener: Listener,
        account_name: str,
        named_account: str | None,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._environment = environment
        self._listener = listener
        self._account_name = account_name
        self._named_account = named_account
        self._made: list[Client | AniList] = []

    def close(self) -> None:
        """Close the connections of every client that was made."""
        for client in self._made:
            client.close()

    @cached_property
    def api_url(self) -> str:
        """The API's address, fit to send a token to."""
        from malsync.urls import check_url

        return check_url(self._settings.api_url, "MALSYNC_API_URL")

    def token_endpoint(self) -> "TokenEndpoint":
        """MAL's token endpoint."""
        from malsync.mal.oauth import TokenEndpoint
        from malsync.urls import check_url

        settings = self._settings
        return TokenEndpoint(
            check_url(settings.auth_url, "MALSYNC_AUTH_URL"),
            settings.client_id,
            settings.client_secret,
            self._environment.clock,
            settings.user_agent,
        )

    def mal(self, credentials: "Credentials", clock: "Clock | None" = None) -> "Client":
        """A client of the API with these credentials; `clock` where its waits may be broken off."""
        from malsync.mal.client import Client
        from malsync.throttle import Throttle

        settings = self._settings
        clock = clock or self._environment.clock
        per_second = settings.requests_per_second
        client = Client(
            self.api_url,
            credentials,
            user_agent=settings.user_agent,
            throttle=None if per_second is None else Throttle(per_second, clock),
            clock=clock,
            jitter=self._environment.jitter,
            log=self._listener.log,
            waiting=self._listener.note,
        )
        self._made.append(client)
        return client

    def anilist(self) -> "AniList":
        """A client of AniList, which asks for no sign-in."""
        from malsync.anilist.client import AniList
        from malsync.urls import check_url

        client = AniList(
            check_url(self._settings.anilist_url, "MALSYNC_ANILIST_URL"),
            user_agent=self._settings.user_agent,
            clock=self._environment.clock,
            jitter=self._environment.jitter,
            log=self._listener.log,
            waiting=self._listener.note,
        )
        self._made.append(client)
        return client

    @property
    def requests(self) -> dict[str, int]:
        """How many requests this command has sent so far, by method; those to the token endpoint are not among them."""
        total: Counter[str] = Counter()
        for client in self._made:
            total += client.requests
        return dict(total)

    def credentials(self, account: str | None = None) -> "Credentials":
        """The token of `account`, of the one that is meant when that is None. Raises AuthError when not logged in."""
        from malsync.mal.credentials import FixedToken
        from malsync.mal.token_store import StoredToken, store_of
        from malsync.urls import origin_of

        settings = self._settings
        if settings.access_token and account in {None, self._named_account}:
            return FixedToken(settings.access_token, "MALSYNC_ACCESS_TOKEN")
        store = store_of(self._folder, settings.token_store)
        if settings.access_token and store.load(account or self._account_name) is None:
            # Whose it is, the caller checks.
            return FixedToken(settings.access_token, "MALSYNC_ACCESS_TOKEN")
        return StoredToken(
            store,
            account or self._account_name,
            origin_of(self.api_url),
            self.token_endpoint(),
            self._environment.clock,
            self._environment.refreshing,
        )

    def public_credentials(self) -> "Credentials":
        """What reads a public list: the client id alone, else whatever token there is."""
        from malsync.mal.credentials import ClientId

        if self._settings.client_id:
            return ClientId(self._settings.client_id)
        try:
            return self.credentials()
        except AuthError as error:
            raise AuthError(
                "A public list is read with a client id, and none is set.",
                "Set MALSYNC_CLIENT_ID (README: Your client id).",
            ) from error
