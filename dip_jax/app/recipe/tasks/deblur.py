"""Removing a blur whose shape is known, or found from the picture."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import dip_jax
from dip_jax import blind, damage, operators
from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import Picture, read_picture
from dip_jax.app.recipe.records import check_boolean, check_integer
from dip_jax.app.recipe.tasks.base import (
    GAIN,
    NOISE,
    REFINE,
    SIGMA,
    Arrays,
    Data,
    Degraded,
    Flag,
    Measured,
    Options,
    TaskSpec,
    refine_fit,
)
from dip_jax.base import Array, Image, Task
from dip_jax.noise import NoiseModel

_LEAST_BALANCE = 0.02  # up to sigma 3; from there on the noise counts
_BALANCE = 0.002  # per square of sigma in 8-bit levels
_LEAST_WEIGHT = 1e-3  # of a kernel's largest value; a darker rim is dropped
_LEAST_SUM = 0.01  # of a kernel's absolute values
_LEVELS = (10.0, 5.0)  # of refining: from 20 on, 0.1 dB less; to 3, the same
_FORMS = "gaussian:1.6, disk:4, motion:15,30, box:9, unknown, or a picture or .npy of the kernel"
_UNKNOWN = "unknown"
_FOR_UNKNOWN = "is for kernel=unknown; drop it, or the kernel"
_MOST_SIZE = 159  # half of the part that the estimate sees


def parse_kernel(text: str) -> np.ndarray:
    """Returns the kernel ``[k, l]`` that a text such as ``gaussian:1.6`` or a file's name means.

    Raises:
      UserError: for another text, or a number out of range.
    """
    if text.partition(":")[0] not in operators.KERNELS or ":" not in text:
        if Path(text).suffix.lower() == ".npy" and Path(text).exists():
            return _load_array(text)
        if Path(text).exists():
            return read_picture(text, flag="--kernel", from_zero=True).image.mean(axis=2)
        raise UserError("kernel", text, f"is neither a file nor a kernel; write {_FORMS}")
    try:
        return operators.named_kernel(text)
    except ValueError as error:
        raise UserError("kernel", text, f"{error}; write {_FORMS}") from error


def _load_array(name: str) -> np.ndarray:
    """Returns an array as it is: read as a picture, it would lose what is below 0.

    Raises:
      UserError: for a file that holds no array of real numbers.
    """
    try:
        kernel = np.load(name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError("kernel", name, f"can't be read ({error})") from error
    if not isinstance(kernel, np.ndarray) or kernel.dtype.kind not in "fiub":
        raise UserError("kernel", name, "must be an array of real numbers")
    return kernel


def check_kernel(given: Any, picture: np.ndarray) -> np.ndarray:
    """Returns a kernel as float64 ``[k, l]`` with sum 1, without its dark rim.

    Raises:
      UserError: for another shape, values that are not finite, a sum that is not above 0, or a
        kernel larger than the picture.
    """
    kernel = np.asarray(parse_kernel(given) if isinstance(given, str) else given, np.float64)
    if kernel.ndim == 3 and kernel.shape[2] == 1:
        kernel = kernel[:, :, 0]
    shown = given if isinstance(given, str) else f"array of shape {kernel.shape}"
    if kernel.ndim != 2 or not kernel.size:
        problem = f"has the shape {kernel.shape}: must be [rows, columns] of weights"
        raise UserError("kernel", shown, problem)
    if not np.isfinite(kernel).all():
        raise UserError("kernel", shown, "holds values that are not finite")
    kernel = kernel / (np.abs(kernel).max() or 1)
    total = kernel.sum()
    if not total > _LEAST_SUM * np.abs(kernel).sum():
        problem = "has weights that cancel each other; they must sum to more than 0"
        raise UserError("kernel", shown, problem)
    kernel = _trim(kernel / total)
    if kernel.shape[0] > picture.shape[0] or kernel.shape[1] > picture.shape[1]:
        size, own = ("{1}x{0}".format(*each.shape) for each in (kernel, picture))
        raise UserError("kernel", shown, f"is {size} pixels, larger than the picture ({own})")
    return kernel


def find_kernel(picture: np.ndarray, size: int | None) -> np.ndarray:
    """Returns the kernel ``[size, size]`` that blurred a picture ``[h, w, c]``.

    Raises:
      UserError: without a size, or with one that is too large for the picture; for a picture that
        shows no blur.
    """
    if size is None:
        problem = "is needed for an unknown kernel; give an odd number of pixels, such as 21, a "
        raise UserError("kernel_size", None, problem + "little more than the blur's length")
    most = min(picture.shape[:2]) // 2
    most -= 1 - most % 2
    if size > most:
        own = f"{picture.shape[1]}x{picture.shape[0]}"
        problem = f"must be odd and at most {most}, half of the picture's shorter side ({own})"
        raise UserError("kernel_size", size, problem)
    try:
        return blind.estimate_kernel(picture, size)
    except ValueError as error:
        raise UserError("kernel", _UNKNOWN, f"can't be found ({error})") from error


def _trim(kernel: np.ndarray) -> np.ndarray:
    """Drops dark outer rows and columns, as many on either side, so that the centre stays."""
    for axis in (0, 1):
        lines = np.abs(kernel).max(axis=1 - axis) > _LEAST_WEIGHT * np.abs(kernel).max()
        dark = min(int(np.argmax(lines)), int(np.argmax(lines[::-1])))
        kernel = np.delete(kernel, [*range(dark), *range(-dark, 0)], axis=axis)
    return kernel / kernel.sum()


def _read(
    text: str | None, picture: Picture, options: Options
) -> tuple[np.ndarray | None, list[str]]:
    if text == _UNKNOWN:
        return find_kernel(picture.image, options["kernel_size"]), []
    return None if text is None else check_kernel(text, picture.image), []


KERNEL = Data(
    Flag(
        "kernel",
        str,
        None,
        "For deblur: the blur's shape (point spread function). gaussian:SIGMA, disk:RADIUS (out of "
        "focus), motion:LENGTH,ANGLE (degrees, anticlockwise from the horizontal), box:WIDTH, all "
        "in pixels; or a picture or .npy file of it; or unknown, with --kernel_size: it is found "
        "from the picture, and saved if results go to a folder [a demonstration: gaussian:1.6].",
    ),
    _read,
    check_kernel,
    "write --kernel=gaussian:1.6, disk:4, motion:15,30, box:9, unknown or the name of a file",
    per_pixel=False,
)


@dataclass(frozen=True)
class Deblur(TaskSpec):
    """Finds a picture that gives the blurred one when it is blurred again."""

    name = "deblur"
    takes_noise = True
    default_rule = "held_out"
    measures_pixels = False
    damage_flag = "blur"
    shown_as = "blurred"
    data = (KERNEL,)
    flags = (
        NOISE,
        SIGMA,
        GAIN,
        REFINE,
        Flag(
            "blur",
            bool,
            False,
            "Demonstration: --image is sharp; blur it with --kernel, and add noise of --sigma [2].",
        ),
        Flag(
            "kernel_size",
            int,
            None,
            "For --kernel=unknown: its side in pixels, odd, a little more than the blur's length.",
        ),
    )

    balance: float | None = None
    """Each frequency's error is weighted by ``sqrt((1 + balance) / (strength + balance))``, where
    the strength is the square of the blur's there. Larger values fit slowly, smaller ones fit
    noise. None follows the noise."""
    kernel_size: int | None = None
    """The side of a kernel that is to be found from the picture; None if it is given."""
    refine: bool = False
    """Whether the fit's result is refined by :func:`dip_jax.refine_measured`."""

    @property
    def needs_noise(self) -> bool:
        return True

    def check(self) -> None:
        check_boolean("refine", self.refine)
        if self.kernel_size is not None:
            check_integer("kernel_size", self.kernel_size, 3, _MOST_SIZE)
            if not self.kernel_size % 2:
                problem = f"must be odd; take {self.kernel_size - 1}"
                raise UserError("kernel_size", self.kernel_size, problem)
        if self.balance is not None and not 0 < self.balance < math.inf:
            raise UserError("balance", self.balance, "must be above 0")

    def check_options(self, options: Options) -> None:
        if options["kernel"] != _UNKNOWN:
            if self.kernel_size is not None:
                raise UserError("kernel_size", self.kernel_size, _FOR_UNKNOWN)
            return
        if options["blur"]:
            problem = "can't go with --blur, which needs a kernel to blur with; drop one"
            raise UserError("kernel", _UNKNOWN, problem)

    def check_data(self, y: np.ndarray, given: Mapping[str, np.ndarray | None]) -> Arrays:
        kernel: Any = given.get("kernel")
        if isinstance(kernel, str) and kernel == _UNKNOWN:
            given = {**given, "kernel": find_kernel(y, self.kernel_size)}
        # The command has found it already.
        elif self.kernel_size is not None and np.shape(kernel) != (self.kernel_size,) * 2:
            raise UserError("kernel_size", self.kernel_size, _FOR_UNKNOWN)
        return super().check_data(y, given)

    def found_kernel(self, data: Arrays) -> np.ndarray | None:
        return data["kernel"] if self.kernel_size is not None else None

    def resolve(self, noise: NoiseModel | None) -> "Deblur":
        if self.balance is not None or noise is None:
            return self
        level = noise.standard_deviation_at_level(128)
        return self.replace(balance=max(_LEAST_BALANCE, _BALANCE * level**2))

    def margin(self, data: Arrays) -> int:
        return max(max(sides) for sides in operators.reach(data["kernel"]))

    def make(
        self,
        y: Array,
        known: Array,
        data: Arrays,
        reference: Image | None = None,
        region: Array | None = None,
    ) -> Task:
        transfer = operators.transfer_function(data["kernel"], *y.shape[:2])
        assert self.balance is not None
        strength = np.abs(transfer) ** 2
        gain = np.sqrt((1 + self.balance) / (strength + self.balance)).astype(np.complex64)
        even = Partial(operators.convolve, transfer=jnp.asarray(gain))
        blur = Partial(_blur_known, jnp.asarray(transfer), jnp.asarray(known), even)
        seen = even(operators.mask(y, known))
        return dip_jax.observe(blur, seen, reference=reference, region=region)

    def improve(self, image: np.ndarray, measured: Measured) -> np.ndarray:
        if not self.refine:
            return image
        y, known, noise, data, _ = measured
        sigma = 0.0 if noise is None else noise.standard_deviation_at_level(128) / 255
        blur = _blur(data["kernel"], y)
        return refine_fit(blur, y, image, sigma=sigma, known=known, levels=_LEVELS)

    def compare(self, y: Array, known: Array, data: Arrays) -> Task:
        return dip_jax.observe(_blur(data["kernel"], y), y, known=known)

    def degrade(
        self, image: np.ndarray, options: Options, seed: int, *, demonstration: bool
    ) -> Degraded | None:
        if not (demonstration or options["blur"]):
            return None
        text = options["kernel"] or "gaussian:1.6"
        if text == _UNKNOWN:
            raise UserError("kernel", text, "needs a blurred --image; name one")
        kernel = check_kernel(text, image)
        sigma = 2.0 if options["sigma"] is None else options["sigma"]
        observed = damage.add_noise(damage.blur(image, kernel), sigma, seed)
        words = f"blurred by {text}, with noise of sigma {sigma:g} added"
        noise = NoiseModel("gaussian", sigma)
        return Degraded(observed, image, words, {"kernel": kernel}, noise)


def _blur(kernel: np.ndarray, y: Array | np.ndarray) -> Partial:
    """Returns the operator that blurs an image of the size of ``y``."""
    transfer = operators.transfer_function(kernel, *y.shape[:2])
    return Partial(operators.convolve, transfer=jnp.asarray(transfer))


def _blur_known(transfer: Array, known: Array, even: Callable, image: Image) -> Image:
    """Blurs, keeps what is known, and evens out the frequencies."""
    return even(operators.mask(operators.convolve(image, transfer), known))
