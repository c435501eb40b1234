"""A page of docs/ -> the same for the site: links that leave docs/ lead into the repository, or are names alone.

MkDocs calls it for every page. Where the repository is shown says `extra.repository` of mkdocs.yml.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """The page's text as the site shows it."""
    return outside(markdown, posixpath.dirname(page.file.src_uri), config["extra"].get("repository") or "")


def outside(markdown: str, folder: str, repository: str) -> str:
    """Relative links of a page in a folder of docs/, those that leave docs/ rewritten."""

    def link(found: re.Match[str]) -> str:
        image, told, path, anchor = found[1], found[2], found[3], found[4] or ""
        whole = posixpath.normpath(posixpath.join("docs", folder, path))
        if whole == "docs" or whole.startswith("docs/"):
            return found[0]
        if image or not repository:
            return told
        return f"[{told}]({repository.rstrip('/')}/blob/main/{whole}{anchor})"

    return LINK.sub(link, markdown)
