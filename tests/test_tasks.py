import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import dip_jax
from dip_jax import losses, operators
from tests.toy import picture

MASK = (jax.random.uniform(jax.random.key(3), (12, 10, 1)) < 0.6).astype(jnp.float32)


def half(image):
    return 0.5 * image


def tasks(reference=None):
    """One of each kind, for an image of 12 x 10; the contract table of tasks."""
    y = picture()
    small = operators.resample(
        y,
        jnp.asarray(operators.resampling_matrix(12, operators.lanczos_taps(2), 2)),
        jnp.asarray(operators.resampling_matrix(10, operators.lanczos_taps(2), 2)),
    )
    return {
        "denoise": dip_jax.denoise(y, reference=reference),
        "reconstruct": dip_jax.reconstruct(y, reference=reference),
        "inpaint": dip_jax.inpaint(y, MASK, reference=reference),
        "super_resolve": dip_jax.super_resolve(small, 2, reference=reference),
        "observe": dip_jax.observe(half, half(y), reference=reference),
        "loss": dip_jax.observe(
            half, half(y), loss=Partial(losses.huber, delta=0.1), known=MASK, reference=reference
        ),
        "precompose": dip_jax.precompose(
            operators.Crop(0, 0, 12, 10), dip_jax.denoise(y, reference=reference)
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", tasks())
def test_contract(name):
    truth = picture()
    task = tasks(reference=truth)[name]
    assert isinstance(task.loss, Partial)
    assert isinstance(task.metrics, Partial)
    other = truth + 0.1
    loss, gradient = jax.jit(jax.value_and_grad(task.loss))(other)
    assert loss.shape == ()
    assert loss > 0
    assert gradient.shape == truth.shape
    assert np.all(np.isfinite(gradient))
    np.testing.assert_allclose(task.loss(truth), 0, atol=1e-12)
    scores = jax.jit(task.metrics)(other)
    np.testing.assert_allclose(scores["psnr"], 20, atol=1e-3)


@pytest.mark.parametrize("name", tasks())
def test_reference_changes_no_loss_and_no_gradient(name):
    image = picture() * 0.9
    plain = jax.value_and_grad(tasks()[name].loss)(image)
    scored = jax.value_and_grad(tasks(reference=1 - picture())[name].loss)(image)
    np.testing.assert_array_equal(plain[0], scored[0])
    np.testing.assert_array_equal(plain[1], scored[1])
    assert tasks()[name].metrics(image) == {}


@pytest.mark.parametrize("name", tasks())
def test_second_task_of_the_same_shapes_is_not_retraced(name):
    traces = []

    @jax.jit
    def loss(task, image):
        traces.append(name)
        return task.loss(image)

    loss(tasks()[name], picture())
    second = jax.tree.map(lambda leaf: leaf * 0.5, tasks()[name])
    loss(second, picture())
    loss(tasks()[name], picture())
    assert len(traces) == 1


def test_denoise_is_the_mean_squared_error():
    y = picture(5, 4, 3)
    np.testing.assert_allclose(dip_jax.denoise(y).loss(y + 0.2), 0.04, rtol=1e-5)


def test_inpaint_ignores_what_is_hidden():
    y = picture()
    task = dip_jax.inpaint(y, MASK)
    spoiled = jnp.where(MASK == 1, y, 0.77)
    assert task.loss(spoiled) == 0
    assert dip_jax.inpaint(spoiled, MASK).loss(y) == 0
    gradient = jax.grad(task.loss)(y * 0.5)
    assert not np.any(np.where(MASK == 0, gradient, 0))


def test_precompose_with_a_crop_asks_nothing_outside():
    task = dip_jax.precompose(operators.Crop(2, 1, 12, 10), dip_jax.denoise(picture()))
    canvas = jnp.pad(picture(), ((2, 2), (1, 5), (0, 0)), constant_values=0.3)
    assert task.loss(canvas) == 0


def test_total_variation_is_added():
    y = picture()
    task = dip_jax.total_variation(dip_jax.denoise(y), 0.25)
    expected = 0.25 * dip_jax.metrics.total_variation(y) / y.size
    np.testing.assert_allclose(task.loss(y), expected, rtol=1e-5)
    assert task.metrics(y) == {}


def test_grey_and_rgb_are_not_broadcast():
    with pytest.raises(ValueError, match=r"y has shape \(12, 10, 1\)"):
        dip_jax.denoise(picture()).loss(picture(channels=3))


def test_tasks_batch_under_vmap():
    ys = jnp.stack([picture(), 0.5 * picture()])
    batch = jax.vmap(dip_jax.denoise)(ys)
    losses = jax.vmap(lambda task, image: task.loss(image))(batch, jnp.zeros_like(ys))
    singles = [dip_jax.denoise(y).loss(jnp.zeros_like(y)) for y in ys]
    np.testing.assert_allclose(losses, singles, rtol=1e-6)


@pytest.mark.slow
def test_super_resolution_reports_luma_too():
    small = picture(6, 5, 3)
    task = dip_jax.super_resolve(small, 4, reference=picture(24, 20, 3))
    assert task.metrics(picture(24, 20, 3) + 0.1).keys() == {"psnr", "psnr_luma"}


@pytest.mark.parametrize("name", ["denoise", "reconstruct", "observe", "super_resolve"])
def test_what_is_not_known_counts_nothing(name):
    y, known = picture(), MASK
    build = {
        "observe": lambda y, **options: dip_jax.observe(half, y, **options),
        "super_resolve": lambda y, **options: dip_jax.super_resolve(y, 2, **options),
    }.get(name) or getattr(dip_jax, name)
    image = jnp.full((24, 20, 1) if name == "super_resolve" else y.shape, 0.3)
    spoiled = jnp.where(known == 1, y, 0.9)
    plain, other = build(y, known=known), build(spoiled, known=known)
    for a, b in zip(*(jax.value_and_grad(t.loss)(image) for t in (plain, other)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert plain.loss(image) != build(y).loss(image)


def test_validation_is_of_other_data_and_is_seen_through_the_crop_too():
    y, other = picture(), 0.5 * picture()
    task = dip_jax.validate(dip_jax.denoise(y), dip_jax.denoise(other))
    assert task.loss(y) == 0
    np.testing.assert_allclose(task.validation(y), jnp.mean((y - other) ** 2), rtol=1e-5)
    assert dip_jax.denoise(y).validation is None
    window = operators.Crop(2, 1, 12, 10)
    canvas = jnp.pad(other, ((2, 2), (1, 5), (0, 0)), constant_values=0.3)
    assert dip_jax.precompose(window, task).validation(canvas) == 0
    assert dip_jax.precompose(window, dip_jax.denoise(y)).validation is None


def test_a_loss_of_ones_own_is_averaged_with_its_weights():
    y = picture()
    task = dip_jax.observe(half, half(y), loss=losses.squared)
    np.testing.assert_allclose(task.loss(0.5 * y), dip_jax.observe(half, half(y)).loss(0.5 * y))
    absolute = dip_jax.observe(half, half(y), loss=lambda a, b: jnp.abs(a - b), known=2 * MASK)
    np.testing.assert_allclose(absolute.loss(y + 0.2), 2 * 0.1 * MASK.mean(), rtol=1e-5)


@pytest.mark.slow
def test_complex_images_are_fitted_as_pairs_of_channels():
    pairs = picture(channels=4) - 0.5
    image = operators.to_complex(pairs)
    mask = operators.cartesian_mask(jax.random.key(0), 10, acceleration=2)
    operator = Partial(operators.sample_fourier, mask=mask)
    task = dip_jax.observe(operator, operator(image), reference=image)
    task = dip_jax.precompose(operators.to_complex, task)
    assert task.loss(pairs) < 1e-12
    loss, gradient = jax.value_and_grad(task.loss)(pairs + 0.1)
    assert loss > 0
    assert gradient.shape == pairs.shape
    assert np.isfinite(gradient).all()
    # Both parts are off by 0.1.
    np.testing.assert_allclose(task.metrics(pairs + 0.1)["psnr"], 20 - 10 * np.log10(2), rtol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 5, 31])
def test_any_number_of_channels(channels):
    y = picture(channels=channels)
    for task in (dip_jax.denoise(y, reference=y), dip_jax.super_resolve(y, 2)):
        image = jnp.zeros((24, 20, channels) if task.metrics(y) == {} else y.shape)
        assert task.loss(image) > 0
    assert dip_jax.total_variation(dip_jax.denoise(y), 0.1).loss(y) > 0


@pytest.mark.parametrize(
    ("task", "image", "named"),
    [
        (dip_jax.denoise(picture() + 0j), picture(), "y holds complex64, but .* as float32"),
        (dip_jax.denoise(picture()), picture() + 0j, "y holds float32, but .* as complex64"),
        (
            dip_jax.observe(half, picture(), loss=losses.squared),
            picture(channels=3),
            r"y has shape \(12, 10, 1\), but the image measures as \(12, 10, 3\)",
        ),
        (
            dip_jax.observe(lambda image: image[1:], picture(), loss=losses.squared),
            picture(),
            r"y has shape \(12, 10, 1\), but the image measures as \(11, 10, 1\)",
        ),
    ],
)
def test_data_of_another_kind_than_the_image_is_told(task, image, named):
    with pytest.raises(ValueError, match=named):
        task.loss(image)


@pytest.mark.parametrize("loss", [None, losses.squared])
@pytest.mark.parametrize("shape", [(4, 1), (3,)])
def test_weights_that_do_not_fit_the_measurement_are_refused(loss, shape):
    def column(image):
        return image[0, :, 0]

    with pytest.raises(ValueError, match=r"known has shape \(\d, ?1?\), which does not broadcast"):
        dip_jax.observe(column, jnp.zeros(4), known=jnp.ones(shape), loss=loss).loss(
            jnp.zeros((4, 4, 1))
        )
