"""The documentation as files: its links, its pictures, its navigation, the citation."""

import json
import re
import runpy
from pathlib import Path

import pytest
import yaml

import dip_jax

ROOT = Path(__file__).parent.parent
CONTENTS = runpy.run_path(str(ROOT / "docs" / "site" / "contents.py"))["CONTENTS"]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/*.ipynb"),
        *ROOT.glob("experiments/**/*.md"),
    ]
)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)", re.MULTILINE)
LARGEST = 100_000  # bytes of a picture in docs/


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    """The Markdown of a page, without its blocks of code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return FENCE.sub("", text)


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = HEADING.findall(text_of(path))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_and_pictures_exist(page):
    for link in LINK.findall(text_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the project"
        if anchor:
            assert anchor in anchors(target), f"{link} names no heading"


def test_links_are_found():
    """Else the test above would hold for no reason."""
    links = [link for page in PAGES for link in LINK.findall(text_of(page))]
    assert "docs/noise.md" in links
    assert "design.md#an-operator-of-your-own" in links
    assert "an-operator-of-your-own" in anchors(ROOT / "docs" / "design.md")


def test_every_page_is_in_the_navigation_once():
    entries = [entry for pages in CONTENTS.values() for entry in pages]
    assert len(entries) == len(set(entries))
    wanted = {named(page.with_suffix("")) for page in PAGES} - {"README"}
    # Those of the reference are listed by its overview, the tables by docs/site/repository.py.
    api = {page for page in wanted if page.startswith("docs/api/")} - {"docs/api/overview"}
    tables = {page for page in wanted if page.startswith("experiments/results/")}
    assert set(entries) == wanted - api - tables, "mend docs/site/contents.py"
    overview = (ROOT / "docs" / "api" / "overview.md").read_text(encoding="utf-8")
    listed = overview.partition("{toctree}")[2].split()
    assert {f"docs/api/{name}" for name in listed} - {"docs/api/:hidden:", "docs/api/```"} == api


def test_every_module_of_the_library_is_in_the_reference():
    pages = (ROOT / "docs" / "api").glob("*.md")
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    package = Path(dip_jax.__file__).parent
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    modules |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert set(re.findall(r"automodule:: dip_jax\.(\w+)$", text, re.MULTILINE)) == modules


def test_pictures_are_small():
    pictures = [*ROOT.glob("docs/images/gallery/*"), *ROOT.glob("docs/images/studio/*")]
    assert [named(path) for path in pictures if path.stat().st_size > LARGEST] == []


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation.keys() >= {"cff-version", "message", "title", "authors", "type", "license"}
    assert citation["version"] == dip_jax.__version__
    assert all({"name"} <= author.keys() for author in citation["authors"])
    (paper,) = citation["references"]
    entry = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
    for word in (paper["title"], paper["journal"], paper["volume"], paper["year"]):
        assert str(word) in entry
    page = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
    assert f"version = {{{dip_jax.__version__}}}" in page


def test_the_newest_entry_of_the_changes_is_of_this_version():
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changes, re.MULTILINE)
    assert newest is not None
    assert newest[1] == dip_jax.__version__
