"""Fourier sampling, as magnetic resonance imaging (MRI) does it.

The spectrum (k-space) is orthonormal and centred: the zero frequency of ``h x w`` pixels lies at
``[h // 2, w // 2]``, where scanners and their files have it.
"""

import jax
import jax.numpy as jnp

from dip_jax.base import Array, Key


def sample_fourier(image: Array, mask: Array) -> Array:
    """Measures the frequencies of ``[h, w, c]`` where ``mask`` is 1: Cartesian MRI with one coil.

    >>> import jax, jax.numpy as jnp
    >>> from jax.tree_util import Partial
    >>> from dip_jax import operators, tasks
    >>> mask = cartesian_mask(jax.random.key(0), 32, acceleration=4)
    >>> y = sample_fourier(jnp.ones((32, 32, 1)), mask)
    >>> task = tasks.observe(Partial(operators.sample_fourier, mask=mask), y)
    >>> task = tasks.precompose(operators.to_complex, task)  # for a generator of two channels

    Args:
      image: real or complex; of a volume ``[d, h, w, c]``, each plane is measured.
      mask: 1 where measured, 0 elsewhere; broadcasts to the image's shape. ``[1, w, 1]`` of
        :func:`cartesian_mask` measures whole columns of the spectrum.

    Returns:
      complex64 ``[h, w, c]``, 0 where ``mask`` is 0. Its inverse transform, the "zero-filled"
      image, is :func:`~dip_jax.operators.apply_adjoint` of the same operator.

    Raises:
      ValueError: if ``mask`` does not fit the image.

    Source: Lustig, Donoho and Pauly, Sparse MRI, 2007.
    """
    _check_fits("mask", mask, image.shape)
    # Rows last: contiguous for the transform.
    planes = jnp.fft.ifftshift(jnp.moveaxis(image, -1, 0), axes=(-2, -1))
    spectrum = jnp.fft.fftshift(jnp.fft.fft2(planes, norm="ortho"), axes=(-2, -1))
    return mask * jnp.moveaxis(spectrum, 0, -1)


def sample_coils(image: Array, mask: Array, sensitivities: Array) -> Array:
    """Measures ``[h, w, 1]`` by several coils at once: parallel MRI.

    Args:
      image: real or complex.
      mask: as for :func:`sample_fourier`; broadcasts to ``[h, w, coils]``.
      sensitivities: complex ``[h, w, coils]``, what each coil sees of a pixel.

    Returns:
      complex64 ``[h, w, coils]``: :func:`sample_fourier` of what each coil sees.

    Raises:
      ValueError: if the image has several channels, or the shapes do not fit.

    Source: Pruessmann et al., SENSE: Sensitivity encoding for fast MRI, 1999.
    """
    if image.shape != (*sensitivities.shape[:-1], 1):
        raise ValueError(
            f"image has shape {image.shape}, but sensitivities of shape {sensitivities.shape} "
            f"need {(*sensitivities.shape[:-1], 1)}"
        )
    return sample_fourier(image * sensitivities, mask)


def cartesian_mask(
    key: Key, width: int, acceleration: float = 4, center: float | None = None
) -> Array:
    """Draws which of ``width`` columns of the spectrum are measured.

    The columns around the zero frequency are, which hold most of a picture's energy. The others
    are drawn at random without replacement.

    Args:
      key: decides the columns.
      width: of the images.
      acceleration: ``width`` over the number of measured columns, at least 1.
      center: share of all columns that are measured around the zero frequency, from 0 to
        ``1 / acceleration``. By default 0.08, or all measured columns if they are fewer.

    Returns:
      float32 ``[1, width, 1]``, 1 for the ``round(width / acceleration)`` measured columns.

    Raises:
      ValueError: if an argument is out of range, or the mask would keep nothing.

    Source: Zbontar et al., fastMRI, 2018 (arXiv:1811.08839), the random mask.
    """
    if not acceleration >= 1:
        raise ValueError(f"acceleration={acceleration!r}: must be at least 1")
    if center is None:
        center = min(0.08, 1 / acceleration)
    if not 0 <= center <= 1 / acceleration:
        raise ValueError(f"center={center!r}: must be from 0 to {1 / acceleration:g}")
    count = round(width / acceleration)
    if count < 1:
        raise ValueError(f"acceleration={acceleration!r}: keeps none of {width} columns")
    middle = min(round(center * width), count)
    start = width // 2 - middle // 2
    # Random ranks; those of the middle columns are the first.
    rank = jax.random.uniform(key, (width,)).at[start : start + middle].set(-1.0)
    return jnp.zeros(width).at[jnp.argsort(rank)[:count]].set(1.0)[None, :, None]


def _check_fits(name: str, array: Array, shape: tuple[int, ...]) -> None:
    fits = len(array.shape) == len(shape) and all(
        size in (1, whole) for size, whole in zip(array.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} has shape {array.shape}, which does not broadcast to {shape}")
