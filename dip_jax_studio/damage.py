"""What can be wrong with a picture, in the page's words, and the command's flags for it.

A kind of damage is a line in ``KINDS``. The page builds its form from the table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dip_jax_studio.problem import Problem


@dataclass(frozen=True)
class Setting:
    """A setting that the form offers."""

    name: str
    label: str
    help: str
    flag: str = ""
    """Of the command; without one, the kind's ``finish`` makes flags of it."""
    default: float | str = ""
    """What the form shows first. It becomes no flag, unless ``always``."""
    always: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    """Values and their labels; empty for a number."""
    least: float = 0
    most: float = 0
    whole: bool = True
    """Whether only whole numbers are meant."""
    odd: bool = False
    """Whether only odd numbers are meant."""
    optional: bool = False
    """Whether the number may be left out."""

    def flags(self, value: Any) -> list[str]:
        """Returns the flags for a value of the form.

        Raises:
          Problem: for a value out of range.
        """
        if value in (None, "") and (self.optional or value == self.default):
            return []
        text = self._checked(value)
        if not self.flag or (text == _text(self.default) and not self.always):
            return []
        if text in ("on", "off"):
            return [f"--{'no' * (text == 'off')}{self.flag}"]
        return [f"--{self.flag}={text}"]

    def _checked(self, value: Any) -> str:
        if self.choices:
            known = [choice for choice, _ in self.choices]
            if value not in known:
                raise Problem(f"{self.label}: choose one of {', '.join(known)}")
            return str(value)
        kind = "an odd number" if self.odd else "a whole number" if self.whole else "a number"
        between = f"{self.label}: give {kind} from {self.least:g} to {self.most:g}"
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise Problem(between) from None
        wrong = not self.least <= number <= self.most or (self.whole and number != int(number))
        wrong = wrong or (self.odd and number % 2 != 1)
        if wrong or isinstance(value, bool):
            raise Problem(between)
        return _text(number)


@dataclass(frozen=True)
class Damage:
    """A kind of damage."""

    name: str
    label: str
    help: str
    task: str
    """The command's."""
    presets: tuple[tuple[str, str], ...]
    """Names and their labels; the first is the default."""
    settings: tuple[Setting, ...] = ()
    mask: bool = False
    """Whether the damage is painted."""
    kernel: bool = False
    """Whether a blur is described."""
    strength: bool = True
    """Whether a part of the change can be applied."""
    flags: tuple[str, ...] = ()
    """Of the command, whatever the settings."""


_QUICK = ("quick", "quick: a third of the steps")
_FAST, _BEST = ("fast", "fast"), ("best", "best: wider network, two fits, slower")
_PAPER = ("paper", "paper: the authors' settings, very slow on a CPU")
_STEPS = Setting(
    "steps",
    "Steps, at most",
    "More steps restore more detail, and eventually the damage too. Empty: the preset's.",
    "steps",
    least=1,
    most=100_000,
    optional=True,
)
_MEMBERS = Setting(
    "members",
    "Fits",
    "Two and more are combined, and show where the result is uncertain. Empty: the preset's.",
    "members",
    least=1,
    most=16,
    optional=True,
)
_SEED = Setting(
    "seed",
    "Seed",
    "A different seed gives a different fit.",
    "seed",
    default=0,
    least=0,
    most=2**32 - 1,
)
_COMMON = (_STEPS, _MEMBERS, _SEED)
_SIGMA = Setting(
    "sigma",
    "Noise level",
    "Standard deviation in 8-bit levels (0 to 255), if known. Leave empty to measure it.",
    "sigma",
    least=0.1,
    most=255,
    whole=False,
    optional=True,
)
_NOISE = Setting(
    "noise",
    "Kind of noise",
    "Choose one if none is found, but you see some. Gaussian: the same everywhere.",
    "noise",
    default="auto",
    choices=(
        ("auto", "found in the picture"),
        ("camera", "of a camera, on fine detail"),
        ("gaussian", "Gaussian"),
    ),
)

