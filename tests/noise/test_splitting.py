import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.noise import splitting
from tests.toy import picture

KEY = jax.random.key(5)
fill_held_out = jit(splitting.fill_held_out)
thin = jit(splitting.thin, static_argnames="share")


def test_recorrupted_copies_have_independent_noises_of_the_stated_size():
    truth, s, share = picture(128, 128, 3), 0.1, 0.2
    y = truth + s * jax.random.normal(jax.random.key(1), truth.shape)
    n1, n2 = (np.ravel(copy - truth) for copy in splitting.recorrupt(KEY, y, s, share))
    np.testing.assert_allclose(n1.std(), s / (1 - share) ** 0.5, rtol=0.02)
    np.testing.assert_allclose(n2.std(), s / share**0.5, rtol=0.02)
    assert abs(np.corrcoef(n1, n2)[0, 1]) < 0.02
    # The noise of y itself is in both: without the right w they would be correlated.
    plain = [np.ravel(c - truth) for c in splitting.recorrupt(KEY, y, 0.0, share)]
    assert np.corrcoef(*plain)[0, 1] > 0.9


def test_the_deviation_may_vary_over_the_picture():
    y = jnp.full((8, 8, 1), 0.5)
    deviation = jnp.where(jnp.arange(8)[:, None, None] < 4, 0.0, 0.1)
    y1, y2 = splitting.recorrupt(KEY, y, deviation)
    assert np.array_equal(y1[:4], y[:4])
    assert np.array_equal(y2[:4], y[:4])
    assert np.all(y1[4:] != y[4:])


@pytest.mark.slow
def test_thinned_counts_are_independent_and_keep_the_brightness():
    truth, gain, share = picture(128, 128, 3), 0.05, 0.3
    y = gain * jax.random.poisson(jax.random.key(1), truth / gain)
    y1, y2 = thin(KEY, y, gain, share=share)
    # Nothing is lost in the sharing.
    np.testing.assert_allclose((1 - share) * y1 + share * y2, y, atol=1e-5)
    for part, its_gain in ((y1, gain / (1 - share)), (y2, gain / share)):
        noise = np.asarray(part - truth)
        assert abs(noise.mean()) < 0.01
        np.testing.assert_allclose(noise.var(), its_gain * truth.mean(), rtol=0.05)
    assert abs(np.corrcoef(np.ravel(y1 - truth), np.ravel(y2 - truth))[0, 1]) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("told", [0.16, 0.2, 0.26])
def test_thinning_keeps_the_brightness_by_a_gain_that_is_not_quite_right(told):
    truth, gain = 0.1, 0.2
    y = gain * jax.random.poisson(jax.random.key(1), truth / gain, (256, 256, 1))
    y1, _ = thin(KEY, y, told, share=0.02)
    np.testing.assert_allclose(y1.mean(), y.mean(), rtol=0.01)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_out_of_range_is_refused(share):
    for split in (splitting.recorrupt, splitting.thin):
        with pytest.raises(ValueError, match=f"share={share}"):
            split(KEY, picture(), 0.1, share)


