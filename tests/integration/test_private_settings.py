"""Settings and hooks are used only from a home folder that no other user can write to."""

import os
from pathlib import Path

import pytest

from malsync.errors import UsageError
from malsync.operations import config
from tests.support.harness import Malsync

OPEN = "Other users can write to"


def settings(home: Path, folder: int, file: int, content: str = 'user_agent = "mine/1.0"\n') -> Path:
    """A home folder and its settings with these permissions."""
    home.mkdir(exist_ok=True)
    path = home / "config.toml"
    path.write_text(content)
    path.chmod(file)
    home.chmod(folder)
    return path


@pytest.mark.promise("security-22")
@pytest.mark.parametrize(
    ("folder", "file", "words"),
    [
        (0o700, 0o600, ""),
        (0o700, 0o666, ""),  # no other user can reach it
        (0o755, 0o644, ""),
        (0o1777, 0o644, ""),  # sticky: no other user can replace it
        (0o750, 0o646, ""),  # other users may write it, but not enter
        (0o711, 0o664, "config.toml"),
        (0o775, 0o644, "home"),
        (0o777, 0o600, "home"),
        (0o755, 0o664, "config.toml"),
        (0o755, 0o666, "config.toml"),
        (0o710, 0o620, "config.toml"),
        (0o1777, 0o666, "config.toml"),
    ],
)
def test_settings_that_others_can_write_are_not_used(home: Path, folder: int, file: int, words: str) -> None:
    settings(home, folder, file)

    if not words:
        assert config.load(home, {}).user_agent == "mine/1.0"
        return
    with pytest.raises(UsageError) as refused:
        config.load(home, {})

    assert f"{OPEN} {home if words == 'home' else home / words}," in refused.value.message
    assert refused.value.hint.startswith("Make it yours alone: chmod go-w ")


def test_settings_behind_a_link_are_checked_at_the_target(home: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.toml"
    settings(home, 0o700, 0o600).unlink()
    real.write_text('user_agent = "mine/1.0"\n')
    real.chmod(0o666)
    (home / "config.toml").symlink_to(real)

    with pytest.raises(UsageError, match=OPEN):
        config.load(home, {})
    real.chmod(0o644)
    assert config.load(home, {}).user_agent == "mine/1.0"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("which", [".", "config.toml"])
def test_settings_of_another_user_are_not_used(home: Path, which: str) -> None:
    settings(home, 0o755, 0o644)
    os.chown(home / which, 12345, -1)

    with pytest.raises(UsageError, match="belongs to another user") as refused:
        config.load(home, {})

    assert "chown" in refused.value.hint


@pytest.mark.promise("security-22")
def test_hook_that_others_can_write_does_not_run(malsync: Malsync, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    hook = f'on_success = "touch {ran}"\non_failure = "touch {ran}"\n'
    settings(malsync.home, 0o777, 0o644, hook)

    error = malsync.error("backup", exit_code=2)
    assert error["hint"] == f"Make it yours alone: chmod go-w {malsync.home}"
    assert not ran.exists()

    malsync.home.chmod(0o700)
    malsync.ok("backup")
    assert ran.exists()
