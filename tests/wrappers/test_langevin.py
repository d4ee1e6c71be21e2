"""Langevin dynamics: the noise by itself, the samples by themselves, and both on a toy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax
from dip_jax.base import Algorithm, Info
from dip_jax.compilation import jit
from tests.toy import picture
from tests.wrappers.script import script

KEY = jax.random.key(0)
PARAMS = {
    "conv": {"kernel": jnp.ones((3, 3, 16, 64)), "bias": jnp.ones(64)},
    "mix": {"kernel": jnp.ones((1, 1, 64, 32))},
    "norm": {"scale": jnp.ones(64), "bias": jnp.ones(64)},
}
ZEROS = jax.tree.map(jnp.zeros_like, PARAMS)


def updates(transformation, steps, given=ZEROS):
    """What the transformation makes of ``given`` in each step."""
    state, results = transformation.init(PARAMS), []
    update = jit(transformation.update)
    for _ in range(steps):
        result, state = update(given, state, PARAMS)
        results.append(result)
    return results


@pytest.mark.slow
def test_kernels_get_noise_of_the_deviation_asked_for_and_nothing_else_does():
    (noise,) = updates(dip_jax.langevin(KEY, 0.02), 1)
    for name in ("conv", "mix"):
        kernel = noise[name]["kernel"]
        assert jnp.std(kernel) == pytest.approx(0.02, rel=0.03)
        assert jnp.abs(jnp.mean(kernel)) < 4 * 0.02 / kernel.size**0.5
    assert not noise["conv"]["bias"].any()
    assert not noise["norm"]["scale"].any()
    assert not noise["norm"]["bias"].any()
    (both,) = updates(dip_jax.langevin(KEY, 0.02), 1, PARAMS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b + 1, rtol=1e-6), both, noise)


def test_noise_is_new_each_step_and_follows_from_the_key():
    def kernels(key):
        found = updates(dip_jax.langevin(key, 1.0), 2)
        return [np.asarray(step[name]["kernel"]) for step in found for name in ("conv", "mix")]

    one, same, other = kernels(KEY), kernels(jax.random.key(0)), kernels(jax.random.key(1))
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    draws = np.array([kernel.ravel()[:2048] for kernel in one + other])
    assert np.abs(np.corrcoef(draws) - np.eye(len(draws))).max() < 0.1


def test_deviation_may_be_a_schedule():
    schedule = optax.linear_schedule(0.0, 0.4, transition_steps=2)
    found = updates(dip_jax.langevin(KEY, schedule), 3)
    deviations = [float(jnp.std(noise["conv"]["kernel"])) for noise in found]
    np.testing.assert_allclose(deviations, [0.0, 0.2, 0.4], rtol=0.03)


def test_it_stands_behind_a_flattened_adam_but_not_inside():
    noise = dip_jax.langevin(KEY, 0.5)
    (update,) = updates(optax.chain(optax.flatten(optax.adam(0.1)), noise), 1, PARAMS)
    np.testing.assert_allclose(update["norm"]["scale"], -0.1, rtol=1e-5)
    assert jnp.std(update["conv"]["kernel"]) == pytest.approx(0.5, rel=0.03)
    with pytest.raises(ValueError, match=r"outside of optax\.flatten"):
        optax.flatten(optax.chain(optax.adam(0.1), noise)).init(PARAMS)


@pytest.mark.parametrize("deviation", [-0.1, float("nan")])
def test_a_deviation_out_of_range_is_named(deviation):
    with pytest.raises(ValueError, match=f"deviation={deviation}"):
        dip_jax.langevin(KEY, deviation)


def test_posterior_takes_every_so_many_th_image_after_the_first_ones():
    """Images count from 0; the first two steps and each other one after them do not count."""
    images = jnp.asarray([jnp.nan, 9.0, 5.0, 1.0, jnp.nan, 2.0, 7.0, 6.0, 3.0])

    def step(count, task):
        del task
        return count + 1, Info(count * 1.0, jnp.full((2, 3, 1), images[count]), {})

    def estimate(count):
        del count
        return jnp.zeros((2, 3, 1))

    algorithm = Algorithm(lambda *_: jnp.zeros((), jnp.int32), step, estimate)
    fit = dip_jax.posterior(algorithm, burn_in=2, every=2)
    task = dip_jax.denoise(jnp.zeros((2, 3, 1)))
    state, shown = fit.init(KEY, task, jnp.zeros((2, 3, 1))), []
    np.testing.assert_array_equal(fit.estimate(state), 0)
    for _ in range(len(images)):
        state, info = jax.jit(fit.step)(state, task)
        shown.append((float(info.image[0, 0, 0]), int(info.metrics["samples"])))
    means = [np.nan, 9, 5, 1, 1, 1.5, 1.5, 3, 3]
    np.testing.assert_allclose([mean for mean, _ in shown], means, rtol=1e-6)
    assert [samples for _, samples in shown] == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    np.testing.assert_allclose(state.deviation, np.full((2, 3), np.std([1, 2, 6], ddof=1)))


@pytest.mark.parametrize(("name", "value"), [("burn_in", -1), ("every", 0)])
def test_counts_of_samples_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        dip_jax.posterior(script([1.0]), **{name: value})


def test_one_sample_has_no_deviation():
    fit = dip_jax.posterior(dip_jax.dip(Kernel(), optax.sgd(0.1), jitter=0), burn_in=0, every=1)
    state, _ = dip_jax.run(fit, KEY, dip_jax.denoise(picture()), jnp.ones((12, 10, 1)), steps=1)
    np.testing.assert_array_equal(state.deviation, np.zeros((12, 10)))


class Kernel:
    """The image is a kernel: descent on its mean squared error is a linear recursion."""

    def init(self, key, z):
        del key
        return {"kernel": jnp.zeros((1, 1, *z.shape[:2]))}

    def apply(self, params, z):
        del z
        return params["kernel"][0, 0, :, :, None]


def test_mean_and_deviation_are_those_of_the_stationary_law():
    """x <- y + (x - y) / 2 + noise of deviation s has the mean y and the variance s^2 / (3/4)."""
    y, noise = picture(), 0.1
    half = y.size / 4  # the gradient of the mean square is 2 (x - y) / size
    optimizer = optax.chain(optax.sgd(half), dip_jax.langevin(jax.random.key(5), noise))
    fit = dip_jax.posterior(dip_jax.dip(Kernel(), optimizer, jitter=0), burn_in=50, every=5)
    z = jnp.ones((12, 10, 1))
    state, trace = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=2050)
    assert trace["samples"][-1] == 400
    deviation = noise / 0.75**0.5
    assert jnp.mean(state.deviation) == pytest.approx(deviation, rel=0.02)
    error = dip_jax.estimate(fit, state) - y
    # Samples five steps apart correlate by (1/2)^5.
    assert jnp.std(error) == pytest.approx(deviation * (1.0645 / 400) ** 0.5, rel=0.25)
    again, _ = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=2050, every=7)
    np.testing.assert_array_equal(again.mean, state.mean)
