"""Samples instead of an optimum: Langevin dynamics, and the mean and deviation of its images.

A fit whose weights are shaken at every step does not come to rest on the noisy picture but
wanders among the pictures that explain it: the mean of its outputs needs no stopping, and
where they differ it is uncertain (Cheng et al., A Bayesian Perspective on the Deep Image
Prior, CVPR 2019). It takes several times the steps of a plain fit: theirs are 20,000.

>>> import jax, optax
>>> import dip_jax
>>> key, noise_key, z_key = jax.random.split(jax.random.key(0), 3)
>>> optimizer = optax.chain(
...     optax.add_decayed_weights(5e-8),  # the Gaussian prior on the weights
...     optax.adam(0.01),
...     langevin(noise_key, 2 * 0.01),
... )
>>> network = dip_jax.DeepDecoder(levels=1, width=4)
>>> fit = posterior(dip_jax.dip(network, optimizer), burn_in=2, every=1)
>>> task = dip_jax.denoise(jax.numpy.full((8, 8, 3), 0.5))
>>> z = dip_jax.inputs.uniform(z_key, 8, 8, depth=4)
>>> state, _ = dip_jax.run(fit, key, task, z, steps=5)
>>> dip_jax.estimate(fit, state).shape, state.deviation.shape, int(state.samples)
((8, 8, 3), (8, 8), 3)
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dip_jax.base import Algorithm, Array, Image, Info, Key, Params, Scalar, State, Task


class LangevinState(NamedTuple):
    """State of :func:`langevin`."""

    key: Key
    """Folded with ``count`` at each step."""
    count: Scalar
    """int32, steps taken."""


def langevin(key: Key, deviation: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Adds Gaussian noise to the updates of convolution kernels, the leaves of four axes.

    It stands last in a chain, ``optax.chain(optax.adam(rate), langevin(key, 2 * rate))``, as
    in the source's code; biases and norms are left alone. Behind Adam this is no exact
    sampler: that is plain descent on the negative log posterior at rate ``deviation**2 / 2``.

    Args:
      key: of the noise. It is part of the optimiser: fits with other seeds get other noise
        only if they get another ``langevin``.
      deviation: of the noise of one step, 0 or more, or a schedule of it; where the learning
        rate follows a schedule so should this.

    Raises:
      ValueError: for a negative deviation; on ``init`` if no parameter has four axes, as
        inside of ``optax.flatten`` and for :class:`~dip_jax.Flat` generators.

    Source: Cheng et al., CVPR 2019; Welling and Teh, ICML 2011.
    """
    if not callable(deviation) and not deviation >= 0:
        raise ValueError(f"deviation={deviation!r}: must be 0 or more")

    def init(params: Params) -> LangevinState:
        if not any(map(_is_kernel, jax.tree.leaves(params))):
            raise ValueError(
                "langevin: no parameter is a convolution kernel with four axes; put it "
                "outside of optax.flatten, and take the generator without dip_jax.Flat"
            )
        # A copy, as states are donated.
        return LangevinState(jnp.copy(key), jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Any, params: Params | None = None) -> tuple[Any, LangevinState]:
        del params
        leaves, structure = jax.tree.flatten(updates)
        sizes = [leaf.size if _is_kernel(leaf) else 0 for leaf in leaves]
        # One draw for all: on a CPU each takes XLA seconds to compile.
        noise = jax.random.normal(jax.random.fold_in(state.key, state.count), (sum(sizes),))
        noise = noise * (deviation(state.count) if callable(deviation) else deviation)
        parts = jnp.split(noise, np.cumsum(sizes)[:-1])
        noisy = [
            leaf + part.reshape(leaf.shape).astype(leaf.dtype) if size else leaf
            for leaf, part, size in zip(leaves, parts, sizes, strict=True)
        ]
        return jax.tree.unflatten(structure, noisy), state._replace(count=state.count + 1)

    return optax.GradientTransformation(init, update)


def _is_kernel(leaf: Array) -> bool:
    return leaf.ndim == 4


class PosteriorState(NamedTuple):
    """State of :func:`posterior`."""

    inner: State
    count: Scalar
    """int32, steps taken."""
    samples: Scalar
    """int32, how many images were taken in."""
    mean: Image
    """Of these; the newest image as long as there are none."""
    squares: Array
    """Sum of the squared distances from the mean, of the image's shape."""

    @property
    def deviation(self) -> Array:
        """``[h, w]``, the samples' standard deviation, as that of :class:`~dip_jax.Ensemble`.

        The root of the mean square over channels, in the image's units; zero for one sample.
        """
        variance = self.squares / jnp.maximum(self.samples - 1, 1)
        return jnp.sqrt(jnp.mean(variance, axis=2))


def posterior(algorithm: Algorithm, *, burn_in: int = 7000, every: int = 50) -> Algorithm:
    """The mean and the deviation of every so many-th image after the first ones.

    Args:
      algorithm: its ``info.image`` are the samples; a fit with :func:`langevin`, whose images
        come of the shaken weights and of the jitter.
      burn_in: steps that come first and count nothing, 0 or more; the source's.
      every: steps from one sample to the next, at least 1; the source's. Neighbouring images
        are nearly the same one.

    Returns:
      An Algorithm whose ``info.image`` and ``estimate`` are the mean, before the first sample
      the newest image, before the first step black. Its state has the ``deviation``.
      ``info.metrics`` gets ``samples``, how many there are.
    """
    if burn_in < 0:
        raise ValueError(f"burn_in={burn_in!r}: must be 0 or more")
    if every < 1:
        raise ValueError(f"every={every!r}: must be at least 1")

    def init(key: Key, task: Task, z: Array) -> PosteriorState:
        inner = algorithm.init(key, task, z)
        image = jax.eval_shape(algorithm.estimate, inner)
        return PosteriorState(
            inner,
            count=jnp.zeros((), jnp.int32),
            samples=jnp.zeros((), jnp.int32),
            mean=jnp.zeros(image.shape, image.dtype),
            squares=jnp.zeros(image.shape, image.dtype),
        )

    def step(state: PosteriorState, task: Task) -> tuple[PosteriorState, Info]:
        inner, info = algorithm.step(state.inner, task)
        count = state.count + 1
        counts = (count > burn_in) & ((count - burn_in) % every == 0)
        samples = state.samples + counts
        # Welford's way: no large sums are subtracted.
        change = info.image - state.mean
        mean = jnp.where(counts, state.mean + change / jnp.maximum(samples, 1), state.mean)
        newest = (samples == 0) | (counts & (samples == 1))
        mean = jnp.where(newest, info.image, mean)
        more = change * (info.image - mean)
        squares = jnp.where(counts & ~newest, state.squares + more, state.squares)
        state = PosteriorState(inner, count, samples, mean, squares)
        metrics = {**info.metrics, "samples": samples}
        return state, info._replace(image=mean, metrics=metrics)

    def estimate(state: PosteriorState) -> Image:
        return state.mean

    return Algorithm(init, step, estimate)
