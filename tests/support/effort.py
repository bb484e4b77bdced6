"""How much a test tries: at night as much as it can, otherwise a share that a person can wait for."""

from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")
IS_NIGHTLY = settings.get_current_profile_name() == "nightly"


def effort(usual: T, nightly: T) -> T:
    """Return `nightly` in `./run nightly`, otherwise `usual`."""
    return nightly if IS_NIGHTLY else usual
