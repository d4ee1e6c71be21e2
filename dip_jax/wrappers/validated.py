"""The validation error of each step's image."""

from dip_jax.base import Algorithm, Info, State, Task


def validated(algorithm: Algorithm) -> Algorithm:
    """Adds the task's validation error of ``info.image`` to ``info.metrics["validation"]``.

    Raises:
      ValueError: at the first step, if the task has none: see :func:`~dip_jax.validate`.
    """

    def step(state: State, task: Task) -> tuple[State, Info]:
        state, info = algorithm.step(state, task)
        if task.validation is None:
            raise ValueError("the task has no validation: make one with dip_jax.validate")
        value = task.validation(info.image)
        return state, info._replace(metrics={**info.metrics, "validation": value})

    return algorithm._replace(step=step)
