"""Stopping rules as records: one file each, one line in the table."""

from dip_jax.app.errors import UserError
from dip_jax.app.recipe.records import suggest
from dip_jax.app.recipe.rules.base import LEAST_NOISE, PATIENCE, Measurement, Rule, Split, split
from dip_jax.app.recipe.rules.blocks import HeldOutBlocks
from dip_jax.app.recipe.rules.discrepancy import Discrepancy
from dip_jax.app.recipe.rules.held_out import HeldOut
from dip_jax.app.recipe.rules.moving import MovingVariance, WindowedVariance
from dip_jax.app.recipe.rules.never import Never
from dip_jax.app.recipe.rules.r2r import IndependentCopy
from dip_jax.app.recipe.tasks import TaskSpec
from dip_jax.noise import NoiseModel

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        IndependentCopy(),
        HeldOut(),
        HeldOutBlocks(),
        WindowedVariance(),
        MovingVariance(),
        Discrepancy(),
        Never(),
    )
}
AUTO = "auto"
"""The task's own rule, or none for a picture too small for it."""


def check_rule(name: str, task: TaskSpec, *, feeds_picture: bool, preset: str) -> None:
    """Checks that a rule exists and suits.

    Raises:
      UserError: naming the rules that do.
    """
    if name not in (AUTO, *RULES):
        raise UserError("stop", name, "is unknown; " + suggest(str(name), (AUTO, *RULES)))
    suitable = [AUTO]
    suitable += [key for key, r in RULES.items() if r.suits(task, feeds_picture=feeds_picture)]
    if name not in suitable:
        problem = f"does not suit {task.name}, preset {preset}; these do: {', '.join(suitable)}"
        raise UserError("stop", name, problem)


def choose_rule(name: str, task: TaskSpec, noise: NoiseModel | None, pixels: int) -> Rule:
    """Returns the rule that a name means for one picture.

    Args:
      name: "auto" or a name of ``RULES``.
      task: the task.
      noise: of the picture, if known.
      pixels: number of known pixels.

    Raises:
      UserError: if the rule needs noise or more pixels.
    """
    if name == AUTO:
        rule = RULES[task.default_rule]
        if noise is not None and noise.kernel is not None and rule.needs_independence:
            rule = RULES[IndependentCopy.name]
        return rule if pixels >= rule.least_pixels else RULES[Never.name]
    rule = RULES[name]
    noisy = noise is not None and noise.standard_deviation_at_level(255) >= LEAST_NOISE
    if rule.needs_noise and not noisy:
        problem = f"needs noise of at least {LEAST_NOISE} levels; give its level, or take none"
        raise UserError("stop", name, problem)
    if pixels < rule.least_pixels:
        problem = f"needs at least {rule.least_pixels} known pixels and has {pixels}; take none"
        raise UserError("stop", name, problem)
    return rule


__all__ = [
    "AUTO",
    "PATIENCE",
    "RULES",
    "Measurement",
    "Rule",
    "Split",
    "check_rule",
    "choose_rule",
    "split",
]
