"""Takes the project's pages outside docs/ into the documentation's site; mkdocs.yml names it as a hook.

On GitHub and in an editor a link leads to the file itself, so all pages link to files; here these links become those of
the site's pages.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "config/README.md": "configuration.md"}
"""Files outside docs/, and the pages of the site that they become."""
INSTEAD = PAGES | {"README.md": "index.md"}
LINK = re.compile(r"\]\(([^():#\s]+)(#[^()\s]*)?\)")


def on_config(config: MkDocsConfig) -> None:
    """Leave out the theme's page for addresses that are not there: in a folder nothing leads to it."""
    config.theme.static_templates.discard("404.html")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/."""
    for source, page in PAGES.items():
        text = linked((ROOT / source).read_text(), posixpath.dirname(source))
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead a page's links to files outside docs/ to the site's pages."""
    return markdown if page.file.src_uri in PAGES.values() else linked(markdown, "docs")


def linked(markdown: str, folder: str) -> str:
    """Return a text of this folder with its links as the site has them, where all pages lie in one folder."""

    def instead(match: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(folder, match[1]))
        place = INSTEAD.get(path, path.removeprefix("docs/"))
        return f"]({place}{match[2] or ''})"

    return LINK.sub(instead, markdown)
