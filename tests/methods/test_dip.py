import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from dip_jax.clipping import cut_off

import dip_jax
from tests.toy import Toy, picture

pytestmark = pytest.mark.usefixtures("programs_compiled_in_haste")
Z = jnp.ones((12, 10, 2))
KEY = jax.random.key(0)


@pytest.mark.parametrize(("optimizer", "steps"), [(optax.adam(0.1), 150), (optax.lbfgs(), 15)])
def test_fits_the_task(optimizer, steps):
    task = dip_jax.denoise(picture())
    fit = dip_jax.dip(Toy(), optimizer, jitter=0)
    state, trace = dip_jax.run(fit, KEY, task, Z, steps=steps)
    assert trace["loss"][-1] < 1e-3 * trace["loss"][0]
    np.testing.assert_allclose(dip_jax.estimate(fit, state), picture(), atol=0.02)


def test_jitter_is_fresh_each_step_and_absent_from_the_estimate():
    task = dip_jax.denoise(picture())
    fit = dip_jax.dip(Toy(leak=1.0), optax.sgd(0.0), jitter=0.5)
    state = fit.init(KEY, task, Z)
    images = []
    for _ in range(3):
        state, info = fit.step(state, task)
        images.append(np.asarray(info.image))
    clean = fit.estimate(state)
    assert len({image.tobytes() for image in images}) == 3
    np.testing.assert_array_equal(clean, fit.estimate(fit.init(KEY, task, Z)))
    noise = np.stack(images) - np.asarray(clean)
    # leak * mean over two channels of noise of deviation 0.5
    assert noise.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.15)


def test_keys_decide():
    task = dip_jax.denoise(picture())
    fit = dip_jax.dip(Toy(leak=1.0), optax.adam(0.1))
    runs = [
        dip_jax.run(fit, jax.random.key(seed), task, Z, steps=5)[1]["loss"] for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.all(runs[0] != runs[2])


def test_negative_jitter_is_refused():
    with pytest.raises(ValueError, match=r"jitter=-0\.1"):
        dip_jax.dip(Toy(), optax.adam(0.1), jitter=-0.1)


class Gain:
    """A generator that multiplies the picture's contrast by one parameter."""

    def init(self, key, z):
        del key, z
        return {"gain": jnp.ones(())}

    def apply(self, params, z):
        return 0.5 + params["gain"] * z


def noise_around_grey(sigma):
    """Grey with noise, and the input that says how much."""
    y = 0.5 + sigma * jax.random.normal(jax.random.key(3), (64, 64, 3))
    return y, jnp.concatenate([y, jnp.full(y.shape, sigma)], axis=-1)


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_the_two_recorrupted_images_have_the_variances_of_theory(alpha):
    sigma = 0.2
    y, z = noise_around_grey(sigma)
    fit = dip_jax.recorrupted(Gain(), optax.sgd(0.0), alpha=alpha)
    state = fit.init(KEY, dip_jax.denoise(y), z)
    state, info = fit.step(state, dip_jax.denoise(y))
    assert jnp.var(info.image) == pytest.approx(sigma**2 / (1 - alpha), rel=0.05)
    # Of y1 - y2, which are independent, y2's variance being sigma^2 / alpha.
    assert info.loss == pytest.approx(sigma**2 / (1 - alpha) + sigma**2 / alpha, rel=0.05)
    again = fit.step(state, dip_jax.denoise(y))[1].image
    assert not np.allclose(again, info.image)


def test_recorrupted_does_not_learn_noise():
    """The least squares gain for pure noise is 0; fitting y to itself would keep it 1."""
    y, z = noise_around_grey(0.2)
    fit = dip_jax.recorrupted(Gain(), optax.adam(0.02), alpha=0.2)
    state, _ = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=300)
    assert abs(state.params["gain"]) < 0.05


