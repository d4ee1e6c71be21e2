"""Parallel-beam tomography: line integrals through an image, and the way back.

A pixel's footprint on the detector is a triangle: that of an image between whose pixels the values
are interpolated along rows or columns, whichever the rays cross more steeply. Projection and its
adjoint both read this footprint instead of scattering by it. So both are fast in compiled loops,
where XLA adds up scattered values one by one.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from dip_jax.base import Array, Image

_TOGETHER = 8  # angles computed at once: more take more memory, and no less time


def radon(image: Image, angles: Array) -> Array:
    """Integrates ``[h, w, c]`` along parallel rays, in units of pixels: its sinogram.

    Angles are those of :func:`skimage.transform.radon`: at 0 degrees, a detector sees a column.
    Differentiable for the image. The angles are data without a gradient.

    >>> import jax.numpy as jnp
    >>> from jax.tree_util import Partial
    >>> from dip_jax import operators, tasks
    >>> angles = jnp.linspace(0.0, 180.0, 60, endpoint=False)
    >>> y = radon(jnp.ones((32, 32, 1)), angles)
    >>> y.shape
    (60, 46, 1)
    >>> task = tasks.observe(Partial(operators.radon, angles=angles), y)

    Args:
      image: ``[h, w, c]``. The rays turn around the pixel ``[h // 2, w // 2]``.
      angles: ``[a]``, in degrees.

    Returns:
      ``[a, detectors, c]``. The detectors are a pixel apart. There are as many as the diagonal of
      a square of the longer side is long: ``detectors = ceil(sqrt(2) * max(h, w))``. Detector
      ``detectors // 2`` sees the centre. As in scikit-image, the outermost corner of a square
      of even sides may be missed. Pad a narrower measurement, with weights of 0 (``known``) in
      the padding.

    Raises:
      ValueError: if the image is not ``[h, w, c]`` or ``angles`` not ``[a]``.

    Source: Joseph, An improved algorithm for reprojecting rays through pixel images, 1982.
    """
    if image.ndim != 3:
        raise ValueError(f"image has shape {image.shape}: must be [height, width, channels]")
    _check_angles(angles)
    return _radon(image.shape[:2], image, angles)


def back_project(sinogram: Array, angles: Array, height: int, width: int) -> Image:
    """Applies the adjoint of :func:`radon`: ``[a, detectors, c]`` to ``[height, width, c]``.

    Raises:
      ValueError: if the sinogram is not one of that many angles and pixels.
    """
    _check_sinogram(sinogram, angles, height, width)
    return _back_project((height, width), sinogram, angles)


def filtered_back_projection(sinogram: Array, angles: Array, height: int, width: int) -> Image:
    """Inverts :func:`radon` roughly, with the ramp filter: ``[height, width, c]``.

    It is the classical reconstruction, and a start for better ones (:func:`dip_jax.inputs.guide`).

    Args:
      sinogram: ``[a, detectors, c]``, of :func:`radon`.
      angles: ``[a]``, in degrees, evenly spaced over 180.
      height: of the image.
      width: of the image.

    Raises:
      ValueError: if the sinogram is not one of that many angles and pixels.

    Source: Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988, section 3.3.
    """
    _check_sinogram(sinogram, angles, height, width)
    detectors = sinogram.shape[1]
    size = 2 * detectors  # no ray's filter reaches around to the other end
    lag = jnp.minimum(jnp.arange(size), size - jnp.arange(size))
    odd = lag % 2 == 1
    ramp = jnp.where(odd, -1 / (jnp.pi * jnp.where(odd, lag, 1)) ** 2, 0.0).at[0].set(0.25)
    transfer = jnp.real(jnp.fft.rfft(ramp))[None, :, None]
    spectrum = transfer * jnp.fft.rfft(sinogram, size, axis=1)
    filtered = jnp.fft.irfft(spectrum, size, axis=1)[:, :detectors]
    read = functools.partial(_read_detectors, (height, width), 1.0)
    return jnp.pi / len(angles) * _sum_angles(read, filtered, angles)


def _count_detectors(height: int, width: int) -> int:
    return math.ceil(math.sqrt(2) * max(height, width))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _radon(size: tuple[int, int], image: Image, angles: Array) -> Array:
    height, width = size
    side = max(size)
    # A square with the centre in its middle, and zeros beyond its columns.
    above, left = side // 2 - height // 2, side // 2 - width // 2
    square = jnp.pad(image, ((above, side - height - above), (left, side - width - left), (0, 0)))
    planes = [
        jnp.pad(plane, ((0, 0), (1, 2), (0, 0))) for plane in (square, jnp.swapaxes(square, 0, 1))
    ]
    center, detectors = side // 2, _count_detectors(*size)
    line = jnp.arange(side)[:, None]
    ray = jnp.arange(detectors)[None] - detectors // 2

    def project(angle: Array) -> Array:
        """Sums along the lines of the image or, for rays near those, of its transpose."""
        cosine, sine = jnp.cos(angle), jnp.sin(angle)
        flat = jnp.abs(sine) > jnp.abs(cosine)
        along, across = jnp.where(flat, -sine, cosine), jnp.where(flat, -cosine, sine)
        plane = jnp.where(flat, planes[1], planes[0]).reshape(-1, image.shape[2])
        position = (ray + across * (line - center)) / along + center
        position = jnp.clip(position, -1.0, side)
        first = jnp.floor(position)
        share = (position - first)[:, :, None]
        index = line * (side + 3) + first.astype(jnp.int32) + 1
        values = (1 - share) * plane[index] + share * plane[index + 1]
        return jnp.sum(values, axis=0) / jnp.abs(along)

    return jax.lax.map(project, jnp.deg2rad(angles), batch_size=_TOGETHER)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _back_project(size: tuple[int, int], sinogram: Array, angles: Array) -> Image:
    return _sum_angles(functools.partial(_read_detectors, size, None), sinogram, angles)


def _sum_angles(read: Callable[[Array, Array], Image], sinogram: Array, angles: Array) -> Image:
    def add(total: Image, view: tuple[Array, Array]) -> tuple[Image, None]:
        return total + read(*view), None

    start = read(sinogram[0], jnp.deg2rad(angles[0]))
    return jax.lax.scan(add, start, (sinogram[1:], jnp.deg2rad(angles[1:])))[0]


def _read_detectors(size: tuple[int, int], reach: float | None, view: Array, angle: Array) -> Image:
    """Sums the two detectors on either side of each pixel by the pixel's footprint.

    The footprint is a triangle of area 1 that reaches ``reach`` detectors to each side. That of
    the projection (None) depends on the angle; 1 interpolates between the detectors.
    """
    height, width = size
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    row, column = jnp.arange(height)[:, None], jnp.arange(width)[None]
    position = cosine * (column - width // 2) - sine * (row - height // 2) + len(view) // 2
    first = jnp.floor(position)
    half = jnp.maximum(jnp.abs(cosine), jnp.abs(sine)) if reach is None else reach
    view = jnp.pad(view, ((1, 2), (0, 0)))  # nothing is measured beyond the detectors
    index = first.astype(jnp.int32) + 1
    shares = (
        jnp.maximum(0.0, 1 - jnp.abs(first + step - position) / half) / half for step in (0, 1)
    )
    before, after = (share[:, :, None] for share in shares)
    return before * view[index] + after * view[index + 1]


def _radon_forward(size: tuple[int, int], image: Image, angles: Array) -> tuple[Array, Array]:
    return _radon(size, image, angles), angles


def _radon_backward(size: tuple[int, int], angles: Array, cotangent: Array) -> tuple[Array, None]:
    return _back_project(size, cotangent, angles), None


def _back_forward(size: tuple[int, int], sinogram: Array, angles: Array) -> tuple[Array, Array]:
    return _back_project(size, sinogram, angles), angles


def _back_backward(size: tuple[int, int], angles: Array, cotangent: Image) -> tuple[Array, None]:
    return _radon(size, cotangent, angles), None


_radon.defvjp(_radon_forward, _radon_backward)
_back_project.defvjp(_back_forward, _back_backward)


def _check_angles(angles: Array) -> None:
    if angles.ndim != 1 or not angles.size:
        raise ValueError(f"angles have shape {angles.shape}: must be [angles], at least one")


def _check_sinogram(sinogram: Array, angles: Array, height: int, width: int) -> None:
    _check_angles(angles)
    needed = (len(angles), _count_detectors(height, width))
    if sinogram.ndim != 3 or sinogram.shape[:2] != needed:
        raise ValueError(
            f"sinogram has shape {sinogram.shape}, but {len(angles)} angles and {height} x "
            f"{width} pixels need [{needed[0]}, {needed[1]}, channels]"
        )
