"""A local server that behaves like the MyAnimeList API v2: for tests, the demo and rehearsals.

Imports nothing of the rest of malsync; see `media` for the reason.

    world = World.demo()
    with Sandbox(world, port=0) as box:
        requests.get(f"{box.api_url}/users/@me", headers={"Authorization": f"Bearer {box.access_token}"})
"""

from malsync.sandbox.account import Account
from malsync.sandbox.catalogue import Catalogue
from malsync.sandbox.errors import Refusal, SandboxError
from malsync.sandbox.running import Sandbox
from malsync.sandbox.settings import Settings
from malsync.sandbox.world import World

__all__ = ["Account", "Catalogue", "Refusal", "Sandbox", "SandboxError", "Settings", "World"]
