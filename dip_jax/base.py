"""The contract: an inverse problem, a generator and an algorithm, as plain data.

Every part of the library is one of the types below or a function between them:

* a *task* turns measured data into a loss on images, ``denoise(y) -> Task``;
* a *generator* turns a fixed input ``z`` into an image, ``apply(params, z)``; the input is an
  array or a pytree of arrays;
* an *algorithm* is three pure functions over an immutable state, and a *wrapper* is a
  function from Algorithm to Algorithm, ``average(dip(...))``.

Images are float32 arrays ``[height, width, channels]`` with values in [0, 1], unless a task says
otherwise: volumes have an axis more, and :mod:`dip_jax.operators.values` is for complex images and
other units. There is no batch axis: one fit restores one image.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
ArrayLike = jax.Array | np.ndarray
Image = jax.Array
"""float32 ``[height, width, channels]``, values in [0, 1]."""
Scalar = jax.Array
Key = jax.Array
Input = Any
"""The generator's input, an array or a pytree of arrays. The networks of
:mod:`dip_jax.generators` take an array ``[height, width, depth]``."""
Params = Any
State = Any


class Task(NamedTuple):
    """An inverse problem as the fit sees it.

    The fields are :class:`jax.tree_util.Partial`: their data are leaves of the pytree, so a
    second picture of the same shape reuses the compiled program.
    """

    loss: Callable[[Image], Scalar]
    """Differentiable; what the fit minimises."""
    metrics: Callable[[Image], dict[str, Scalar]]
    """For reports only; may use a reference image; never enters a gradient or a choice."""
    validation: Callable[[Image], Scalar] | None = None
    """The error on measured data that the loss does not see; stopping and choosing go by it."""


class Generator(Protocol):
    """A network as two pure functions; any ``flax.linen.Module`` of one input is one.

    The generator's input is a pytree, most often one array ``[height, width, depth]``.
    """

    def init(self, key: Key, z: Input) -> Params:
        """Draws parameters for inputs of the shapes in ``z``."""
        ...

    def apply(self, params: Params, z: Input) -> Image:
        """The image that ``params`` make of ``z``; an array ``z`` has its height and width."""
        ...


class Info(NamedTuple):
    """Diagnostics of one step; not carried to the next one."""

    loss: Scalar
    """The task's loss at the parameters that the step started from."""
    image: Image
    """The image that the step offers: the network's output, or what a wrapper made of it."""
    metrics: dict[str, Scalar]
    """Named scalars that wrappers add."""
    done: Scalar | bool = False
    """Whether more steps would be useless: :func:`~dip_jax.run` then ends."""


class Algorithm(NamedTuple):
    """Three pure functions; wrappers map an Algorithm to an Algorithm."""

    init: Callable[[Key, Task, Input], State]
    """``(key, task, z) -> state``; ``z`` is the generator's input, a pytree of arrays."""
    step: Callable[[State, Task], tuple[State, Info]]
    """``(state, task) -> (state, info)``: one step of optimisation."""
    estimate: Callable[[State], Image]
    """``state -> image``: the restoration that this state stands for."""


def check_restored(y: ArrayLike, restored: ArrayLike) -> None:
    """Checks a noisy picture and an estimate of it.

    Raises:
      ValueError: for whole numbers, or unless both are ``[h, w, c]``, of one shape.
    """
    for name, image in (("y", y), ("restored", restored)):
        if not jnp.issubdtype(image.dtype, jnp.floating):
            raise ValueError(f"{name} is of {image.dtype}: must be float, with values in [0, 1]")
    if y.shape != restored.shape or y.ndim != 3:
        raise ValueError(f"restored has the shape {restored.shape}, y {y.shape}: must be [h, w, c]")
