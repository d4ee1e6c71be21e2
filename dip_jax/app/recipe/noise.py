"""The noise that the user gives: its kind, and perhaps its level."""

import numbers

from dip_jax.app.errors import UserError
from dip_jax.app.recipe.records import suggest
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.noise import LEVELS, NoiseModel

AUTO_NOISE = "auto"
"""Stands for the kind that :func:`dip_jax.noise.identify_noise` finds."""
CAMERA_NOISE = "camera"
"""Stands for what is found, and for a camera's noise where texture may hide it; its level is
``sigma``, if that is given."""
MOST_HIDDEN = 3.5
"""8-bit levels of such noise, at most, where its level is not given; see
:func:`dip_jax.noise.identify_noise`."""
LEAST = 0.001  # 8-bit levels: less does not matter, and no photon is so dim


def given_noise(
    kind: str, task: TaskSpec, sigma: float | None, gain: float | None
) -> NoiseModel | None:
    """Returns the noise if its level is given; None otherwise.

    That of a camera has only its kind and level; the rest is still to be measured.

    Raises:
      UserError: for a level that is out of range, or belongs to another kind or task.
    """
    levels = {**LEVELS, CAMERA_NOISE: "sigma"}
    kinds = (AUTO_NOISE, *levels)
    if kind not in kinds:
        raise UserError("noise", kind, "is unknown; " + suggest(str(kind), kinds))
    if kind == CAMERA_NOISE and not (task.takes_noise and task.measures_pixels):
        raise UserError("noise", kind, f"has no meaning for {task.name}; drop it")
    found = None
    for name, value in (("sigma", sigma), ("gain", gain)):
        if value is None:
            continue
        if not task.takes_noise:
            raise UserError(name, value, f"has no meaning for {task.name}; drop it")
        if not (isinstance(value, numbers.Real) and LEAST <= value <= 255):
            raise UserError(name, value, f"must be from {LEAST} to 255 levels")
        if kind == AUTO_NOISE:
            kind = next(each for each, level in LEVELS.items() if level == name)
        if levels[kind] != name:
            wanted = f"has no meaning for {kind} noise; give {levels[kind]}"
            raise UserError(name, value, wanted)
        found = NoiseModel(kind, float(value))
    return found
