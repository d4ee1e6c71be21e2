"""Tasks as records: one file each, one line in the table."""

from dip_jax.app.errors import UserError
from dip_jax.app.recipe.records import suggest
from dip_jax.app.recipe.tasks.base import Arrays, Data, Degraded, Flag, Measured, Options, TaskSpec
from dip_jax.app.recipe.tasks.deblur import Deblur
from dip_jax.app.recipe.tasks.denoise import Denoise
from dip_jax.app.recipe.tasks.inpaint import Inpaint
from dip_jax.app.recipe.tasks.reconstruct import Reconstruct
from dip_jax.app.recipe.tasks.super_resolve import SuperResolve

TASKS: dict[str, type[TaskSpec]] = {
    task.name: task for task in (Denoise, Reconstruct, Inpaint, SuperResolve, Deblur)
}
DEFAULT_TASK = Denoise.name


def find_task(name: object) -> type[TaskSpec]:
    """Returns the task of that name.

    Raises:
      UserError: if there is none; it suggests the nearest name.
    """
    if name not in TASKS:
        raise UserError("task", name, "is unknown; " + suggest(str(name), TASKS))
    return TASKS[str(name)]


__all__ = [
    "DEFAULT_TASK",
    "TASKS",
    "Arrays",
    "Data",
    "Degraded",
    "Denoise",
    "Flag",
    "Inpaint",
    "Measured",
    "Options",
    "Reconstruct",
    "SuperResolve",
    "TaskSpec",
    "find_task",
]
