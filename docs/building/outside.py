"""Name what the pages of a built site would load from other hosts: python docs/building/outside.py site

Links that a reader follows are his own affair; scripts, styles, pictures, fonts and frames are not. Exit status 1 if
there are any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

LOADED = {"src", "srcset", "poster", "data", "background"}  # attributes whose address is loaded with the page
FOREIGN = re.compile(r"^\s*(?:https?:)?//", re.I)
IN_STYLES = re.compile(r"(?:url\(\s*[\"']?|@import\s+[\"'])((?:https?:)?//[^\"')\s]+)", re.I)


class _Loaded(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            loads = name in LOADED or (name == "href" and tag in {"link", "use", "image"})
            if loads and value and FOREIGN.match(value):
                self.found.append(f"<{tag} {name}={value}>")
            if name == "style" and value:
                self.found += [f"<{tag} style: {url}>" for url in IN_STYLES.findall(value)]


def foreign(file: Path) -> list[str]:
    """What a page or a style sheet would load from another host."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".css":
        return IN_STYLES.findall(text)
    page = _Loaded()
    page.feed(text)
    styles = re.findall(r"<style[^>]*>(.*?)</style>", text, flags=re.S | re.I)
    return page.found + [url for style in styles for url in IN_STYLES.findall(style)]


def offences(site: Path) -> Iterator[str]:
    """A line for each such thing in a folder of pages."""
    files = sorted(file for file in site.rglob("*") if file.suffix in {".html", ".css", ".svg"})
    if not files:
        yield f"{site}: there are no pages"
    for file in files:
        for what in foreign(file):
            yield f"{file.relative_to(site)}: {what}"


if __name__ == "__main__":
    found = list(offences(Path(sys.argv[1])))
    sys.exit("\n".join(["Loaded from other hosts:", *found]) if found else 0)
