"""Metrics of each step's image."""

from dip_jax.base import Algorithm, Info, State, Task


def measured(algorithm: Algorithm, prefix: str = "") -> Algorithm:
    """Adds the task's metrics of ``info.image`` to ``info.metrics``, their names prefixed.

    ``measured(average(measured(dip(...))), "average_")`` reports metrics of both the iterate
    and the average. Metrics do not affect the fit.

    Raises:
      ValueError: at the first step, if ``info.metrics`` has one of these names already.
    """

    def step(state: State, task: Task) -> tuple[State, Info]:
        state, info = algorithm.step(state, task)
        values = {prefix + name: value for name, value in task.metrics(info.image).items()}
        clash = values.keys() & info.metrics.keys()
        if clash:
            raise ValueError(f"metrics {sorted(clash)} exist already: give a prefix")
        return state, info._replace(metrics={**info.metrics, **values})

    return algorithm._replace(step=step)