KINDS = (
    Damage(
        "grain",
        "Grain or noise",
        "Film grain, noise of a sensor in the dark, salt and pepper.",
        "denoise",
        (_FAST, _QUICK, _BEST, _PAPER),
        (_NOISE, _SIGMA, *_COMMON),
    ),
    Damage(
        "scratch",
        "Scratch, stain or missing part",
        "Paint what is damaged. The rest stays as it is, to the bit.",
        "inpaint",
        (
            _FAST,
            _BEST,
            _PAPER,
            ("vase", "vase: a large hole"),
            ("library", "library: also for a large hole"),
        ),
        _COMMON,
        mask=True,
        strength=False,
    ),
    Damage(
        "small",
        "Too small",
        "Enlarges a small, clean picture.",
        "super_resolve",
        (_FAST, _BEST, _PAPER),
        (
            Setting(
                "factor",
                "Enlarge by",
                "Applies to width and height.",
                "factor",
                default=4,
                least=2,
                most=8,
            ),
            Setting(
                "keep_known",
                "Agree with the small picture",
                "No if it is noisy, or was made by leaving out pixels. A JPEG need not agree.",
                "keep_known",
                default="auto",
                choices=(("auto", "as suits the file"), ("on", "yes"), ("off", "no")),
            ),
            *_COMMON,
        ),
        strength=False,
    ),
    Damage(
        "blocks",
        "JPEG blocks, or unknown damage",
        "Squares and rings of a strong compression. The gain is small.",
        "reconstruct",
        (_FAST, _PAPER),
        _COMMON,
    ),
    Damage(
        "blur",
        "Blur of known shape",
        "Out of focus, or moved by a known length and direction.",
        "deblur",
        (_FAST, _BEST),
        (
            Setting(
                "blur",
                "Shape of the blur",
                "What a point of light became: a disk if out of focus, a line if moved.",
                default="disk",
                choices=(
                    ("disk", "disk"),
                    ("motion", "motion"),
                    ("gaussian", "Gaussian"),
                    ("box", "box"),
                ),
            ),
            Setting(
                "size",
                "Size in pixels",
                "Radius of the disk, length of the motion, sigma, width of the box.",
                default=4,
                least=0.3,
                most=200,
                whole=False,
            ),
            Setting(
                "angle",
                "Angle of the motion",
                "In degrees, anticlockwise from the horizontal.",
                default=0,
                least=-180,
                most=180,
                whole=False,
            ),
            _SIGMA,
            *_COMMON,
        ),
        kernel=True,
    ),
    Damage(
        "shake",
        "Blur of unknown shape",
        "A shaken camera. The shape is found in the picture first; it needs clear edges.",
        "deblur",
        (_FAST, _BEST),
        (
            Setting(
                "kernel_size",
                "Size of the blur in pixels",
                "An odd number, a little more than the length of a trail of light.",
                "kernel_size",
                default=21,
                always=True,
                least=3,
                most=159,
                odd=True,
            ),
            _SIGMA,
            *_COMMON,
        ),
        flags=("--kernel=unknown",),
    ),
)
_BY_NAME = {kind.name: kind for kind in KINDS}


def find_kind(name: Any) -> Damage:
    """Returns the kind of damage of that name.

    Raises:
      Problem: if there is none.
    """
    if not isinstance(name, str) or name not in _BY_NAME:
        raise Problem(f"say what is wrong with the picture: {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def make_flags(kind: Damage, preset: Any, values: Mapping[str, Any]) -> list[str]:
    """Returns the command's flags for a form.

    Args:
      kind: of damage.
      preset: its name.
      values: of the settings, by name; those left out have their defaults.

    Raises:
      Problem: for a value that the form does not offer.
    """
    if preset not in [name for name, _ in kind.presets]:
        raise Problem(f"Preset: choose one of {', '.join(name for name, _ in kind.presets)}")
    known = {setting.name: setting for setting in kind.settings}
    for name in values:
        if name not in known:
            raise Problem(f"{name} is no setting for {kind.label.lower()}; reload the page")
    flags = [f"--task={kind.task}", *kind.flags]
    if preset != kind.presets[0][0]:
        flags.append(f"--preset={preset}")
    if kind.kernel:
        flags.append(f"--kernel={_kernel(known, values)}")
    for setting in kind.settings:
        flags += setting.flags(values.get(setting.name, setting.default))
    return flags


def factor_of(kind: Damage, values: Mapping[str, Any]) -> int:
    """Returns by how much the result is larger than the picture; the values were checked."""
    for setting in kind.settings:
        if setting.name == "factor":
            return int(float(values.get("factor") or setting.default))
    return 1


def _kernel(known: Mapping[str, Setting], values: Mapping[str, Any]) -> str:
    """Returns a kernel as the command's flag describes it."""

    def value(name: str) -> str:
        return known[name]._checked(values.get(name, known[name].default))

    form, size = value("blur"), value("size")
    return f"{form}:{size},{value('angle')}" if form == "motion" else f"{form}:{size}"


def parse_box(box: Any, width: int, height: int) -> str:
    """Returns the part of a picture that a preview shows, as the command's flag names it.

    Raises:
      Problem: if it does not lie in the picture.
    """
    problem = f"the part for the preview must lie in the picture, {width}x{height}"
    if not isinstance(box, list) or len(box) != 4:
        raise Problem(problem)
    if any(isinstance(each, bool) or not isinstance(each, int) for each in box):
        raise Problem(problem)
    left, top, wide, high = box
    if min(left, top) < 0 or min(wide, high) < 1 or left + wide > width or top + high > height:
        raise Problem(problem)
    return f"{left},{top},{wide},{high}"


def as_page_data() -> list[dict[str, Any]]:
    """Returns the table as the page reads it."""
    return [
        {
            "name": kind.name,
            "label": kind.label,
            "help": kind.help,
            "mask": kind.mask,
            "presets": [list(preset) for preset in kind.presets],
            "settings": [
                {
                    "name": setting.name,
                    "label": setting.label,
                    "help": setting.help,
                    "default": setting.default,
                    "choices": [list(choice) for choice in setting.choices],
                    "least": setting.least,
                    "most": setting.most,
                    "step": 2 if setting.odd else 1 if setting.whole else "any",
                }
                for setting in kind.settings
            ],
        }
        for kind in KINDS
    ]


_SUFFIX = re.compile(r"\.[a-z0-9]{1,6}")


def suffix_of(name: str) -> str:
    """Returns the suffix under which an upload is kept: that of its name, if it is a plain one."""
    suffix = "." + name.rpartition(".")[2].lower() if "." in name else ""
    return suffix if _SUFFIX.fullmatch(suffix) else ".bin"


def _text(number: float | str) -> str:
    """Returns a setting's value as a flag has it: a whole number without a point."""
    if isinstance(number, str):
        return number
    return str(int(number)) if number == int(number) else repr(float(number))
