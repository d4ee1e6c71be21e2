import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax
from dip_jax.compilation import jit
from tests.toy import Convolutions, noise_around_grey

KEY = jax.random.key(0)


class Copy:
    """A generator that returns what it is fed, but for the last channel, times one parameter."""

    def init(self, key, z):
        del key, z
        return {"gain": jnp.ones(())}

    def apply(self, params, z):
        return params["gain"] * (0.5 + z[..., :-1])


def holes(missing=0.5):
    known = jax.random.bernoulli(jax.random.key(5), 1 - missing, (64, 64, 1)).astype(jnp.float32)
    y = jax.random.uniform(jax.random.key(6), (64, 64, 3))
    return y, known, dip_jax.MaskedInput(y * known, known)


@pytest.mark.slow
def test_masked_shows_known_pixels_alone_and_asks_for_the_others():
    y, known, z = holes()
    fit = dip_jax.masked(Copy(), optax.sgd(0.0), hide=1.0)
    task = dip_jax.inpaint(y, known)
    state, step, shares = jit(fit.init)(KEY, task, z), jit(fit.step), []
    y, known = np.asarray(y), np.asarray(known)
    np.testing.assert_array_equal(jit(fit.estimate)(state), np.where(known == 1, y, 0.5))
    for _ in range(20):
        state, info = step(state, task)
        image = np.asarray(info.image)
        shown = np.all(image == y, axis=2, keepdims=True)
        assert not (shown & (known == 0)).any()
        assert (image[~shown[:, :, 0]] == 0.5).all()
        # Of the hidden ones it was grey; the shown ones are no part of the error.
        hidden = known * (1 - shown)
        share = hidden.sum() / known.sum()
        error = np.mean(hidden * (y - 0.5) ** 2)
        assert info.loss == pytest.approx(error / share, rel=1e-4)
        shares.append(share)
    assert 0.45 < np.mean(shares) < 0.75
    assert 0.15 < min(shares) < 0.35
    assert max(shares) > 0.85


def test_masked_hides_no_more_than_it_is_asked():
    y, known, z = holes()
    fit = dip_jax.masked(Copy(), optax.sgd(0.0), hide=0.2)
    state = jit(fit.init)(KEY, dip_jax.inpaint(y, known), z)
    step = jit(fit.step)
    for _ in range(20):
        state, info = step(state, dip_jax.inpaint(y, known))
        shown = jnp.all(info.image == y, axis=2, keepdims=True)
        assert (known * (1 - shown)).sum() < 0.23 * known.sum()


def test_masked_hides_some_of_few_known_pixels():
    """A step that hid none would have no loss, and every later one would seem a divergence."""
    y, _, _ = holes()
    known = jnp.zeros((64, 64, 1)).at[::16, ::13].set(1)
    z = dip_jax.MaskedInput(y * known, known)
    fit = dip_jax.masked(Copy(), optax.sgd(0.0), hide=0.05)
    state = jit(fit.init)(KEY, dip_jax.inpaint(y, known), z)
    step = jit(fit.step)
    for _ in range(20):
        state, info = step(state, dip_jax.inpaint(y, known))
        assert info.loss > 0


@pytest.mark.slow
def test_masked_learns_to_predict():
    """A network, on a smooth picture with half of its pixels missing."""
    waves = jnp.outer(jnp.sin(jnp.arange(64) / 6), jnp.cos(jnp.arange(64) / 5))
    truth = 0.5 + 0.4 * waves[:, :, None]
    known = jax.random.bernoulli(jax.random.key(5), 0.5, (64, 64, 1)).astype(jnp.float32)
    z = dip_jax.MaskedInput(truth * known, known)
    fit = dip_jax.masked(Convolutions(1), optax.adam(0.03))
    state, _ = dip_jax.run(fit, KEY, dip_jax.inpaint(truth * known, known), z, steps=300)
    error = jnp.abs(dip_jax.estimate(fit, state) - truth)[known == 0]
    assert error.mean() < 0.03  # grey: 0.2