@pytest.mark.slow
def test_held_out_pixels_are_one_of_each_square_and_never_neighbours():
    held = np.asarray(splitting.hold_out(KEY, 70, 49, spacing=7))
    assert held.shape == (70, 49, 1)
    assert set(np.unique(held)) == {0, 1}
    np.testing.assert_array_equal(held.reshape(10, 7, 7, 7).sum(axis=(1, 3)), 1)
    padded = np.pad(held[..., 0], 1)
    around = sum(np.roll(padded, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) - padded
    assert not np.any(around * padded)
    assert np.any(held != splitting.hold_out(jax.random.key(6), 70, 49))
    with pytest.raises(ValueError, match="spacing=2"):
        splitting.hold_out(KEY, 9, 9, spacing=2)


@pytest.mark.slow
def test_filling_forgets_the_held_out_value():
    y, held = picture(21, 15, 3), splitting.hold_out(KEY, 21, 15)
    filled = fill_held_out(y, held)
    np.testing.assert_array_equal(filled, fill_held_out(jnp.where(held == 1, 7.0, y), held))
    np.testing.assert_array_equal(jnp.where(held == 1, 0, filled), jnp.where(held == 1, 0, y))


@pytest.mark.slow
def test_no_guess_is_beyond_the_picture():
    """Not beyond what is seen of it, that is, whatever was held out."""
    checks = jnp.asarray(np.kron(np.indices((9, 9)).sum(0) % 2, np.ones((4, 4)))[..., None])
    held = splitting.hold_out(KEY, *checks.shape[:2], spacing=3)
    filled = fill_held_out(checks, held)
    assert jnp.sum((filled == 1) & (held == 1)) > jnp.sum((checks == 1) & (held == 1)) / 4
    assert (filled.min(), filled.max()) == (0, 1)
    for strange in (-7.0, 7.0):
        other = fill_held_out(jnp.where(held == 1, strange, checks), held)
        np.testing.assert_array_equal(filled, other)


def test_held_out_values_take_no_part_beside_one_another():
    """As in margins, where they are repeated."""
    y, held = picture(36, 36, 1), jnp.zeros((36, 36, 1)).at[4:7, 5:7].set(1)
    filled = fill_held_out(y, held)
    np.testing.assert_array_equal(filled, fill_held_out(jnp.where(held == 1, 7.0, y), held))


@pytest.mark.slow
def test_weights_are_those_of_least_squares():
    y = np.random.default_rng(0).normal(size=(14, 11, 2)).cumsum(axis=0)
    y[..., 1] = np.cumsum(y[..., 1], axis=1)
    y -= y.mean(axis=(0, 1))
    places = [(i, j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0)]
    weights = splitting._predict_weights(jnp.asarray(y, jnp.float32), jnp.array(places))
    padded = np.pad(y, ((4, 4), (4, 4), (0, 0)))  # all that is predicted, zeros around it too
    for channel in range(2):
        plane = padded[..., channel]
        shifted = [np.roll(plane, (-i, -j), (0, 1)).ravel() for i, j in places]
        best, *_ = np.linalg.lstsq(np.stack(shifted, axis=1), plane.ravel(), rcond=None)
        np.testing.assert_allclose(weights[:, channel], best, atol=0.02)


def filling_error(y, truth, spacing=7):
    held = splitting.hold_out(KEY, *y.shape[:2], spacing=spacing)
    return np.sqrt(np.mean((fill_held_out(y, held) - truth)[held[..., 0] == 1] ** 2))


@pytest.mark.slow
def test_filling_follows_texture_and_averages_noise():
    stripes = 0.5 + 0.4 * jnp.sign(jnp.sin(jnp.arange(70) * 1.5 + 0.1))[None, :, None]
    stripes = jnp.broadcast_to(stripes, (70, 70, 1))  # two pixels wide, about
    assert filling_error(stripes, stripes) < 0.1  # the mean of eight: 0.27
    noise = jax.random.normal(KEY, (210, 210, 3))
    assert filling_error(noise, 0.0) < 0.06  # of eight: 0.35
    checks = stripes + jnp.swapaxes(stripes, 0, 1) - 0.5
    colours = jnp.concatenate([checks, 0.1 * noise[:70, :70, :1], stripes + 1], axis=2)
    # Each channel by weights of its own.
    assert filling_error(colours[..., :1], checks) < 0.15
    for index in range(3):
        alone = fill_held_out(colours[..., index : index + 1], splitting.hold_out(KEY, 70, 70))
        together = fill_held_out(colours, splitting.hold_out(KEY, 70, 70))[..., index]
        low, high = colours[..., index].min(), colours[..., index].max()
        np.testing.assert_allclose(
            alone[..., 0], jnp.clip(together, low, high), atol=1e-4, err_msg=str(index)
        )


def test_filling_a_flat_picture():
    y = jnp.full((21, 15, 3), 0.3).at[..., 2].set(0)
    np.testing.assert_allclose(fill_held_out(y, splitting.hold_out(KEY, 21, 15)), y, atol=1e-6)


def test_blocks_surround_their_middles_and_are_apart():
    block, middle = (
        np.asarray(m)[..., 0] for m in splitting.hold_out_blocks(KEY, 60, 75, reach=2, spacing=15)
    )
    assert middle.sum() == 4 * 5
    assert block.sum() == 25 * middle.sum()
    for row, column in np.argwhere(middle):
        assert block[row - 2 : row + 3, column - 2 : column + 3].all()
    with pytest.raises(ValueError, match="spacing=4: must be above 4"):
        splitting.hold_out_blocks(KEY, 60, 75, reach=2, spacing=4)


@pytest.mark.slow
def test_blocks_are_filled_from_around_them_alone():
    rows, columns = np.mgrid[0:40, 0:40] / 40
    y = jnp.asarray(np.stack([rows, columns + rows], axis=2), jnp.float32)
    held, _ = splitting.hold_out_blocks(KEY, 40, 40, reach=3, spacing=20)
    filled = splitting.fill_smoothly(jnp.where(held > 0, 7.0, y), held)
    inner = np.s_[8:-8, 8:-8]  # a plane is its own continuation, except for a block at the border
    np.testing.assert_allclose(filled[inner], y[inner], atol=0.02)
