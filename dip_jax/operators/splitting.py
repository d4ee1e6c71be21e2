"""One measurement split by its lines, angles or pixels: a part to fit, and a part to validate."""

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.base import Array, Key


def split_mask(
    key: Key, mask: Array, share: float = 0.1, *, always: Array | None = None
) -> tuple[Array, Array]:
    """Splits the measured values into those to fit and those held out, for stopping.

    What shares an entry of ``mask`` stays together: lines of k-space in a mask ``[1, w, 1]``,
    angles in one of ``[a, 1, 1]``, pixels in one of ``[h, w, 1]``. Both parts are weights for
    ``known`` of :func:`dip_jax.tasks.observe`:

    >>> import jax, jax.numpy as jnp
    >>> from jax.tree_util import Partial
    >>> from dip_jax import operators, tasks
    >>> angles = jnp.linspace(0.0, 180.0, 60, endpoint=False)
    >>> operator = Partial(operators.radon, angles=angles)
    >>> y = operator(jnp.ones((32, 32, 1)))
    >>> fitted, held = split_mask(jax.random.key(0), jnp.ones((60, 1, 1)))
    >>> task, other = (tasks.observe(operator, y, known=part) for part in (fitted, held))
    >>> task = tasks.validate(task, other)

    Args:
      key: decides which entries are held out.
      mask: above 0 where measured, 0 elsewhere, of any shape.
      share: of the measured entries to hold out, above 0 and below 1; at least one is.
      always: of the mask's shape, 1 for entries that are always fitted, such as the centre of
        k-space. By default none are.

    Returns:
      ``(fitted, held)``, of the mask's shape, which sum to ``mask``.

    Raises:
      ValueError: if the share is out of range, or one part would keep nothing.
    """
    if not 0 < share < 1:
        raise ValueError(f"share={share!r}: must be above 0 and below 1")
    measured = np.asarray(mask) > 0
    if not measured.any():
        raise ValueError("mask keeps nothing: all its values are 0")
    free = measured if always is None else measured & ~(np.asarray(always) > 0)
    count = max(1, round(share * int(measured.sum())))
    if count > free.sum() or count == measured.sum():
        raise ValueError(
            f"mask measures {measured.sum()} entries, {free.sum()} of which may be held out: "
            f"holding out {count} leaves too few"
        )
    rank = jnp.where(free, jax.random.uniform(key, free.shape), 2.0)
    chosen = jnp.argsort(rank.ravel())[:count]
    held = jnp.zeros(free.size).at[chosen].set(1.0).reshape(free.shape)
    return mask * (1 - held), mask * held
