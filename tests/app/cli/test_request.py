"""The values of the flags as records, and values that do not go together."""

import pytest

from dip_jax.app.cli.parser import parse
from dip_jax.app.cli.request import as_flag, check_one, read_request
from dip_jax.app.errors import UserError
from dip_jax.app.recipe import find_preset


def request_of(*words):
    return read_request(parse(list(words)))


def test_without_flags_the_default_preset_holds():
    request = request_of()
    assert request.preset == find_preset("fast", "denoise")
    assert request.task == request.preset.task
    assert request.files.image is None
    assert request.noise is None
    assert request.seed == 0


def test_flags_change_the_preset_and_nothing_else():
    request = request_of("--preset=paper", "--steps=7", "--tv=0.5", "--stop=none", "--seed=3")
    preset = find_preset("paper", None)
    counts = preset.counts.replace(steps=7)
    assert request.preset == preset.replace(counts=counts, tv=0.5, stop="none")
    assert request.seed == 3


def test_a_tasks_flags_set_its_fields_or_are_its_options():
    request = request_of("--task=inpaint", "--image=p.png", "--mask=m.png", "--grow_mask=2")
    assert request.task.name == "inpaint"
    assert request.files.image == "p.png"
    assert request.files.data == {"mask": "m.png"}
    assert request.options["grow_mask"] == 2
    assert request_of("--task=super_resolve", "--factor=3").task.factor == 3


def test_a_preset_says_the_task():
    assert request_of("--preset=vase").task.name == "inpaint"


def test_a_noise_level_is_kept_with_its_kind():
    request = request_of("--sigma=25", "--noise=gaussian")
    assert request.noise.level == pytest.approx(25)
    assert request.kind == "gaussian"


def test_flags_of_many_pictures_are_refused_for_one():
    check_one(request_of("--steps=7"))
    with pytest.raises(UserError, match="is for many pictures; drop it"):
        check_one(request_of("--devices=2"))


def test_an_argument_is_shown_as_its_flag():
    error = as_flag(UserError("steps", 0, "must be at least 1"))
    assert str(error) == "--steps=0: must be at least 1"
    assert str(as_flag(UserError("p.png", "", "is not a file"))) == "p.png: is not a file"


BAD = {
    "--image=p.png --steps=0": "--steps=0: must be at least 1",
    "--image=p.png --chunk_steps=0": "--chunk_steps=0: must be at least 1",
    "--image=p.png --factor=1 --task=super_resolve": "--factor=1: must be at least 2 and",
    "--image=p.png --factor=99 --task=super_resolve": "--factor=99",
    "--image=p.png --sigma=0": "--sigma=0.0: must be from 0.001",
    "--image=p.png --sigma=nan": "--sigma=nan",
    "--image=p.png --sigma=900": "--sigma=900.0",
    "--image=p.png --seed=-1": "--seed=-1",
    "--image=p.png --preset=fats": "did you mean fast?",
    "--image=p.png --preset=vase --task=denoise": "is a preset for the task inpaint",
    "--image=p.png --generator=skp": "did you mean skip?",
    "--image=p.png --tv=-0.1": "--tv=-0.1: must be a number of at least 0",
    "--image=p.png --task=inpaint --missing=30 --invert_mask": "--invert_mask: needs a --mask",
    "--image=p.png --task=inpaint --missing=30 --grow_mask=2": "can't go with --grow_mask",
    "--image=p.png --task=inpaint --mask=m.png --grow_mask=-1": "--grow_mask=-1: must be from 0",
    "--image=p.png --grow_mask=1 --task=denoise": "has no meaning for --task=denoise",
    "--image=p.png --factor=8 --task=denoise": "has no meaning for --task=denoise",
    "--image=p.png --nokeep_known": "has no meaning for --task=denoise",
    "--image=p.png --task=reconstruct --sigma=80": "has no meaning for --task=reconstruct",
    "--image=p.png --seed=100000000000000000000": "--seed=100000000000000000000: must be from 0",
    "--image=p.png --mask=p.png --task=denoise": "has no meaning for --task=denoise",
    "--image=p.png --task=inpaint --missing=100": "--missing=100.0",
    "--image=p.png --task=inpaint --missing=50 --mask=m.png": "can't go with --mask",
    "--image=p.png --add_noise --reference=p.png": "can't go with --add_noise, where",
    "--image=p.png --downsample --reference=p.png --task=super_resolve": "go with --downsample",
    "--image=p.png --missing=30 --reference=p.png --task=inpaint": "go with --missing",
    "--image=p.png --jpeg_quality=9 --reference=p.png --task=reconstruct": "with --jpeg_quality",
    "--image=p.png --jpeg_quality=0 --task=reconstruct": "--jpeg_quality=0",
    "p.png --page=0": "--page=0: must be at least 1",
    "--image=p.png --steps=99999999999999999999": "and at most 1000000000",
    "--image=p.png --tile=5": "--tile=5: must be 0, or at least 64 pixels",
    "--image=p.png --checkpoint=-1": "--checkpoint=-1.0: must be a number of seconds from 0 on",
    "--image=p.png --noise_from=p.png --sigma=5": "--sigma=5.0: can't go with --noise_from",
    "--image=p.png --noise_from=p.png --noise=poisson": "--noise=poisson: can't go with",
    "--image=p.png --noise_from=p.png --task=reconstruct": "--noise_from=p.png: has no meaning",
    "--image=p.png --factor=4 --mask=m.png": "has no meaning for --task=denoise",
    "--image=p.png --mask=m.png --preset=best --task=denoise": "has no meaning for --task=denoise",
    "--image=p.png --strength=120": "--strength=120.0: must be a percentage from 0 to 100",
    "--image=p.png --strength=50 --task=super_resolve": "--strength=50.0: has no meaning for",
}


@pytest.mark.parametrize("flags", BAD)
def test_values_that_do_not_do_are_refused(flags, refused):
    words = flags.split()
    with pytest.raises(UserError):
        request_of(*words)
    assert BAD[flags] in refused(*words)


@pytest.mark.parametrize(
    ("flags", "task"),
    [
        ("", "denoise"),
        ("--sigma=25", "denoise"),
        ("--mask=m.png", "inpaint"),
        ("--mask_box=1,1,2,2 --grow_mask=2", "inpaint"),
        ("--factor=2", "super_resolve"),
        ("--kernel=disk:2 --sigma=5", "deblur"),
        ("--jpeg_quality=9", "reconstruct"),
        ("--mask=m.png --preset=vase", "inpaint"),
    ],
)
def test_a_flag_of_one_task_tells_the_task(flags, task):
    assert request_of("p.png", *flags.split()).task.name == task
