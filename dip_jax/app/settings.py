"""The settings of a fit, as data, and their checks."""

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
HIDE = 0.2
LEAST_HIDE = 0.05  # of less, some pixels would never be hidden
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
    """Above 0, the generator is fed the picture with noise added: see
    :func:`dip_jax.recorrupted`. For denoising alone. Where this or one of the next two is above
    0, ``input``, ``depth`` and ``jitter`` mean nothing."""
    extra: float = 0.0
    """Above 0, likewise, and the loss is Stein's estimate: see :func:`dip_jax.sure`."""
    hide: float | None = 0.0
    """Above 0, the generator is fed the known pixels, up to this share of them hidden at each
    step, and learns to foresee these: see :func:`dip_jax.blind_spot`. For inpainting, which then
    begins from a guess, and denoising, where ``alpha`` and ``extra`` then mean nothing. None,
    for inpainting: ``HIDE`` where the missing pixels are scattered, 0 elsewhere."""
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
    lobes: int = 2
    """For super-resolution: of the Lanczos filter that is taken to have made the picture small;
    3 is Pillow's, and that of most programs, 2 the paper's loss."""
    missing: float = 50.0
    """For inpainting demonstrations: percentage of pixels to hide."""

    @property
    def fed(self) -> bool:
        """Whether the generator is fed the picture itself, and learns from it."""
        return self.denoiser or self.hide != 0

    @property
    def denoiser(self) -> bool:
        """Whether the generator would be fed the whole noisy picture, if ``hide`` were 0."""
        return self.alpha > 0 or self.extra > 0

    @property
    def fed_noise(self) -> bool:
        """Whether the generator is fed the whole noisy picture, and how much noise there is."""
        return self.denoiser and not self.hide


def pairs(**options: Any) -> tuple[tuple[str, Any], ...]:
    """A generator's options in the form of a preset, which is hashable."""
    return tuple(options.items())


# Narrow where maps are large; wider skip connections make up for some of it.
NARROW = pairs(widths=(32, 48, 64, 64, 64), skip_widths=16, upsampling="nearest", bias=False)
# As published: a fixed input of noise, as deep as the network is wide.
_DECODER = {
    "options": pairs(levels=5, width=64),
    "learning_rate": 0.01,
    "b2": 0.999,
    "input": "noise",
    "depth": 64,
    "jitter": 0.0,
    "jitter_strong": None,
    "alpha": 0.0,
    "extra": 0.0,
    "hide": 0.0,
}
# What else another generator than the preset's changes of it.
GENERATORS: dict[str, dict[str, Any]] = {
    "skip": {"options": NARROW, "learning_rate": 0.01},
    "unet": {"options": pairs(upsampling="bilinear"), "learning_rate": 0.001},
    "resnet": {"options": pairs(blocks=8, width=32), "learning_rate": 0.001},
    "deep_decoder": _DECODER,
    "conv_decoder": _DECODER,
}


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
    # Lists as JSON has them, of a report's settings, say.
    changes = {name: _hashable(value) for name, value in changes.items()}
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
        # Of a copy of more noise, or not of the pixel's own value: they don't come near the data.
        if not (preset.fed and rule == "discrepancy")
    ]
    if preset.stop not in suitable:
        problem = f"does not suit {preset.task}, preset {preset.name}; these do: "
        raise UserError(f"{prefix}stop", preset.stop, problem + ", ".join(suitable))
    if preset.input not in INPUTS:
        known = nearest(str(preset.input), list(INPUTS))
        raise UserError(f"{prefix}input", preset.input, f"is unknown; {known}")
    _check_counts(preset, prefix)
    _check_fed(preset, prefix)
    if not isinstance(preset.tv, numbers.Real) or not 0 <= preset.tv < math.inf:
        raise UserError(f"{prefix}tv", preset.tv, "must be a number of at least 0")
    if not 2 <= preset.factor <= MAX_FACTOR:
        raise UserError(f"{prefix}factor", preset.factor, f"must be from 2 to {MAX_FACTOR}")
    if preset.lobes not in (2, 3):
        raise UserError(f"{prefix}lobes", preset.lobes, "must be 2 or 3")
    if not 0 < preset.missing < 100:
        raise UserError(
            f"{prefix}missing", preset.missing, "must be a percentage between 0 and 100"
        )


def _check_fed(preset: Preset, prefix: str) -> None:
    """Of what the generator learns from, if it is fed the picture."""
    if not 0 <= preset.alpha < 1:
        raise UserError(f"{prefix}alpha", preset.alpha, "must be at least 0 and below 1")
    if not isinstance(preset.extra, numbers.Real) or not 0 <= preset.extra < math.inf:
        raise UserError(f"{prefix}extra", preset.extra, "must be a number of at least 0")
    if preset.alpha and preset.extra:
        raise UserError(f"{prefix}extra", preset.extra, "must be 0 where alpha is not")
    hide = 0.0 if preset.hide is None else preset.hide
    if not isinstance(hide, numbers.Real) or not (hide == 0 or LEAST_HIDE <= hide <= 1):
        problem = f"must be a share from {LEAST_HIDE} to 1, or 0"
        raise UserError(f"{prefix}hide", hide, problem)
    if preset.fed and preset.hide is not None and preset.input != "noise":
        problem = "has no meaning where the network is fed the picture; drop it, or take "
        mend = f"{prefix}hide=0" if preset.hide else f"{prefix}preset=paper"
        raise UserError(f"{prefix}input", preset.input, problem + mend)
    denoise, hides = ("denoise",), ("denoise", "inpaint")
    for name, tasks in (("alpha", denoise), ("extra", denoise), ("hide", hides)):
        value = getattr(preset, name)
        if value and preset.task not in tasks:
            raise UserError(f"{prefix}{name}", value, f"must be 0 for the task {preset.task}")


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


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
