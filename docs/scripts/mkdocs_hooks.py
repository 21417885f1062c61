"""Hooks of mkdocs.yml.

Pages link to files of the repository, such as `../deploy/compose.yaml`, so that the links work
where the repository is read. The site has no such file: there the link becomes its text, if the
file exists.

A block may name its file, such as ```toml title="config.toml"; the site shows the name above it.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TITLE = re.compile(r'^```(\w+) title="([^"]+)"$', re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown, page, config, files):
    folder = Path(config["docs_dir"]).joinpath(page.file.src_uri).parent

    def text_of(link):
        target = folder.joinpath(link[2]).resolve()
        outside = ROOT in target.parents and Path(config["docs_dir"]) not in target.parents
        return link[1] if outside and target.exists() else link[0]

    markdown = TITLE.sub(r"`\2`:\n\n```\1", markdown)
    return LINK.sub(text_of, markdown)
