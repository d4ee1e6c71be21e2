import jax
import jax.numpy as jnp
import optax
import pytest

import dip_jax
from dip_jax.noise import clipped_chance
from tests.toy import Convolutions, Gain, Toy, noise_around_grey

KEY = jax.random.key(0)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_sure_is_unbiased_where_noise_was_clipped(level):
    """The loss of an identity network is its error, in the mean over noises and draws."""
    sigma, truth = 0.1, jnp.full((48, 48, 3), level)
    fit = dip_jax.sure(Gain(), optax.sgd(0.0))

    @jax.jit
    def excess(key):
        y = jnp.clip(truth + sigma * jax.random.normal(key, truth.shape), 0, 1)
        z = dip_jax.NoisyInput(y, jnp.full(y.shape, sigma), clipped_chance(y, truth, sigma))
        _, info = fit.step(fit.init(key, dip_jax.denoise(y), z), dip_jax.denoise(y))
        return info.loss - jnp.mean((info.image - truth) ** 2)

    found = jnp.stack([excess(jax.random.key(seed)) for seed in range(30)])
    assert abs(float(found.mean())) < 0.02 * sigma**2


@pytest.mark.slow
def test_sure_estimates_the_error_against_the_clean_image():
    """In the mean over many values; for a gain g that error is (g s)^2 around grey."""
    sigma = 0.2
    y, z = noise_around_grey(sigma)
    for extra in (0.0, 0.5):
        fit = dip_jax.sure(Gain(), optax.sgd(0.0), extra_noise=extra)
        state = fit.init(KEY, dip_jax.denoise(y), z)
        state = state._replace(params={"gain": jnp.array(0.5)})
        _, info = fit.step(state, dip_jax.denoise(y))
        added = float(jnp.var(info.image) / 0.25 - jnp.var(y))  # of the input's variance, by extra
        assert (added > 0.001) == (extra > 0)
        assert info.loss == pytest.approx(0.25 * (sigma**2 + added), abs=0.0015)


def test_sure_weighs_the_divergence_as_the_task_weighs_the_image():
    """Pixels that do not count change neither loss nor gradient, however noisy they are."""
    y, z = noise_around_grey(0.2)
    known = jnp.zeros((64, 64, 1)).at[:, :32].set(1.0)
    task = dip_jax.denoise(y, known=known)
    fit = dip_jax.sure(Gain(), optax.sgd(0.1), extra_noise=0.0)
    losses, gains = [], []
    for sigma in (0.2, 5.0):
        other = z._replace(sigma=z.sigma.at[:, 32:].set(sigma))
        state, info = fit.step(fit.init(KEY, task, other), task)
        losses.append(float(info.loss))
        gains.append(float(state.params["gain"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert gains[0] == pytest.approx(gains[1], rel=1e-6)


@pytest.mark.slow
def test_sure_does_not_learn_noise():
    """The least squares gain for pure noise is 0; fitting y to itself would keep it 1."""
    y, z = noise_around_grey(0.2)
    fit = dip_jax.sure(Gain(), optax.adam(0.02))
    state, _ = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=300)
    assert abs(state.params["gain"]) < 0.05


@pytest.mark.slow
def test_sure_trains_a_network_in_a_compiled_loop():
    y, z = noise_around_grey(0.1)
    fit = dip_jax.sure(Convolutions(3), optax.adam(0.03))
    state, trace = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=100)
    error = jnp.mean((dip_jax.estimate(fit, state) - 0.5) ** 2)
    assert error < 0.1**2 / 4
    # Signed, as an estimate of an error that is nearly 0, of which -s^2 is part.
    assert abs(trace["loss"][-1] - error) < 0.1**2 / 2


def test_extra_noise_below_zero_is_refused():
    with pytest.raises(ValueError, match="extra_noise=-1"):
        dip_jax.sure(Toy(), optax.adam(0.1), extra_noise=-1)
