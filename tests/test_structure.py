"""The floor plan of docs/design.md, checked on the source."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

import dip_jax

PACKAGE = pathlib.Path(dip_jax.__file__).parent
# Rooms from the ground up: a file may import its own room and those before it.
ROOMS = [
    "base",
    "compilation",
    "layout",
    "operators",
    "clipping",
    "filling",
    "metrics",
    "members",
    "inputs",
    "splitting",
    "generators",
    "tasks",
    "descent",
    "prior",
    "selfsupervised",
    "wrappers",
    "loop",
    "app",
]
APP_ONLY = {"absl", "imageio", "tqdm", "matplotlib", "PIL", "skimage", "sys", "os", "pathlib"}
FORBIDDEN = {
    "descent": {"tasks", "generators"},
    "prior": {"tasks", "generators"},
    "selfsupervised": {"tasks", "generators", "prior"},
    "wrappers": {"tasks", "generators", "prior", "selfsupervised"},
    "loop": {"tasks", "generators", "prior", "selfsupervised", "wrappers"},
    "tasks": {"generators"},
}
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in ROOMS
)


def test_every_file_has_a_room():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"} <= set(ROOMS)


def room(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: pathlib.Path) -> set[str]:
    """Dotted names of everything imported anywhere in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    own = room(path)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "dip_jax" and own != "app":
            assert rest, f"{path} imports the whole package"
            assert rest[0] in ROOMS[: ROOMS.index(own) + 1], f"{path} imports {name}"
            assert rest[0] not in FORBIDDEN.get(own, set()), f"{path} imports {name}"
        if own != "app":
            assert top not in APP_ONLY, f"{path} imports {name}"
        if own not in ("generators",):
            assert top != "flax", f"{path} imports {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room(path) != "app"],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_the_library_does_not_print(path):
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert not {"print", "open", "input"} & set(calls)


def test_importing_wakes_no_backend():
    """Else a flag could no longer choose one."""
    code = "import dip_jax, dip_jax.app, dip_jax.app.command, dip_jax.app.job"
    environment = {**os.environ, "JAX_PLATFORMS": "nonexistent"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
