"""No rule: a fit takes all its steps."""

from dataclasses import dataclass

from dip_jax.app.recipe.rules.base import Rule


@dataclass(frozen=True)
class Never(Rule):
    """Takes all steps."""

    name = "none"
    summary = "after all steps"
