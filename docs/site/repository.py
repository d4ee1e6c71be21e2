"""A Sphinx extension that makes a site of a repository as it is.

README.md is the home page and carries the navigation. The README of a folder is that folder's page.
"""

import re
from pathlib import Path
from typing import Any

from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.builders.dirhtml import DirectoryHTMLBuilder
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

EXPERIMENTS = "experiments/README"


class RepositoryBuilder(DirectoryHTMLBuilder):
    """Pages as folders; a README is the page of its own folder."""

    name = "dirhtml"

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        """Returns the address of a page, relative to the site."""
        return super().get_target_uri(_as_index(docname), typ)

    def get_output_path(self, page_name: str, /) -> Path:
        """Returns the path of a page on disk."""
        return super().get_output_path(_as_index(page_name))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.add_config_value("contents", {}, "env")
    app.add_builder(RepositoryBuilder, override=True)
    app.connect("source-read", _add_navigation)
    app.connect("autodoc-process-docstring", _keep_first_line, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", _hide_flax)
    app.connect("missing-reference", _find_definition)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _as_index(docname: str) -> str:
    return f"{docname[:-6]}index" if f"/{docname}".endswith("/README") else docname


def _add_navigation(app: Sphinx, docname: str, content: list[str]) -> None:
    if docname == app.config.root_doc:
        for caption, pages in app.config.contents.items():
            content[0] += _toctree([f"/{page}" for page in pages], caption=caption)
    elif docname == EXPERIMENTS:
        # Tables of one program have the same title: they are listed by their paths.
        folder = Path(app.srcdir) / "experiments"
        tables = sorted(folder.glob("results/**/*.md"))
        entries = [path.relative_to(folder).with_suffix("").as_posix() for path in tables]
        shown = [f"{entry.removeprefix('results/')} <{entry}>" for entry in entries]
        content[0] += _toctree(shown, caption="Tables")


def _keep_first_line(app, what, name, obj, options, lines: list[str]) -> None:
    """Keeps napoleon from taking what precedes a colon for an attribute's type."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]  # an empty comment


def _hide_flax(app, what, name, obj, options, signature: str | None, returns: str | None):
    """Leaves out the arguments that flax adds to each network's constructor."""
    shown = re.sub(r", (parent=<.*?>|name=None)(?=[,)])", "", signature or "")
    return (shown, returns) if shown != (signature or "") and what == "class" else None


def _find_definition(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element
) -> Element | None:
    """Resolves a name that a package exports from its own modules, or a module without a page."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    objects = env.domains["py"].objects
    if node["reftype"] == "mod":
        places = {objects[name][:2] for name in [target.rpartition(".")[0]] if name in objects}
    else:
        last = target.rpartition(".")[2]
        places = {entry[:2] for name, entry in objects.items() if name.rpartition(".")[2] == last}
    if len(places) != 1:
        return None
    page, anchor = places.pop()
    return make_refnode(app.builder, node["refdoc"], page, anchor, content)


def _toctree(entries: list[str], *, caption: str) -> str:
    return "\n".join(
        ["\n\n```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```\n"]
    )
