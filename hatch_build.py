"""Build hook of hatchling: the long description is README.md with links that work outside the repository."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:)([^)\s]+)\)")
_ASIDE = re.compile(rf"\s\({_LINK.pattern}\)")


def long_description(readme: str, source: str = "", version: str = "") -> str:
    """Return `readme` for people who read it outside the repository.

    With `source`, the address of the repository, links and images point to the files there, at the tag of `version`. Without
    it, images and links in parentheses are left out, and other links become their text.
    """
    if source:
        return _LINK.sub(lambda link: f"{link[1]}[{link[2]}]({_address(source, version, link[1], link[3])})", readme)
    paragraphs = [text for text in readme.split("\n\n") if "![" not in text]
    return _LINK.sub(r"\2", _ASIDE.sub("", "\n\n".join(paragraphs)))


def _address(source: str, version: str, is_image: str, target: str) -> str:
    """The address of a file, in the form that GitHub, GitLab and their like share."""
    path = f"README.md{target}" if target.startswith("#") else target
    return f"{source.rstrip('/')}/{'raw' if is_image else 'blob'}/v{version}/{path}"


class LongDescription(MetadataHookInterface):
    """Fills in `readme`, which pyproject.toml declares as dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the long description in the project's metadata."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        source = metadata.get("urls", {}).get("Source", "")
        text = long_description(readme, source, metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
