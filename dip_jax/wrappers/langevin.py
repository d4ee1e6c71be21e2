"""Langevin dynamics: sampling instead of optimising; mean and standard deviation of the images.

With noise added to the weights at every step, a fit does not converge to the noisy picture. It
samples pictures that explain it. The mean of the samples needs no early stopping, and their
standard deviation is a measure of uncertainty (Cheng et al., A Bayesian Perspective on the Deep
Image Prior, CVPR 2019). This takes several times the steps of a plain fit: 20,000 in the source.

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
    """Adds Gaussian noise to the updates of convolution kernels, the leaves with four axes.

    It is the last of a chain, ``optax.chain(optax.adam(rate), langevin(key, 2 * rate))``, as in
    the source's code. Biases and norms get no noise. After Adam this is not an exact sampler;
    plain gradient descent on the negative log posterior at rate ``deviation**2 / 2`` is.

    Args:
      key: random key of the noise. It is part of the optimiser: fits with different seeds get
        different noise only if each has its own ``langevin``.
      deviation: standard deviation of the noise of one step, 0 or more, or a schedule. If the
        learning rate follows a schedule, so should this.

    Raises:
      ValueError: for a negative deviation; on ``init``, if no parameter has four axes, as
        inside ``optax.flatten`` and for :class:`~dip_jax.Flat` generators.

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
        # A copy, because states are donated.
        return LangevinState(jnp.copy(key), jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Any, params: Params | None = None) -> tuple[Any, LangevinState]:
        del params
        leaves, structure = jax.tree.flatten(updates)
        sizes = [leaf.size if _is_kernel(leaf) else 0 for leaf in leaves]
        # One draw for all kernels: XLA takes seconds to compile each draw on a CPU.
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
    """int32, number of images sampled."""
    mean: Image
    """Mean of the samples; the newest image as long as there are none."""
    squares: Array
    """Sum of squared differences from the mean, of the image's shape."""

    @property
    def deviation(self) -> Array:
        """The samples' standard deviation ``[h, w]``, defined as in :class:`~dip_jax.Ensemble`.

        The root of the mean variance over channels, in the image's units; zero for one sample.
        """
        variance = self.squares / jnp.maximum(self.samples - 1, 1)
        return jnp.sqrt(jnp.mean(variance, axis=2))


def posterior(algorithm: Algorithm, *, burn_in: int = 7000, every: int = 50) -> Algorithm:
    """Estimates the mean and standard deviation of the images from every ``every``-th step.

    Args:
      algorithm: its ``info.image`` is sampled. Usually a fit with :func:`langevin`, whose images
        vary with the noise of the weights and the jitter.
      burn_in: number of first steps that are not sampled, 0 or more; default from the source.
      every: steps from one sample to the next, at least 1; default from the source. Images of
        consecutive steps are nearly equal.

    Returns:
      An Algorithm whose ``info.image`` and ``estimate`` are the mean of the samples. Before the
      first sample they are the newest image, before the first step black. The state has the
      standard deviation, ``deviation``. ``info.metrics["samples"]`` is the number of samples.
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
        sampled = (count > burn_in) & ((count - burn_in) % every == 0)
        samples = state.samples + sampled
        # Welford's algorithm: it subtracts no large sums.
        change = info.image - state.mean
        mean = jnp.where(sampled, state.mean + change / jnp.maximum(samples, 1), state.mean)
        newest = (samples == 0) | (sampled & (samples == 1))
        mean = jnp.where(newest, info.image, mean)
        increment = change * (info.image - mean)
        squares = jnp.where(sampled & ~newest, state.squares + increment, state.squares)
        state = PosteriorState(inner, count, samples, mean, squares)
        metrics = {**info.metrics, "samples": samples}
        return state, info._replace(image=mean, metrics=metrics)

    def estimate(state: PosteriorState) -> Image:
        return state.mean

    return Algorithm(init, step, estimate)
