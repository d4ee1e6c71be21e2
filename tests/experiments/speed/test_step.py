"""The step benchmark without PyTorch."""

import importlib.util

from experiments.speed import step


def test_step_without_torch_says_how_to_get_it(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a)
    )
    assert step.main(["--peers=eager"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'.[bench]'" in line
