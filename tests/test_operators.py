import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.ndimage
import scipy.signal
from jax.tree_util import Partial

import dip_jax
from dip_jax import loop, operators
from tests.toy import Convolutions

pytestmark = pytest.mark.usefixtures("programs_compiled_in_haste")

TAPS = {
    "gauss12_x4_phase0": operators.gaussian_taps(7, 1.0),
    "box_x4_phase0.5": operators.box_taps(4),
    **{
        f"lanczos{support}_x{factor}_phase{phase}": operators.lanczos_taps(factor, support, phase)
        for support in (2, 3)
        for factor in (2, 4, 8)
        for phase in (0, 0.5)
    },
}


@pytest.fixture(scope="module")
def golden(golden_folder):
    with np.load(golden_folder / "operators.npz") as arrays:
        return dict(arrays)


def downsample(image, taps, factor):
    height, width = image.shape[:2]
    return operators.resample(
        image,
        jnp.asarray(operators.resampling_matrix(height, taps, factor)),
        jnp.asarray(operators.resampling_matrix(width, taps, factor)),
    )


@pytest.mark.parametrize("name", TAPS)
def test_kernel_and_output_equal_the_original(golden, name):
    taps = TAPS[name]
    factor = int(name.split("_x")[1].split("_")[0])
    np.testing.assert_allclose(np.outer(taps, taps), golden[f"{name}/kernel"], atol=1e-8)
    image = jnp.asarray(golden["x"][0].transpose(1, 2, 0))
    output = golden[f"{name}/output"][0].transpose(1, 2, 0)
    np.testing.assert_allclose(downsample(image, taps, factor), output, rtol=1e-5, atol=1e-6)


def test_all_goldens_are_compared(golden):
    assert {name.split("/")[0] for name in golden if "/" in name} == set(TAPS)


def test_lanczos_kernel_is_the_outer_product():
    taps = operators.lanczos_taps(2)
    np.testing.assert_array_equal(operators.lanczos_kernel(2), np.outer(taps, taps))


def _operators():
    key = jax.random.key(1)
    known = (jax.random.uniform(key, (12, 16, 1)) < 0.5).astype(jnp.float32)
    return {
        "mask": lambda x: operators.mask(x, known),
        "crop": operators.Crop(2, 3, 5, 7),
        "lanczos": lambda x: downsample(x, operators.lanczos_taps(4), 4),
        "blur": lambda x: downsample(x, operators.gaussian_taps(7, 1.5), 1),
        "convolve": lambda x: convolve(x, lopsided(5, 4)),
    }


def lopsided(rows, columns):
    """A kernel without any symmetry."""
    kernel = np.random.default_rng(rows + 100 * columns).random((rows, columns))
    return kernel / kernel.sum()


def convolve(image, kernel):
    transfer = operators.transfer_function(kernel, *image.shape[:2])
    return operators.convolve(image, jnp.asarray(transfer))


