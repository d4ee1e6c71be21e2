"""The floor plan of docs/design.md, checked on the source."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

import dip_jax
from dip_jax.app.recipe import METHODS, TASKS

PACKAGE = pathlib.Path(dip_jax.__file__).parent
# Rooms from the ground up: a file may import its own room and those before it.
ROOMS = [
    "base",
    "colors",
    "compilation",
    "layout",
    "losses",
    "operators",
    "blind",
    "damage",
    "tiling",
    "metrics",
    "projection",
    "filling",
    "members",
    "inputs",
    "noise",
    "wiener",
    "non_local",
    "plug_and_play",
    "generators",
    "tasks",
    "methods",
    "wrappers",
    "loop",
    "app",
]
APP_ROOMS = ["errors", "files", "recipe", "machine", "restore", "cli"]
APP_ONLY = {"absl", "imageio", "tqdm", "matplotlib", "PIL", "skimage", "sys", "os", "pathlib"}
FORBIDDEN = {
    "methods": {"tasks", "generators"},
    "wrappers": {"tasks", "generators"},
    "loop": {"tasks", "generators", "methods", "wrappers"},
    "tasks": {"generators", "noise"},
    "noise": {"tasks", "generators"},
}
# What a room of the application may not do; the library may do none of it.
PRINTING = {"print", "input"}
MAY_PRINT = {"files/checkpoint.py", "machine/cluster.py"}  # notes on stderr; the child's answer
TESTS = pathlib.Path(__file__).parent
# Files without a test file of their name, and where they are tested.
TESTED_IN = {
    "base.py": "test_loop.py",
    "app/errors.py": "app/cli/test_request.py",
    "app/cli/batch.py": "app/cli/test_many.py",
    "app/cli/one.py": "app/cli/test_command.py",
    "app/cli/picture.py": "app/cli/test_command.py",
    "app/files/formats/base.py": "app/files/test_pictures.py",
    "app/recipe/networks.py": "app/recipe/test_preset.py",
    "app/recipe/optimizer.py": "app/recipe/test_preset.py",
    # Records: they check themselves there, and what they build is the library's.
    "app/recipe/methods/*.py": "app/recipe/test_preset.py",
    # One table each, tested by its rows.
    "app/recipe/rules/*.py": "app/recipe/rules/test_rules.py",
    "app/recipe/tasks/*.py": "app/cli/test_command.py",
    "app/restore/fit.py": "app/restore/test_run.py",
    "app/restore/session.py": "app/restore/test_run.py",
}
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in ROOMS
)


def room(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def app_room(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE / "app").parts[0].removesuffix(".py")


APP_FILES = [path for path in FILES if room(path) == "app" and app_room(path) != "__init__"]
LIBRARY_FILES = [path for path in FILES if room(path) != "app"]


def name_of(path: pathlib.Path) -> str:
    return str(path.relative_to(PACKAGE))


def nodes(path: pathlib.Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path: pathlib.Path) -> set[str]:
    """Dotted names of everything imported anywhere in the file."""
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def calls(path: pathlib.Path) -> set[str]:
    """Names of the functions that the file calls by a bare name."""
    return {
        node.func.id
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def test_every_file_has_a_room():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"} <= set(ROOMS)
    assert {app_room(path) for path in APP_FILES} == set(APP_ROOMS)


def test_every_file_is_tested():
    """In a file of its name in the same folder of the tests, or where the table says."""
    assert all((TESTS / name).exists() for name in TESTED_IN.values())
    untested = []
    for path in FILES:
        name = path.relative_to(PACKAGE)
        elsewhere = {str(name), f"{name.parent}/*.py"} & TESTED_IN.keys()
        own = TESTS / name.parent / f"test_{name.name}"
        if path.stem not in ("__init__", "__main__") and not own.exists() and not elsewhere:
            untested.append(str(name))
    assert untested == []


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=name_of)
def test_imports_point_one_way(path):
    own = room(path)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "dip_jax":
            assert rest, f"{path} imports the whole package"
            assert rest[0] in ROOMS[: ROOMS.index(own) + 1], f"{path} imports {name}"
            assert rest[0] not in FORBIDDEN.get(own, set()), f"{path} imports {name}"
        assert top not in APP_ONLY, f"{path} imports {name}"
        if own != "generators":
            assert top != "flax", f"{path} imports {name}"


@pytest.mark.parametrize("path", APP_FILES, ids=name_of)
def test_the_application_imports_one_way(path):
    allowed = APP_ROOMS[: APP_ROOMS.index(app_room(path)) + 1]
    for name in imports(path):
        parts = name.split(".")
        if parts[:2] == ["dip_jax", "app"]:
            assert len(parts) > 2, f"{path} imports the whole application"
            assert parts[2] in allowed, f"{path} imports {name}"
        if app_room(path) != "cli":
            assert parts[0] != "absl", f"{path} imports {name}"
        assert parts[0] != "flax", f"{path} imports {name}"


def test_no_two_files_of_the_application_import_each_other():
    names = {name_of(path)[:-3].replace("/", "."): path for path in APP_FILES}
    edges = {
        name: {
            other
            for imported in imports(path)
            for other in names
            if imported.startswith(f"dip_jax.{other}.")
        }
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"a circle: {' > '.join((*above, name))}"
        if name not in done:
            for other in edges[name]:
                visit(other, (*above, name))
            done.add(name)

    for name in names:
        visit(name, ())


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=name_of)
def test_the_library_does_not_print(path):
    assert not (PRINTING | {"open"}) & calls(path)


@pytest.mark.parametrize("path", APP_FILES, ids=name_of)
def test_the_application_prints_only_at_its_door(path):
    if app_room(path) != "cli" and str(path.relative_to(PACKAGE / "app")) not in MAY_PRINT:
        assert not PRINTING & calls(path)


@pytest.mark.parametrize("path", APP_FILES, ids=name_of)
def test_no_task_is_asked_for_by_name(path):
    own = path.stem if path.parent.name == "tasks" else None
    for node in nodes(path):
        if isinstance(node, ast.Compare):
            for value in ast.walk(node):
                if isinstance(value, ast.Constant) and value.value in TASKS:
                    assert value.value == own, f"{path}:{node.lineno}"


def test_no_method_is_asked_for_its_parameters():
    parameters = {name for method in METHODS for name in method.fields()}
    for path in APP_FILES:
        if path.parent.name == "methods":
            continue
        for node in nodes(path):
            if isinstance(node, ast.Attribute):
                assert node.attr not in parameters, f"{path}:{node.lineno} .{node.attr}"


@pytest.mark.slow
def test_importing_wakes_no_backend():
    """Else a flag could no longer choose one."""
    code = "import dip_jax, dip_jax.app, dip_jax.app.cli.command"
    environment = {**os.environ, "JAX_PLATFORMS": "nonexistent"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


STUDIO = PACKAGE.parent / "dip_jax_studio"
STUDIO_ROOMS = [
    *("problem", "processes", "store", "damage", "desk"),
    *("clerk", "jobs", "guard", "server", "command"),
]
STUDIO_TESTED_IN = {
    "problem": "test_store.py",
    "guard": "test_hostile.py",
}
STUDIO_FILES = sorted(path for path in STUDIO.glob("*.py") if not path.stem.startswith("__"))


def test_every_file_of_the_studio_has_a_room_and_a_test():
    assert {path.stem for path in STUDIO_FILES} == set(STUDIO_ROOMS)
    for path in STUDIO_FILES:
        name = STUDIO_TESTED_IN.get(path.stem, f"test_{path.stem}.py")
        assert (TESTS / "studio" / name).exists(), name


@pytest.mark.parametrize("path", STUDIO_FILES, ids=lambda path: path.stem)
def test_the_studio_imports_one_way_and_jax_at_its_desk_only(path):
    allowed = STUDIO_ROOMS[: STUDIO_ROOMS.index(path.stem)]
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "dip_jax_studio":
            assert rest[0] in allowed, f"{path} imports {name}"
        if path.stem != "desk":
            assert top not in {"dip_jax", "jax", "numpy", "PIL"}, f"{path} imports {name}"
    if path.stem != "command":
        assert not PRINTING & calls(path)


def test_the_page_shows_before_jax_is_imported():
    pytest.importorskip("starlette", reason="the page needs pip install 'dip-jax[studio]'")
    code = "import sys, dip_jax_studio.server; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
