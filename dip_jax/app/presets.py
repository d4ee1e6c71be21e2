"""Presets: the numbers behind a run, as data.

A preset belongs to one task; the same name may exist for several. The paper's are read off
the notebooks of the original code (DmitryUlyanov/deep-image-prior @ 042e0d4c).
"""

import difflib
import math
import numbers
from typing import Any, NamedTuple

from dip_jax.app.errors import UserError

TASKS = ("denoise", "reconstruct", "inpaint", "super_resolve")
INPUTS = ("noise", "meshgrid", "image")
STOPS = ("auto", "r2r", "held_out", "wmv", "emv", "discrepancy", "none")
# Which of them suit a task. Of a JPEG file's damage no two parts are independent.
STOPS_OF = {
    "denoise": STOPS,
    "reconstruct": ("auto", "wmv", "emv", "none"),
    "inpaint": ("auto", "held_out", "wmv", "emv", "none"),
    "super_resolve": ("auto", "held_out", "wmv", "emv", "none"),
}
MAX_FACTOR = 16
LEAST_TILE = 64
MAX_STEPS = 10**9


class Preset(NamedTuple):
    """Everything that a fit needs besides the picture; hashable."""

    name: str
    task: str
    source: str
    """Where the numbers come from."""
    expected: str
    """What a run with them has reached, and on what."""
    steps: int
    """At most."""
    stop: str = "auto"
    """When to stop, one of ``STOPS``; see :mod:`dip_jax.app.stopping`."""
    generator: str = "skip"
    options: tuple[tuple[str, Any], ...] = ()
    """Keyword arguments of the generator, as pairs."""
    input: str = "noise"
    depth: int = 32
    """Channels of the input where it is noise."""
    learning_rate: float = 0.01
    b2: float = 0.999
    """Of Adam: how slowly its estimate of the gradients' size follows them."""
    warmup: int = 0
    """Steps of linear warm-up of the learning rate."""
    final_learning_rate: float | None = None
    """Where a cosine decay ends; None keeps the rate constant."""
    decay_steps: int = 300
    """When the decay ends. No part of ``steps``: another ``steps`` runs the same program."""
    jitter: float = 0.03
    jitter_strong: float | None = None
    """Takes the place of ``jitter`` from sigma 50 on."""
    alpha: float = 0.0
    """Above 0, the generator is fed the picture with noise added, and ``input``, ``depth`` and
    ``jitter`` mean nothing: see :func:`dip_jax.recorrupted`. For denoising alone."""
    tv: float = 0.0
    """Weight of the picture's mean total variation in the loss."""
    decay: float = 0.99
    """Of the exponential average of the outputs."""
    members: int = 1
    """Fits with different seeds, of which the result is the mean."""
    tile: int = 0
    """Above 0, the picture is restored in overlapping squares of so many pixels a side."""
    every: int = 10
    """Steps between looks at the fit."""
    factor: int = 4
    """For super-resolution: how many times larger."""
    missing: float = 50.0
    """For inpainting demonstrations: percentage of pixels to hide."""