@pytest.mark.parametrize("name", _operators())
def test_linear_and_transposed(name):
    operator = _operators()[name]
    keys = jax.random.split(jax.random.key(0), 3)
    a, b = (jax.random.normal(k, (12, 16, 3)) for k in keys[:2])
    np.testing.assert_allclose(
        operator(2 * a - 3 * b), 2 * operator(a) - 3 * operator(b), atol=1e-5
    )
    y, transpose = jax.vjp(operator, a)
    u = jax.random.normal(keys[2], y.shape)
    # Measured against the norms: the products themselves may cancel.
    tolerance = 3e-7 * float(jnp.linalg.norm(y.ravel()) * jnp.linalg.norm(u.ravel()))
    np.testing.assert_allclose(jnp.vdot(y, u), jnp.vdot(a, transpose(u)[0]), atol=tolerance)


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 7])
def test_any_factor_keeps_a_constant_and_the_mean_position(factor):
    size = 7 * factor
    for taps in (operators.lanczos_taps(factor, 3), operators.box_taps(factor)):
        matrix = operators.resampling_matrix(size, taps, factor)
        assert matrix.shape == (7, size)
        np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
        # Inside, a ramp is sampled at the centres of the large pixels.
        centres = np.arange(7) * factor + (factor - 1) / 2
        np.testing.assert_allclose((matrix @ np.arange(size))[3], centres[3], atol=1e-4)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: operators.lanczos_taps(0), "factor=0"),
        (lambda: operators.lanczos_taps(2, 2, 0.25), "phase=0.25"),
        (lambda: operators.box_taps(0), "factor=0"),
        (lambda: operators.gaussian_taps(5, 0.0), "sigma=0.0"),
        (lambda: operators.resampling_matrix(9, np.ones(2) / 2, 2), "size=9"),
        (lambda: operators.gaussian_kernel(0), "sigma=0"),
        (lambda: operators.disk_kernel(-1), "radius=-1"),
        (lambda: operators.box_kernel(np.nan), "width=nan"),
        (lambda: operators.motion_kernel(np.inf, 0), "length=inf"),
        (lambda: operators.motion_kernel(5, np.nan), "angle=nan"),
        (lambda: operators.transfer_function(np.ones(3), 8, 8), r"kernel has shape \(3,\)"),
        (lambda: operators.transfer_function(np.ones((0, 3)), 8, 8), r"shape \(0, 3\)"),
        (lambda: operators.transfer_function(np.ones((9, 3)), 8, 8), "kernel of 9 x 3 pixels"),
        (lambda: operators.transfer_function(np.full((3, 3), np.nan), 8, 8), "not finite"),
        (lambda: operators.convolve(jnp.ones((8, 9, 3)), jnp.ones((8, 9))), r"shape \(8, 9\)"),
        (lambda: operators.reach(np.ones(3)), r"kernel has shape \(3,\)"),
    ],
)
def test_bad_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize("size", [(16, 20), (17, 21)])
@pytest.mark.parametrize("sides", [(5, 7), (4, 6), (5, 2), (1, 1), (16, 20)])
def test_convolve_equals_scipy(size, sides):
    image, kernel = np.random.default_rng(0).random((*size, 3), np.float32), lopsided(*sides)
    expected = scipy.ndimage.convolve(image.astype(float), kernel[:, :, None], mode="wrap")
    np.testing.assert_allclose(convolve(jnp.asarray(image), kernel), expected, atol=1e-6)


@pytest.mark.parametrize("sides", [(3, 5), (4, 2)])
def test_a_point_becomes_the_kernel(sides):
    kernel = lopsided(*sides)
    point = jnp.zeros((12, 12, 1)).at[6, 5].set(1.0)
    (above, below), (left, right) = operators.reach(kernel)
    assert (above + below + 1, left + right + 1) == sides
    image = np.zeros((12, 12))
    # What a pixel depends on lies where its own light does not go, mirrored.
    image[6 - below : 6 + above + 1, 5 - right : 5 + left + 1] = kernel
    np.testing.assert_allclose(convolve(point, kernel)[:, :, 0], image, atol=1e-7)


@pytest.mark.parametrize("sides", [(5, 7), (4, 6)])
def test_a_margin_as_wide_as_the_reach_makes_the_picture_exact(sides):
    scene, kernel = np.random.default_rng(0).random((30, 32, 1), np.float32), lopsided(*sides)
    expected = scipy.signal.convolve2d(scene[:, :, 0].astype(float), kernel, mode="valid")
    (above, below), (left, right) = operators.reach(kernel)
    blurred = convolve(jnp.asarray(scene), kernel)[above : 30 - below, left : 32 - right, 0]
    np.testing.assert_allclose(blurred, expected, atol=1e-6)


@pytest.mark.slow
def test_another_kernel_compiles_nothing():
    fit = dip_jax.dip(Convolutions(channels=3), optax.adam(1e-2))
    y, z = jnp.full((16, 16, 3), 0.5), jnp.ones((16, 16, 2))
    programs = []
    for kernel in (operators.gaussian_kernel(1.0), operators.motion_kernel(7, 30)):
        transfer = jnp.asarray(operators.transfer_function(kernel, 16, 16))
        task = dip_jax.observe(Partial(operators.convolve, transfer=transfer), y)
        assert task.loss(y) < 1e-12
        _, trace = dip_jax.run(fit, jax.random.key(0), task, z, steps=2)
        assert np.isfinite(trace["loss"]).all()
        programs.append(loop.compilations(jax.default_backend()))
    assert programs[0] == programs[1]


