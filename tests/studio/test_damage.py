"""From the page's form to the command's flags, which the command must understand."""

import pytest

from dip_jax.app.cli.parser import parse
from dip_jax.app.cli.request import read_request
from dip_jax_studio.damage import (
    KINDS,
    as_page_data,
    factor_of,
    find_kind,
    make_flags,
    parse_box,
    suffix_of,
)
from dip_jax_studio.problem import Problem


def flags_of(name, preset="fast", **values):
    return make_flags(find_kind(name), preset, values)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_command_takes_every_preset_and_every_setting(kind):
    least, most = (
        {
            setting.name: setting.choices[-1][0] if setting.choices else getattr(setting, name)
            for setting in kind.settings
        }
        for name in ("least", "most")
    )
    for preset, _ in kind.presets:
        for values in ({}, least, most):
            flags = make_flags(kind, preset, values)
            request = read_request(parse(["p.png", "--mask=m.png"] * kind.mask + flags))
            assert request.preset.name == preset
            assert request.task.name == kind.task


def test_defaults_become_no_flags():
    assert flags_of("grain") == ["--task=denoise"]
    assert flags_of("grain", noise="auto", sigma="", steps="", members=None, seed=0) == [
        "--task=denoise"
    ]
    assert flags_of("small", factor=4, keep_known="auto") == ["--task=super_resolve"]


def test_settings_become_flags():
    assert flags_of("grain", "best", sigma="12.5", steps=30.0, seed="7") == [
        *("--task=denoise", "--preset=best", "--sigma=12.5", "--steps=30", "--seed=7")
    ]
    assert flags_of("small", factor=2, keep_known="off")[1:] == ["--factor=2", "--nokeep_known"]
    assert flags_of("small", keep_known="on")[1:] == ["--keep_known"]
    assert factor_of(find_kind("small"), {"factor": "2"}) == 2
    assert factor_of(find_kind("small"), {"factor": "3.0"}) == 3
    assert factor_of(find_kind("small"), {}) == 4
    assert factor_of(find_kind("grain"), {}) == 1


def test_an_unknown_blur_is_found_by_its_size():
    unknown = ["--task=deblur", "--kernel=unknown"]
    assert flags_of("shake") == [*unknown, "--kernel_size=21"]
    assert flags_of("shake", kernel_size=9) == [*unknown, "--kernel_size=9"]


def test_a_blur_is_described():
    assert flags_of("blur")[1] == "--kernel=disk:4"
    motion = flags_of("blur", blur="motion", size=15, angle=-30)
    assert motion[1] == "--kernel=motion:15,-30"


@pytest.mark.parametrize(
    ("name", "values", "problem"),
    [
        ("grain", {"steps": 0}, "Steps, at most: give a whole number from 1 to 100000"),
        ("grain", {"steps": 1.5}, "give a whole number"),
        ("grain", {"sigma": "x"}, "Noise level: give a number from 0.1 to 255"),
        ("grain", {"noise": "pink"}, "Kind of noise: choose one of auto, camera, gaussian"),
        ("grain", {"factor": 2}, "factor is no setting for grain or noise"),
        ("blur", {"size": ""}, "Size in pixels: give a number"),
        ("small", {"factor": ""}, "Enlarge by: give a whole number"),
        ("shake", {"kernel_size": 20}, "give an odd number from 3 to 159"),
    ],
)
def test_values_out_of_range(name, values, problem):
    with pytest.raises(Problem, match=problem):
        flags_of(name, **values)


def test_unknown_names():
    with pytest.raises(Problem, match="say what is wrong with the picture: grain, scratch"):
        find_kind("age")
    with pytest.raises(Problem, match="Preset: choose one of fast, quick, best, paper"):
        flags_of("grain", "vase")


def test_boxes():
    assert parse_box([1, 2, 3, 4], 4, 6) == "1,2,3,4"
    for box in ([1, 2, 3, 5], [0, 0, 0, 1], [1], None, [0.0, 0, 1, 1]):
        with pytest.raises(Problem, match="must lie in the picture, 4x6"):
            parse_box(box, 4, 6)


def test_suffixes_are_plain():
    names = {"a.PNG": ".png", "a.tar.gz": ".gz", "a": ".bin", "a./b": ".bin", "a.p\0": ".bin"}
    assert {name: suffix_of(name) for name in names} == names


def test_the_page_gets_all_of_it():
    assert [kind["name"] for kind in as_page_data()] == [kind.name for kind in KINDS]
