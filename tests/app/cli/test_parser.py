"""The words of the command line as values, and words that mean nothing."""

import pytest

from dip_jax.app.cli.flags import FLAGS
from dip_jax.app.cli.parser import parse
from dip_jax.app.errors import UserError


def test_without_words_all_flags_hold_what_the_table_says():
    values = parse([])
    assert {flag.name: values[flag.name] for flag in FLAGS} == {
        flag.name: flag.default for flag in FLAGS
    }
    assert values.keys() - {flag.name for flag in FLAGS} == {"given", "plain"}
    assert values["given"] == frozenset()
    assert values["plain"] is False


def test_values_have_the_types_of_the_table():
    values = parse(["--steps=7", "--tv", "0.5", "--task=inpaint", "--nokeep_known", "--image=p"])
    expected = {"steps": 7, "tv": 0.5, "task": "inpaint", "keep_known": False, "image": "p"}
    assert {name: values[name] for name in expected} == expected
    assert values["given"] == expected.keys()
    assert values["plain"] is False


@pytest.mark.parametrize(
    "words",
    [
        ["p.png", "q.tif", "--steps=7"],
        ["--steps=7", "p.png", "q.tif"],
        ["p.png", "--steps=7", "-o", "q.tif"],
        ["p.png", "--out=q.tif", "--steps", "7"],
    ],
)
def test_plain_paths_stand_anywhere(words):
    values = parse(words)
    assert (values["image"], values["out"], values["steps"]) == ("p.png", "q.tif", 7)
    assert values["given"] == {"image", "out", "steps"}
    assert values["plain"] is True


def test_every_is_an_alias_of_chunk_steps(refused):
    assert parse(["--every=7"])["chunk_steps"] == 7
    assert parse(["--every", "7"]) == parse(["--chunk_steps=7"])
    problem = "dip-jax: --chunk_steps=0: must be at least 1 and at most 1000000000\n"
    assert refused("--every=0") == problem


def test_other_spellings_of_flags():
    words = ["--grow-mask=2", "--no-keep-known", "--list-presets", "--no_settings", "--tv", "1"]
    meant = ["--grow_mask=2", "--nokeep_known", "--list_presets", "--nosettings", "--tv=1"]
    assert parse(words) == parse(meant)
    assert parse(["-i", "a-b.png", "-o", "c-d.tif"]) == parse(["--image=a-b.png", "--out=c-d.tif"])
    assert parse(["--image=a.png", "--output", "b.png"])["given"] == {"image", "out"}
    assert parse(["--name={stem}--new.png", "p"])["name"] == "{stem}--new.png"
    assert parse(["--", "--a-b.png"])["image"] == "--a-b.png"


BAD = {
    "p.png --input=p.png": "must be one of noise, meshgrid, image; a picture is named without a",
    "inpaint p.png m.png": "dip-jax: inpaint: is not a file; write --task=inpaint",
    "p.png q.png --output=r.png": "dip-jax: q.png: is a path too many beside --out; drop one",
    "--image=p.png --steps=many": "steps",
    "--image=p.png --imgae=q": "Unknown command line flag 'imgae'",
    "p.png a b": "dip-jax: b: is a third path, after IN and OUT; for many",
    "p.png --image=p.png": "dip-jax: p.png: is a path too many beside --image; drop one",
    "p.png q.xyz": "--out=q.xyz: has a suffix of no known format; take .png",
    "denoise p.png": "dip-jax: denoise: is not a file; write --task=denoise",
    "--nokeep_known=3": "does not take an argument",
    "--flagfile=p.png": "dip-jax: is not a text file; see --help",
}


@pytest.mark.parametrize("flags", BAD)
def test_what_is_no_flag_is_refused(flags, refused):
    words = flags.split()
    with pytest.raises(UserError):
        parse(words)
    assert BAD[flags] in refused(*words)


@pytest.mark.parametrize("words", [[""], ["p.png", ""], ["--image="], ["p.png", "--mask="]])
def test_an_unset_variable_of_the_shell_is_told(words, refused):
    with pytest.raises(UserError, match="empty"):
        parse(words)
    assert ", or drop it" in refused(*words)
    assert "--mask_color: is empty; give it a value, or drop it" in refused("--mask_color=")