@pytest.mark.parametrize("method", [dip_jax.recorrupted, dip_jax.sure])
def test_a_denoiser_sees_beyond_white_what_was_clipped(method):
    """Of white with clipped noise the mean is 0.4 sigma too dark; of what is drawn anew it is not.

    And where nothing was cut off, it is the same as without."""
    sigma, white = 0.2, jnp.ones((64, 64, 3))
    y = jnp.minimum(white + sigma * jax.random.normal(KEY, white.shape), 1)
    task = dip_jax.denoise(y)
    flat = jnp.full(y.shape, sigma)
    means = {}
    for clipped, cut in ((False, []), (True, [0 * y]), (True, [cut_off(y, white, sigma)])):
        fit = method(Gain(), optax.sgd(0.0), clipped=clipped)
        state = fit.init(KEY, task, jnp.concatenate([y, flat, *cut], axis=-1))
        _, info = fit.step(state, task)
        means.setdefault(clipped, []).append((info.loss, info.image, fit.estimate(state)))
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


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_sure_is_unbiased_where_noise_was_cut_off(level):
    """The loss of an identity network is its error, in the mean over noises and draws."""
    sigma, truth = 0.1, jnp.full((48, 48, 3), level)
    fit = dip_jax.sure(Gain(), optax.sgd(0.0), clipped=True)

    @jax.jit
    def excess(key):
        y = jnp.clip(truth + sigma * jax.random.normal(key, truth.shape), 0, 1)
        z = jnp.concatenate([y, jnp.full(y.shape, sigma), cut_off(y, truth, sigma)], axis=-1)
        _, info = fit.step(fit.init(key, dip_jax.denoise(y), z), dip_jax.denoise(y))
        return info.loss - jnp.mean((info.image - truth) ** 2)

    found = jnp.stack([excess(jax.random.key(seed)) for seed in range(30)])
    assert abs(float(found.mean())) < 0.02 * sigma**2


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.5])
def test_alpha_out_of_range_is_refused(alpha):
    with pytest.raises(ValueError, match=f"alpha={alpha}"):
        dip_jax.recorrupted(Toy(), optax.adam(0.1), alpha=alpha)


