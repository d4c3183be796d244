"""Completes the package's metadata with the address of its repository, which only a release knows.

The package index shows the README without the files around it. Where the variable RELEASE_REPOSITORY_URL says
what repository the package is built from, the README's links and pictures lead to the files of the version
there, and the metadata has URLs. Elsewhere the README stays as it is, and there are none.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE_TARGET = re.compile(r"\]\((?!https?://)([^)\s]+)")


class ReleaseMetadata(MetadataHookInterface):
    """The metadata that `pyproject.toml` declares as dynamic."""

    def update(self, metadata: dict[str, object]) -> None:
        """Add the README and the URLs."""
        if "readme" in metadata:
            # A wheel that is built from an sdist has the metadata of the sdist.
            return
        root = Path(self.root)
        readme = (root / "README.md").read_text(encoding="utf-8")
        if url := os.environ.get("RELEASE_REPOSITORY_URL", "").rstrip("/"):
            tag = f"v{metadata['version']}"
            readme = _RELATIVE_TARGET.sub(lambda match: f"]({_absolute(root, match[1], url, tag)}", readme)
            metadata["urls"] = {
                "Documentation": f"{url}/blob/{tag}/docs/index.md",
                "Source": url,
                "Changelog": f"{url}/blob/{tag}/CHANGELOG.md",
                "Issues": f"{url}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}


def _absolute(root: Path, target: str, url: str, tag: str) -> str:
    if target.startswith("#"):
        target = f"README.md{target}"
    if target.endswith((".svg", ".png")):
        return f"{url}/raw/{tag}/{target}"
    return f"{url}/{'tree' if (root / target).is_dir() else 'blob'}/{tag}/{target}"
