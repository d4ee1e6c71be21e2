import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax
from dip_jax.noise import clipped_chance
from tests.toy import Gain, Toy, noise_around_grey

KEY = jax.random.key(0)


@pytest.mark.slow
@pytest.mark.parametrize("noise_share", [0.1, 0.5])
def test_the_two_recorrupted_images_have_the_variances_of_theory(noise_share):
    sigma = 0.2
    y, z = noise_around_grey(sigma)
    fit = dip_jax.recorrupted(Gain(), optax.sgd(0.0), noise_share=noise_share)
    state = fit.init(KEY, dip_jax.denoise(y), z)
    state, info = fit.step(state, dip_jax.denoise(y))
    assert jnp.var(info.image) == pytest.approx(sigma**2 / (1 - noise_share), rel=0.05)
    # y1 - y2: both are independent, and y2 has the variance sigma^2 / noise_share.
    assert info.loss == pytest.approx(
        sigma**2 / (1 - noise_share) + sigma**2 / noise_share, rel=0.05
    )
    again = fit.step(state, dip_jax.denoise(y))[1].image
    assert not np.allclose(again, info.image)


@pytest.mark.slow
def test_recorrupted_does_not_learn_noise():
    """The least squares gain for pure noise is 0; fitting y to itself would keep it 1."""
    y, z = noise_around_grey(0.2)
    fit = dip_jax.recorrupted(Gain(), optax.adam(0.02), noise_share=0.2)
    state, _ = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=300)
    assert abs(state.params["gain"]) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("method", [dip_jax.recorrupted, dip_jax.sure])
def test_a_denoiser_sees_beyond_white_what_was_clipped(method):
    """White with clipped noise has a mean 0.4 sigma too dark; with redrawn values it has not.

    Where nothing was clipped, redrawing changes nothing."""
    sigma, white = 0.2, jnp.ones((64, 64, 3))
    y = jnp.minimum(white + sigma * jax.random.normal(KEY, white.shape), 1)
    task = dip_jax.denoise(y)
    flat = jnp.full(y.shape, sigma)
    means = {}
    for clipped in (None, 0 * y, clipped_chance(y, white, sigma)):
        fit = method(Gain(), optax.sgd(0.0))
        state = fit.init(KEY, task, dip_jax.NoisyInput(y, flat, clipped))
        _, info = fit.step(state, task)
        means.setdefault(clipped is not None, []).append(
            (info.loss, info.image, fit.estimate(state))
        )
    for one, other in zip(means[False][0], means[True][0], strict=True):
        np.testing.assert_array_equal(one, other)
    for image in means[True][1][1:]:
        assert float(image.mean()) == pytest.approx(1, abs=0.01)
        assert float(means[False][0][1].mean()) == pytest.approx(1 - 0.4 * sigma, abs=0.01)


@pytest.mark.parametrize("method", [dip_jax.recorrupted, dip_jax.sure])
def test_a_denoisers_penalty_sees_the_image_without_noise(method):
    def roughness(image):
        return 3 * jnp.mean(jnp.abs(image - 0.5))

    y, z = noise_around_grey(0.2)
    task = dip_jax.denoise(y)
    infos, gains = [], []
    for penalty in (None, roughness):
        fit = method(Gain(), optax.sgd(0.1), penalty=penalty)
        state, info = fit.step(fit.init(KEY, task, z), task)
        infos.append(info)
        gains.append(state.params["gain"])
    np.testing.assert_array_equal(infos[0].image, infos[1].image)
    expected = infos[0].loss + roughness(infos[0].image)
    np.testing.assert_allclose(infos[1].loss, expected, rtol=1e-6)
    slope = 3 * jnp.mean(jnp.abs(infos[0].image - 0.5))  # of a gain of 1
    np.testing.assert_allclose(gains[0] - gains[1], 0.1 * slope, rtol=1e-4)


@pytest.mark.parametrize("noise_share", [0.0, 1.0, -0.5])
def test_a_share_out_of_range_is_refused(noise_share):
    with pytest.raises(ValueError, match=f"noise_share={noise_share}"):
        dip_jax.recorrupted(Toy(), optax.adam(0.1), noise_share=noise_share)


class Ramp:
    """Ignores what it is fed: the image brightens to the right and downwards."""

    def init(self, key, z):
        del key
        return {"shift": jnp.zeros(z.shape[2])}

    def apply(self, params, z):
        rows, columns = jnp.mgrid[0 : z.shape[0], 0 : z.shape[1]]
        return (2.0 * rows + columns)[:, :, None] + params["shift"][None, None]


@pytest.mark.slow
def test_flips_mirror_input_and_output_alike():
    """What looks at single pixels is the same; what looks at places is seen from four sides."""
    y, z = noise_around_grey(0.2)
    task = dip_jax.denoise(y)
    single = [dip_jax.recorrupted(Gain(), optax.sgd(0.0), flips=flips) for flips in (False, True)]
    infos = [fit.step(fit.init(KEY, task, z), task)[1] for fit in single]
    np.testing.assert_array_equal(infos[0].image, infos[1].image)
    fit = dip_jax.recorrupted(Ramp(), optax.sgd(0.0), flips=True)
    state = fit.init(KEY, task, z)
    seen = set()
    for _ in range(24):
        np.testing.assert_array_equal(fit.estimate(state), fit.step(state, task)[1].image)
        state, info = fit.step(state, task)
        seen.add((float(info.image[0, 0, 0]), float(info.image[0, -1, 0])))
    assert len(seen) == 4