KERNELS = {
    "gaussian": (operators.gaussian_kernel(1.6), (15, 15)),
    "disk": (operators.disk_kernel(4), (9, 9)),
    "disk, half a pixel more": (operators.disk_kernel(4.5), (9, 9)),
    "disk, a little more": (operators.disk_kernel(4.6), (11, 11)),
    "tiny disk": (operators.disk_kernel(0.3), (1, 1)),
    "box": (operators.box_kernel(9), (9, 9)),
    "even box": (operators.box_kernel(4), (5, 5)),
    "tiny box": (operators.box_kernel(0.5), (1, 1)),
    "motion": (operators.motion_kernel(15, 30), (9, 13)),
    "motion along rows": (operators.motion_kernel(15, 0), (1, 15)),
    "motion along columns": (operators.motion_kernel(15, 90), (15, 1)),
    "motion along the diagonal": (operators.motion_kernel(15, 45), (11, 11)),
    "tiny motion": (operators.motion_kernel(0.5, 20), (1, 1)),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_keep_the_brightness_and_the_place(name):
    kernel, sides = KERNELS[name]
    assert kernel.dtype == np.float64
    assert kernel.shape == sides
    assert (kernel >= 0).all()
    np.testing.assert_allclose(kernel.sum(), 1, atol=1e-12)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-15)
    # None is larger than it needs to be.
    assert kernel[0].any()
    assert kernel[:, 0].any()


def test_kernels_are_what_they_are_called():
    np.testing.assert_allclose(operators.box_kernel(3), np.full((3, 3), 1 / 9))
    np.testing.assert_allclose(16 * operators.box_kernel(4)[2], [0.5, 1, 1, 1, 0.5])
    np.testing.assert_allclose(operators.motion_kernel(15, 0), np.full((1, 15), 1 / 15))
    np.testing.assert_allclose(operators.motion_kernel(15, -90), np.full((15, 1), 1 / 15))
    np.testing.assert_allclose(operators.motion_kernel(1.5, 0)[0], np.array([1, 4, 1]) / 6)
    # 45 degrees go from the lower left to the upper right, through corners only.
    diagonal = operators.motion_kernel(3 * 2**0.5, 45)
    np.testing.assert_allclose(diagonal, np.eye(3)[::-1] / 3, atol=1e-12)
    np.testing.assert_allclose(
        operators.motion_kernel(15, 30), operators.motion_kernel(15, 210), atol=1e-12
    )
    np.testing.assert_allclose(
        operators.motion_kernel(15, 150), operators.motion_kernel(15, 30)[:, ::-1], atol=1e-12
    )


@pytest.mark.parametrize("radius", [0.7, 2.0, 4.0, 7.3])
def test_disk_covers_its_area(radius):
    kernel = operators.disk_kernel(radius)
    # Its middle pixel is covered wholly: so its weight is 1 over the area of the disk.
    if radius > 1:
        middle = kernel[len(kernel) // 2, len(kernel) // 2]
        np.testing.assert_allclose(1 / middle, np.pi * radius**2, rtol=1e-4)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-15)
    np.testing.assert_allclose(kernel, np.rot90(kernel), atol=1e-15)


def test_spread_of_kernels():
    """Variances along an axis: sigma^2, radius^2 / 4, width^2 / 12, and of a moved point."""

    def variance(kernel, axis):
        position = np.arange(kernel.shape[axis]) - kernel.shape[axis] // 2
        return (kernel.sum(1 - axis) * position**2).sum()

    np.testing.assert_allclose(variance(operators.gaussian_kernel(1.6), 0), 1.6**2, rtol=2e-3)
    # A pixel's own square adds 1 / 12.
    np.testing.assert_allclose(variance(operators.disk_kernel(8), 1), 16 + 1 / 12, rtol=1e-2)
    np.testing.assert_allclose(variance(operators.box_kernel(9), 0), (81 - 1) / 12)
    moved = operators.motion_kernel(25, 30)
    np.testing.assert_allclose(variance(moved, 1), 0.75 * 25**2 / 12, rtol=1e-2)
    np.testing.assert_allclose(variance(moved, 0), 0.25 * 25**2 / 12, rtol=2e-2)