def test_sure_estimates_the_error_against_the_clean_image():
    """In the mean over many values; for a gain g that error is (g s)^2 around grey."""
    sigma = 0.2
    y, z = noise_around_grey(sigma)
    for extra in (0.0, 0.5):
        fit = dip_jax.sure(Gain(), optax.sgd(0.0), extra=extra)
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
    fit = dip_jax.sure(Gain(), optax.sgd(0.1), extra=0.0)
    losses, gains = [], []
    for deviation in (0.2, 5.0):
        other = z.at[:, 32:, 3:].set(deviation)
        state, info = fit.step(fit.init(KEY, task, other), task)
        losses.append(float(info.loss))
        gains.append(float(state.params["gain"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert gains[0] == pytest.approx(gains[1], rel=1e-6)


def test_sure_does_not_learn_noise():
    """The least squares gain for pure noise is 0; fitting y to itself would keep it 1."""
    y, z = noise_around_grey(0.2)
    fit = dip_jax.sure(Gain(), optax.adam(0.02))
    state, _ = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=300)
    assert abs(state.params["gain"]) < 0.05


def test_sure_trains_a_network_in_a_compiled_loop():
    y, z = noise_around_grey(0.1)
    network = dip_jax.Skip(widths=(8, 8), skip_widths=4, upsampling="bilinear", padding="edge")
    fit = dip_jax.sure(network, optax.adam(0.01))
    state, trace = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=60)
    error = jnp.mean((dip_jax.estimate(fit, state) - 0.5) ** 2)
    assert error < 0.1**2 / 4
    # Signed, as an estimate of an error that is nearly 0, of which -s^2 is part.
    assert abs(trace["loss"][-1] - error) < 0.1**2 / 2


def test_extra_noise_below_zero_is_refused():
    with pytest.raises(ValueError, match="extra=-1"):
        dip_jax.sure(Toy(), optax.adam(0.1), extra=-1)


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
    return y, known, jnp.concatenate([y * known, known], axis=-1)


def test_masked_shows_known_pixels_alone_and_asks_for_the_others():
    y, known, z = holes()
    fit = dip_jax.masked(Copy(), optax.sgd(0.0), hide=1.0)
    state = fit.init(KEY, dip_jax.inpaint(y, known), z)
    np.testing.assert_array_equal(fit.estimate(state), jnp.where(known == 1, y, 0.5))
    shares = []
    for _ in range(20):
        state, info = fit.step(state, dip_jax.inpaint(y, known))
        shown = jnp.all(info.image == y, axis=2, keepdims=True)
        assert not (shown & (known == 0)).any()
        assert jnp.isin(info.image[~shown[:, :, 0]], 0.5).all()
        # Of the hidden ones it was grey; the shown ones are no part of the error.
        hidden = known * (1 - shown)
        share = float(hidden.sum() / known.sum())
        error = float(jnp.mean(hidden * (y - 0.5) ** 2))
        assert info.loss == pytest.approx(error / share, rel=1e-4)
        shares.append(share)
    assert 0.45 < np.mean(shares) < 0.75
    assert 0.15 < min(shares) < 0.35
    assert max(shares) > 0.85


def test_masked_hides_no_more_than_it_is_told():
    y, known, z = holes()
    fit = dip_jax.masked(Copy(), optax.sgd(0.0), hide=0.2)
    state = fit.init(KEY, dip_jax.inpaint(y, known), z)
    for _ in range(20):
        state, info = fit.step(state, dip_jax.inpaint(y, known))
        shown = jnp.all(info.image == y, axis=2, keepdims=True)
        assert (known * (1 - shown)).sum() < 0.23 * known.sum()


def test_masked_hides_some_of_few_known_pixels():
    """A step that hid none would have no loss, and every later one would seem a divergence."""
    y, _, _ = holes()
    known = jnp.zeros((64, 64, 1)).at[::16, ::13].set(1)
    z = jnp.concatenate([y * known, known], axis=-1)
    fit = dip_jax.masked(Copy(), optax.sgd(0.0), hide=0.05)
    state = fit.init(KEY, dip_jax.inpaint(y, known), z)
    for _ in range(20):
        state, info = fit.step(state, dip_jax.inpaint(y, known))
        assert info.loss > 0


def test_masked_learns_to_foresee():
    """A network, on a smooth picture with half of its pixels missing."""
    waves = jnp.outer(jnp.sin(jnp.arange(64) / 6), jnp.cos(jnp.arange(64) / 5))
    truth = 0.5 + 0.4 * waves[:, :, None]
    known = jax.random.bernoulli(jax.random.key(5), 0.5, (64, 64, 1)).astype(jnp.float32)
    z = jnp.concatenate([truth * known, known], axis=-1)
    generator = dip_jax.Skip(channels=1, widths=(8, 8), skip_widths=4)
    fit = dip_jax.masked(generator, optax.adam(0.01))
    state, _ = dip_jax.run(fit, KEY, dip_jax.inpaint(truth * known, known), z, steps=150)
    error = jnp.abs(dip_jax.estimate(fit, state) - truth)[known == 0]
    assert error.mean() < 0.03  # grey: 0.2


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


def test_a_blind_spot_is_what_was_foreseen_unseen():
    """Never a pixel's own value; one that is shown keeps what was foreseen of it before."""
    y, known, z = holes()
    fit = dip_jax.blind_spot(Copy(), optax.sgd(0.1), hide=0.5)
    inner = dip_jax.masked(Copy(), optax.sgd(0.1), hide=0.5)
    task = dip_jax.inpaint(y, known)
    state, alone = fit.init(KEY, task, z), inner.init(KEY, task, z)
    image = None
    for _ in range(12):
        grey = 0.5 * alone.params["gain"]  # what this generator makes of what it does not see
        state, info = fit.step(state, task)
        alone, whole = inner.step(alone, task)
        assert info.loss == whole.loss
        same = jnp.all(info.image == whole.image, axis=2)
        if image is not None:
            np.testing.assert_array_equal(info.image[~same], image[~same])
            assert 0.05 < (~same).mean() < 0.95
            changed = jnp.any(info.image != image, axis=2)
            np.testing.assert_allclose(info.image[changed], grey, rtol=1e-6)
        assert same[known[:, :, 0] == 0].all()
        image = info.image
        np.testing.assert_array_equal(fit.estimate(state), image)


def test_a_blind_spot_is_its_guess_before_the_first_step():
    y, known, z = holes()
    fit = dip_jax.blind_spot(
        Copy(), optax.sgd(0.1), guess=lambda image, shown: image + 0.3 * (1 - shown)
    )
    state = fit.init(KEY, dip_jax.inpaint(y, known), z)
    np.testing.assert_allclose(fit.estimate(state), jnp.where(known == 1, y, 0.3), rtol=1e-6)


def test_a_blind_spot_knows_no_noise_to_pass_on():
    """A network that could copy its input denoises all the same, and is told no level."""
    y, _ = noise_around_grey(0.2)
    z = jnp.concatenate([y, jnp.ones((*y.shape[:2], 1))], axis=-1)
    network = dip_jax.Skip(widths=(8, 8), skip_widths=4, upsampling="nearest")
    fit = dip_jax.average(dip_jax.blind_spot(network, optax.adam(0.01)), 0.9)
    state, _ = dip_jax.run(fit, KEY, dip_jax.denoise(y), z, steps=60)
    assert jnp.mean((dip_jax.estimate(fit, state) - 0.5) ** 2) < 0.2**2 / 20


@pytest.mark.parametrize("hide", [0, 1.5, float("nan")])
def test_hiding_out_of_range_is_refused(hide):
    with pytest.raises(ValueError, match=f"hide={hide}"):
        dip_jax.masked(Copy(), optax.adam(0.1), hide=hide)
