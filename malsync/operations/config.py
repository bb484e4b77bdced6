"""Settings: from the environment, else from config.toml in the home folder, else the default."""

import os
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from malsync import API_URL, __version__, files
from malsync.errors import UsageError
from malsync.files import refuse_irregular

AUTH_URL = "https://myanimelist.net/v1/oauth2"
ANILIST_URL = "https://graphql.anilist.co"
REDIRECT_URI = "http://localhost:8765/callback"

FILE_NAME = "config.toml"
FROM_ENVIRONMENT = {
    "api_url": "MALSYNC_API_URL",
    "auth_url": "MALSYNC_AUTH_URL",
    "anilist_url": "MALSYNC_ANILIST_URL",
    "client_id": "MALSYNC_CLIENT_ID",
    "client_secret": "MALSYNC_CLIENT_SECRET",
    "redirect_uri": "MALSYNC_REDIRECT_URI",
}
"""The settings that are environment variables too; those go before the file."""

KEYS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(FROM_ENVIRONMENT, (str,)),
    "requests_per_second": (int, float),
    "user_agent": (str,),
    "token_store": (str,),
    "on_success": (str,),
    "on_failure": (str,),
}
_FORMS: dict[type, str] = {str: "a text in quotes", float: "a number"}
_STORES = ("file", "keyring")


@dataclass(frozen=True)
class Settings:
    """What malsync runs with. `requests_per_second` None: one, and no limit on this machine's own addresses."""

    home: Path
    api_url: str = API_URL
    auth_url: str = AUTH_URL
    anilist_url: str = ANILIST_URL
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    redirect_uri: str = REDIRECT_URI
    access_token: str = field(default="", repr=False)
    requests_per_second: float | None = None
    user_agent: str = f"malsync/{__version__}"
    token_store: str = "file"  # noqa: S105 - the name of a place, no secret
    on_success: str = ""
    on_failure: str = ""


def load(home: Path, environment: Mapping[str, str]) -> Settings:
    """The settings for the home folder `home`. Raises UsageError for a file that cannot be read or says something unknown."""
    try:
        is_file = home.exists() and not home.is_dir()
        has_settings = (home / FILE_NAME).exists()
    except OSError as error:
        raise UsageError(
            f"The home folder {home} cannot be used: {error.strerror or error}.", advice="choose another home"
        ) from error
    if is_file:
        raise UsageError(f"The home folder {home} is a file.", advice="choose a folder")
    if has_settings:
        refuse_irregular(home / FILE_NAME)
        _check_private(home)
    values = _from_file(home / FILE_NAME) if has_settings else {}
    for key, name in FROM_ENVIRONMENT.items():
        if environment.get(name):
            values[key] = environment[name]
    values["access_token"] = environment.get("MALSYNC_ACCESS_TOKEN", "")
    for key in ("access_token", "client_id", "client_secret", "user_agent"):
        if not (text := str(values.get(key, ""))).isascii() or not text.isprintable():
            name = FROM_ENVIRONMENT.get(key, "MALSYNC_ACCESS_TOKEN" if key == "access_token" else key)
            raise UsageError(f"{name} holds a character that no such value has.", "Copy it again, without line ends.")
    return Settings(home=home, **values)


def _check_private(home: Path) -> None:
    """Raise UsageError where others can write the settings: they would choose what hooks run and where tokens go.

    A file that its group may write is safe in a folder that the group may not enter, and so is a folder with the sticky bit:
    what is in it is its owner's. Windows has no such permissions.
    """
    if not hasattr(os, "getuid"):
        return
    file = home / FILE_NAME
    folder, own = home.stat(), file.stat()
    for path, owner in ((home, folder.st_uid), (file, own.st_uid)):
        if owner not in {0, os.getuid()}:
            raise UsageError(
                f"{path} belongs to another user, so its settings are not used.",
                f"Make it yours: chown {os.getuid()} {shlex.quote(str(path))}",
            )
    others = stat.S_IWGRP | stat.S_IWOTH
    can_enter = others if file.is_symlink() else folder.st_mode << 1 & others  # the x bits, where the w bits are
    is_sticky = folder.st_mode & stat.S_ISVTX
    for path, mode in ((home, 0 if is_sticky else folder.st_mode & others), (file, own.st_mode & others & can_enter)):
        if mode:
            raise UsageError(
                f"Other users can write to {path}, so its settings are not used.",
                f"Make it yours alone: chmod go-w {shlex.quote(str(path))}",
            )


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        found = tomllib.loads(files.read_own(path).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Mend the file; README.md shows one.") from error
    for key, item in found.items():
        if key not in KEYS:
            raise UsageError(f"{path}: there is no setting {key!r}.", f"Known settings: {', '.join(KEYS)}.")
        if not isinstance(item, KEYS[key]) or isinstance(item, bool):
            raise UsageError(f"{path}: {key} must be {_FORMS[KEYS[key][-1]]}.", "Mend the file; README.md shows one.")
    if not found.get("requests_per_second", 1) >= 0:  # nor is it nan
        raise UsageError(f"{path}: requests_per_second is not 0 or more.", "Give a number; 0 means no limit.")
    if found.get("token_store", "file") not in _STORES:
        raise UsageError(f"{path}: token_store is unknown.", f"Known: {', '.join(_STORES)}.")
    return found
