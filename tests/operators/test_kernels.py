"""Point spread functions."""

import numpy as np
import pytest

from dip_jax import operators

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


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: operators.gaussian_kernel(0), "sigma=0"),
        (lambda: operators.disk_kernel(-1), "radius=-1"),
        (lambda: operators.box_kernel(np.nan), "width=nan"),
        (lambda: operators.motion_kernel(np.inf, 0), "length=inf"),
        (lambda: operators.motion_kernel(5, np.nan), "angle=nan"),
    ],
)
def test_bad_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize(
    ("text", "kernel"),
    [
        ("gaussian:1.6", operators.gaussian_kernel(1.6)),
        ("disk:4", operators.disk_kernel(4)),
        ("box:3.5", operators.box_kernel(3.5)),
        ("motion:15,30", operators.motion_kernel(15, 30)),
        ("motion:7.5,-20", operators.motion_kernel(7.5, -20)),
    ],
)
def test_a_name_and_its_numbers_make_the_kernel(text, kernel):
    np.testing.assert_array_equal(operators.named_kernel(text), kernel)


def test_every_name_is_tried():
    rows = test_a_name_and_its_numbers_make_the_kernel.pytestmark[0].args[1]
    assert {text.partition(":")[0] for text, _ in rows} == set(operators.KERNELS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("blob:3", "is none of gaussian, disk, motion, box"),
        ("kernel.npy", "is none of gaussian"),
        ("", "is none of gaussian"),
        ("gaussian", "takes one number behind the colon"),
        ("gaussian:", "takes one number"),
        ("gaussian:1,2", "takes one number"),
        ("box:wide", "takes one number"),
        ("motion:5", "takes two numbers behind the colon"),
        ("motion:5,30,1", "takes two numbers"),
        ("gaussian:0", r"is out of range \(sigma=0.0: must be finite and above 0\)"),
        ("disk:-1", r"is out of range \(radius=-1.0"),
        ("box:nan", r"is out of range \(width=nan"),
        ("motion:inf,0", r"is out of range \(length=inf"),
        ("motion:5,nan", r"is out of range \(angle=nan: must be finite\)"),
    ],
)
def test_a_name_that_makes_none_is_told(text, problem):
    with pytest.raises(ValueError, match=f"^{problem}"):
        operators.named_kernel(text)
