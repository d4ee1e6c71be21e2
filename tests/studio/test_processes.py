"""Processes find the packages, wherever the studio was started."""

import os
import subprocess
from pathlib import Path

import dip_jax_studio
from dip_jax_studio.processes import call, environment


def test_the_packages_are_found_where_none_is_installed(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    python, *rest = call("dip_jax_studio.problem")
    words = [python, "-S", *rest]  # -S: without what is installed
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_paths_of_the_user_are_kept(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "here", os.path.abspath("there")]))
    own, *more = environment()["PYTHONPATH"].split(os.pathsep)
    assert Path(own) == Path(dip_jax_studio.__file__).parents[1]
    assert more == [os.path.abspath("here"), os.path.abspath("there")]