@pytest.mark.slow
def test_masked_begins_from_a_guess():
    """What the generator sees, and that its image is added to the guess of what is shown."""
    y, known, z = holes()
    seen = []

    class Reader(Copy):
        def apply(self, params, z):
            seen.append(z)
            return params["gain"] * jnp.full((*z.shape[:2], 3), 0.75)

    def guess(image, shown):
        np.testing.assert_array_equal(image * (1 - shown), 0)
        return shown * image + (1 - shown) * jnp.sum(shown * image) / jnp.sum(3 * shown)

    task = dip_jax.inpaint(y, known)
    fit = dip_jax.masked(Reader(), optax.sgd(0.0), hide=1.0, guess=guess)
    state = fit.init(KEY, task, z)
    filled = guess(known * y, known)
    np.testing.assert_allclose(fit.estimate(state), filled + 0.25, rtol=1e-6)
    expected = jnp.concatenate([(y - 0.5) * known, known, filled - 0.5], axis=-1)
    np.testing.assert_allclose(seen[-1], expected, atol=1e-6)
    _, info = fit.step(state, task)
    shown = seen[-1][..., 3:4]
    assert 0 < shown.sum() < known.sum()
    np.testing.assert_allclose(info.image, guess(shown * y, shown) + 0.25, rtol=1e-6)
    hidden = known * (1 - shown)
    error = float(jnp.mean(hidden * (info.image - y) ** 2) * known.sum() / hidden.sum())
    assert info.loss == pytest.approx(error, rel=1e-4)


@pytest.mark.slow
def test_a_blind_spot_is_what_was_predicted_unseen():
    """Never a pixel's own value; one that is shown keeps what was predicted of it before."""
    y, known, z = holes()
    fit = dip_jax.blind_spot(Copy(), optax.sgd(0.1), hide=0.5)
    inner = dip_jax.masked(Copy(), optax.sgd(0.1), hide=0.5)
    task = dip_jax.inpaint(y, known)
    state, alone = (jit(one.init)(KEY, task, z) for one in (fit, inner))
    step, step_alone, estimate = jit(fit.step), jit(inner.step), jit(fit.estimate)
    known = np.asarray(known)
    image = None
    for _ in range(12):
        # What this generator makes of what it does not see.
        grey = 0.5 * float(alone.params["gain"])
        state, info = step(state, task)
        alone, whole = step_alone(alone, task)
        assert info.loss == whole.loss
        before, image, whole = image, np.asarray(info.image), np.asarray(whole.image)
        same = np.all(image == whole, axis=2)
        if before is not None:
            np.testing.assert_array_equal(image[~same], before[~same])
            assert 0.05 < (~same).mean() < 0.95
            changed = np.any(image != before, axis=2)
            np.testing.assert_allclose(image[changed], grey, rtol=1e-6)
        assert same[known[:, :, 0] == 0].all()
        np.testing.assert_array_equal(estimate(state), image)


def test_a_blind_spot_is_its_guess_before_the_first_step():
    y, known, z = holes()
    fit = dip_jax.blind_spot(
        Copy(), optax.sgd(0.1), guess=lambda image, shown: image + 0.3 * (1 - shown)
    )
    state = fit.init(KEY, dip_jax.inpaint(y, known), z)
    np.testing.assert_allclose(fit.estimate(state), jnp.where(known == 1, y, 0.3), rtol=1e-6)


@pytest.mark.slow
def test_a_blind_spot_knows_no_noise_to_pass_on():
    """A network that could copy its input denoises all the same, without a level."""
    y, _ = noise_around_grey(0.2)
    z = dip_jax.MaskedInput(y, jnp.ones((*y.shape[:2], 1)))
    fit = dip_jax.average(dip_jax.blind_spot(Convolutions(3), optax.adam(0.03)), 0.9)
    state, _ = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=100)
    assert jnp.mean((dip_jax.estimate(fit, state) - 0.5) ** 2) < 0.2**2 / 20


@pytest.mark.parametrize("hide", [0, 1.5, float("nan")])
def test_hiding_out_of_range_is_refused(hide):
    with pytest.raises(ValueError, match=f"hide={hide}"):
        dip_jax.masked(Copy(), optax.adam(0.1), hide=hide)
