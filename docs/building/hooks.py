"""What the site takes from outside `docs/`, and links that work both in it and on the repository's pages.

The documents link to each other by paths of the repository, `../benchmarks/README.md` for instance. Here these become
pages of the site; a link to what is no page (a source file, a folder) leaves its text.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {  # file of the repository: page or picture of the site
    "benchmarks/README.md": "benchmarks.md",
    "assets/demo/README.md": "demo.md",
    "assets/screenshot.png": "pictures/light.png",
    "assets/pruning.png": "pictures/dark.png",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
}
CODE = r"^```.*?^```|`[^`\n]+`"
LINK = re.compile(CODE + r"|(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)", flags=re.M | re.S)
ROLE = re.compile(r":(?:func|class|data|meth|mod|attr):(<code>)[~.]*")


def page_of(path: str) -> str | None:
    """The page or file of the site that a file of the repository is, None where it is none."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/").replace(".ipynb", ".md")
    return OUTSIDE.get(path)


def relinked(text: str, source: str, page: str) -> str:
    """The ``text`` of the file ``source`` of the repository with links as the ``page`` of the site needs them."""

    def link(match: re.Match[str]) -> str:
        picture, label, target = match.groups()
        if target is None:  # code
            return match[0]
        path, mark, anchor = target.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match[0]
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not (ROOT / aim).exists():
            return match[0]  # for the build to complain of
        found = page_of(aim)
        if found is None:
            return label
        return f"{picture}[{label}]({posixpath.relpath(found, posixpath.dirname(page) or '.')}{mark}{anchor})"

    return LINK.sub(link, text)


def markdown_of(notebook: Path) -> str:
    """A notebook as a page: its text and its code, without outputs, which the repository does not hold."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
    title, _, rest = "\n\n".join(parts).partition("\n")
    about = f'<a href="{notebook.name}" download>Download this notebook</a>; what its cells show is made where it runs.'
    return f"{title}\n\n{about}\n{rest}\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside `docs/`, and a page for each notebook."""
    for path, page in OUTSIDE.items():
        if not (ROOT / path).exists():
            continue
        if page.endswith(".md"):
            text = (ROOT / path).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=relinked(text, path, page)))
        else:
            files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        text = markdown_of(Path(str(file.abs_src_path)))
        page = file.src_uri.replace(".ipynb", ".md")
        files.append(File.generated(config, page, content=relinked(text, f"docs/{page}", page)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links to the rest of the repository as links of the site."""
    if page.file.generated_by:
        return markdown
    return relinked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def on_page_content(html: str, **_: Any) -> str:
    """The names that docstrings refer to, without Sphinx's marks."""
    return ROLE.sub(r"\1", html)
