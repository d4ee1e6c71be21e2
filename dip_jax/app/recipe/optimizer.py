"""The optimiser of a fit."""

from dataclasses import dataclass

import optax

from dip_jax.app.recipe.records import Record


@dataclass(frozen=True)
class Adam(Record):
    """Adam with a learning rate that may warm up and decay."""

    learning_rate: float = 0.01
    adam_b2: float = 0.999
    """How slowly the estimate of the gradients' size follows them."""
    warmup: int = 0
    """Steps of linear warm-up of the learning rate."""
    final_learning_rate: float | None = None
    """Where a cosine decay ends; None keeps the rate constant."""
    decay_steps: int = 300
    """The step at which the decay ends; later ones have the final rate. Independent of ``steps``,
    so other ``steps`` run the same program."""

    def build(self) -> optax.GradientTransformation:
        """Returns the optax optimiser."""
        return optax.adam(self._schedule(), b2=self.adam_b2)

    def begin_late(self, steps: int) -> int:
        """Returns the step of the schedule after which so many are left; 0 without a decay."""
        return 0 if self.final_learning_rate is None else max(0, self.decay_steps - steps)

    def _schedule(self) -> optax.ScalarOrSchedule:
        peak, final = self.learning_rate, self.final_learning_rate
        if not self.warmup and final is None:
            return peak
        return optax.warmup_cosine_decay_schedule(
            init_value=peak / max(1, self.warmup),
            peak_value=peak,
            warmup_steps=min(self.warmup, self.decay_steps - 1),
            decay_steps=self.decay_steps,
            end_value=peak if final is None else final,
        )