def _options(**options: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(options.items())


_HOURGLASS = _options(widths=(128,) * 5, skip_widths=4, upsampling="bilinear")
_FAST = Preset(
    name="fast",
    task="denoise",
    source="dip_jax, for a CPU",
    expected="",
    steps=300,
    # Narrow where maps are large; wider skip connections make up for some of it.
    options=_options(widths=(32, 48, 64, 64, 64), skip_widths=16, upsampling="nearest", bias=False),
    depth=16,
    warmup=30,
    final_learning_rate=0.001,
    # A third of the paper's: half the steps to the same quality.
    jitter=0.01,
    decay=0.98,
)

PRESETS = (
    _FAST._replace(
        expected="astronaut 256x256, sigma 25: 20.6 to 30.7 dB",
        steps=400,
        decay_steps=400,
        options=_options(
            widths=(32, 48, 64, 64, 64),
            skip_widths=16,
            upsampling="bilinear",
            padding="edge",
            bias=False,
        ),
        alpha=0.5,
        b2=0.99,
    ),
    _FAST._replace(
        name="best",
        source="dip_jax, for the patient",
        expected="kodim12 256x256, sigma 25: 31.4 dB (fast 31.0, BM3D 31.5)",
        steps=500,
        decay_steps=500,
        options=_options(
            widths=(64,) * 5, skip_widths=16, upsampling="bilinear", padding="edge", bias=False
        ),
        alpha=0.5,
        b2=0.99,
        members=2,
    ),
    _FAST._replace(task="reconstruct", expected="astronaut, JPEG quality 10: 27.1 to 27.7 dB"),
    _FAST._replace(
        task="inpaint", expected="kate (text): 18.0 to 41.4 dB, 31.6 without known pixels"
    ),
    _FAST._replace(task="super_resolve", expected="zebra crop x4: 24.7 dB luma, bicubic 22.0"),
    Preset(
        name="paper",
        task="denoise",
        source="denoising.ipynb, F16",
        expected="F16, sigma 25: 30.7 dB one iterate, site's output 33.7 dB",
        steps=3000,
        stop="none",
        options=_HOURGLASS,
        jitter=1 / 30,
        jitter_strong=1 / 20,
    ),
    Preset(
        name="paper",
        task="reconstruct",
        source="denoising.ipynb, snail (JPEG)",
        expected="no reference exists",
        steps=2400,
        stop="none",
        options=_options(
            widths=(8, 16, 32, 64, 128), skip_widths=(0, 0, 0, 4, 4), upsampling="bilinear"
        ),
        depth=3,
        jitter=1 / 30,
    ),
    Preset(
        name="paper",
        task="inpaint",
        source="inpainting.ipynb, kate and peppers (text)",
        expected="kate: 39.0 dB",
        steps=6001,
        stop="none",
        options=_options(widths=(128,) * 5, skip_widths=128, upsampling="nearest"),
    ),
    Preset(
        name="paper",
        task="super_resolve",
        source="super-resolution.ipynb, zebra x4",
        expected="zebra x4: 25.71 dB luma; Set5 29.90, Set14 27.01",
        steps=2000,
        stop="none",
        options=_HOURGLASS,
    ),
    Preset(
        name="x8",
        task="super_resolve",
        source="super-resolution.ipynb, zebra x8",
        expected="zebra x8: 20.62 dB luma; Set5 25.89, Set14 24.15",
        steps=4000,
        stop="none",
        options=_HOURGLASS,
        jitter=0.05,
        factor=8,
    ),
    Preset(
        name="vase",
        task="inpaint",
        source="inpainting.ipynb, vase (a large hole)",
        expected="no reference exists",
        steps=5001,
        stop="none",
        options=_options(widths=(128,) * 5, skip_widths=0, upsampling="nearest"),
        input="meshgrid",
    ),
    Preset(
        name="library",
        task="inpaint",
        source="inpainting.ipynb, library (a large hole)",
        expected="no reference exists",
        steps=3001,
        stop="none",
        options=_options(
            widths=(16, 32, 64, 128, 128, 128),
            skip_widths=0,
            kernel_down=5,
            upsampling="nearest",
            conv1x1_up=False,
        ),
        depth=1,
        jitter=0.0,
    ),
    Preset(
        name="half",
        task="inpaint",
        source="restoration.ipynb, barbara (50 % missing)",
        expected="barbara: 32.22 dB; 11 grey pictures 33.48",
        steps=11000,
        stop="none",
        options=_HOURGLASS,
        learning_rate=0.001,
    ),
    Preset(
        name="sparse",
        task="inpaint",
        source="restoration.ipynb, kate (98 % missing)",
        expected="no figure published",
        steps=1000,
        stop="none",
        options=_options(
            widths=(16, 32, 64, 128, 128),
            skip_widths=0,
            upsampling="bilinear",
            downsampling="average",
        ),
        jitter=0.0,
        missing=98.0,
    ),
)

# As published: a fixed input of noise, as deep as the network is wide.
_DECODER = {
    "options": _options(levels=5, width=64),
    "learning_rate": 0.01,
    "b2": 0.999,
    "depth": 64,
    "jitter": 0.0,
    "jitter_strong": None,
    "alpha": 0.0,
}
# What else another generator than the preset's changes of it.
GENERATORS: dict[str, dict[str, Any]] = {
    "skip": {"options": _FAST.options, "learning_rate": _FAST.learning_rate},
    "unet": {"options": _options(upsampling="bilinear"), "learning_rate": 0.001},
    "resnet": {"options": _options(blocks=8, width=32), "learning_rate": 0.001},
    "deep_decoder": _DECODER,
    "conv_decoder": _DECODER,
}


def find_preset(name: str, task: str | None, *, flag: str = "--preset") -> Preset:
    """The preset of that name for that task.

    Without a task, the first task that has one; so ``vase`` alone means inpainting.

    Raises:
      UserError: if there is none; it tells the nearest name, or the tasks that have one.
    """
    named = [preset for preset in PRESETS if preset.name == name]
    if not named:
        raise UserError(flag, name, "is unknown; " + nearest(name, [p.name for p in PRESETS]))
    for preset in named:
        if task in (None, preset.task):
            return preset
    if task not in TASKS:
        prefix = flag.removesuffix("preset")
        raise UserError(f"{prefix}task", task, "is unknown; " + nearest(str(task), list(TASKS)))
    tasks = " or ".join(preset.task for preset in named)
    others = ", ".join(preset.name for preset in PRESETS if preset.task == task)
    raise UserError(
        flag,
        name,
        f"is a preset for the task {tasks}, not {task}; for that there are {others}",
    )


def changed(preset: Preset, prefix: str = "", **changes: Any) -> Preset:
    """The preset with some fields changed and checked.

    Another generator than the preset's comes with its own options, learning rate and so on
    (``GENERATORS``), unless these are given too.

    Raises:
      UserError: for an unknown field or a value out of range.
    """
    for name, value in changes.items():
        if name not in Preset._fields:
            known = nearest(name, list(Preset._fields))
            raise UserError(f"{prefix}{name}", value, f"is no setting; {known}")
    generator = changes.get("generator", preset.generator)
    if generator not in GENERATORS:
        known = nearest(str(generator), list(GENERATORS))
        raise UserError(f"{prefix}generator", generator, f"is unknown; {known}")
    if generator != preset.generator:
        changes = {**GENERATORS[generator], **changes}
    if isinstance(changes.get("options"), dict):
        changes["options"] = tuple(changes["options"].items())
    preset = preset._replace(**changes)
    _check(preset, prefix)
    return preset


def _check(preset: Preset, prefix: str) -> None:
    if preset.stop not in STOPS:
        known = nearest(str(preset.stop), list(STOPS))
        raise UserError(f"{prefix}stop", preset.stop, f"is unknown; {known}")
    suitable = [
        rule
        for rule in STOPS_OF[preset.task]
        # A recorrupted fit's outputs are of a copy of more noise.
        if not (preset.alpha and rule == "discrepancy")
    ]
    if preset.stop not in suitable:
        problem = f"does not suit {preset.task}, preset {preset.name}; these do: "
        raise UserError(f"{prefix}stop", preset.stop, problem + ", ".join(suitable))
    if preset.input not in INPUTS:
        known = nearest(str(preset.input), list(INPUTS))
        raise UserError(f"{prefix}input", preset.input, f"is unknown; {known}")
    _check_counts(preset, prefix)
    if not 0 <= preset.alpha < 1:
        raise UserError(f"{prefix}alpha", preset.alpha, "must be at least 0 and below 1")
    if preset.alpha and preset.task != "denoise":
        raise UserError(f"{prefix}alpha", preset.alpha, f"must be 0 for the task {preset.task}")
    if not isinstance(preset.tv, numbers.Real) or not 0 <= preset.tv < math.inf:
        raise UserError(f"{prefix}tv", preset.tv, "must be a number of at least 0")
    if not 2 <= preset.factor <= MAX_FACTOR:
        raise UserError(f"{prefix}factor", preset.factor, f"must be from 2 to {MAX_FACTOR}")
    if not 0 < preset.missing < 100:
        raise UserError(
            f"{prefix}missing", preset.missing, "must be a percentage between 0 and 100"
        )


def _check_counts(preset: Preset, prefix: str) -> None:
    for name in ("steps", "members", "every", "factor", "tile"):
        if not isinstance(getattr(preset, name), numbers.Integral):
            raise UserError(f"{prefix}{name}", getattr(preset, name), "must be an integer")
    if 0 != preset.tile < LEAST_TILE:
        raise UserError(f"{prefix}tile", preset.tile, f"must be 0, or at least {LEAST_TILE} pixels")
    for name in ("steps", "members", "every"):
        if not 1 <= getattr(preset, name) <= MAX_STEPS:
            problem = f"must be at least 1 and at most {MAX_STEPS}"
            raise UserError(f"{prefix}{name}", getattr(preset, name), problem)


def nearest(name: str, choices: list[str]) -> str:
    """Words that tell the nearest of ``choices``, or all of them."""
    close = difflib.get_close_matches(name, choices, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return "there are " + ", ".join(dict.fromkeys(choices))


def table() -> str:
    """All presets as text, two lines each."""
    widths = [max(len(getattr(p, field)) for p in PRESETS) for field in ("name", "task")]
    lines = []
    for p in PRESETS:
        head = f"{p.name.ljust(widths[0])}  {p.task.ljust(widths[1])}  {p.steps:5} steps  "
        lines += [head + p.source, " " * len(head) + p.expected]
    return "\n".join(lines)
