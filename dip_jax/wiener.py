"""Wiener filtering in windows: what a restored picture says of each frequency, nearby.

A fit smooths faint detail away. Where it has kept some at a frequency, the noisy picture has more
of it there. How much to take depends on the noise's power at that frequency, so correlated noise
is no harder than white.

Source: Ghael, Sayeed and Baraniuk, Improved wavelet denoising via empirical Wiener filtering, SPIE
1997; as the second step of Dabov et al., Image denoising by sparse 3D transform-domain
collaborative filtering, TIP 2007, without its groups.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dip_jax.base import Array, ArrayLike, Image, check_restored
from dip_jax.colors import color_basis
from dip_jax.compilation import jit
from dip_jax.noise import NoiseModel

_SIDE = 16  # pixels of a window
_STRIDE = 4  # pixels from one window to the next
_MARGIN = _SIDE - _STRIDE  # so that each pixel is in as many windows
_GRID = 64  # frequencies a side of the noise's power, before it is seen through a window
_TINY = 1e-12


def filter_windows(y: ArrayLike, restored: ArrayLike, noise: NoiseModel) -> Image:
    """Returns the estimate of a noisy picture that is best if ``restored`` were the truth.

    In windows of 16x16 pixels that overlap. Each frequency of the noisy picture counts by the
    share that the power of ``restored`` has in the sum of it and the noise's. Where
    ``restored`` is flat, its mean is kept.

    Args:
      y: the noisy picture, float ``[h, w, c]`` in [0, 1].
      restored: an estimate of it, such as a fit's, ``[h, w, c]``.
      noise: of ``y``.

    Raises:
      ValueError: if the shapes differ, or for whole numbers.
    """
    y, restored = jnp.asarray(y), jnp.asarray(restored)
    check_restored(y, restored)
    y, deviation = noise.without_clipping(y, restored)
    return _filter(y, restored, deviation, jnp.asarray(_measure_power(noise, y.shape[2])))


def _measure_power(noise: NoiseModel, channels: int) -> np.ndarray:
    """Returns the cross-power of the channels, ``[16, 9, c, c]``, of noise of deviation 1."""
    shape = (_GRID, _GRID)
    if noise.kernel is None:
        transfer = np.broadcast_to(np.eye(channels), (*shape, channels, channels))
    else:
        transfer = np.fft.fft2(np.asarray(noise.kernel), s=shape, axes=(0, 1))
    power = np.einsum("uvij,uvkj->uvik", transfer, transfer.conj())
    # A window multiplies the noise: its spectrum blurs the noise's.
    window = np.abs(np.fft.fft2(_window(), s=shape)) ** 2
    blurred = np.fft.fft2(power, axes=(0, 1)) * np.fft.fft2(window)[:, :, None, None]
    step = _GRID // _SIDE
    found = np.fft.ifft2(blurred, axes=(0, 1)).real[::step, ::step] / _GRID**2
    return found[:, : _SIDE // 2 + 1].astype(np.float32)


def _window() -> np.ndarray:
    """Returns the weights of a window, whose squares sum to 1 where windows overlap."""
    line = np.sin(np.pi * (np.arange(_SIDE) + 0.5) / _SIDE) * (2 * _STRIDE / _SIDE) ** 0.5
    return np.outer(line, line)


@jit
def _filter(y: Array, restored: Array, deviation: Array, power: Array) -> Array:
    height, width, channels = y.shape
    basis = color_basis(channels)
    margins = [(_MARGIN, _MARGIN + -side % _STRIDE) for side in (height, width)] + [(0, 0)]
    # Windows differ much less than their values: TF32 would lose the difference.
    with jax.default_matmul_precision("float32"):
        noisy, pilot, spread = (
            jnp.pad(image, margins, mode="symmetric")
            for image in (y @ basis.T, restored @ basis.T, deviation)
        )
        window = jnp.asarray(_window(), y.dtype)[None, :, :, None]
        columns = np.arange(0, noisy.shape[1] - _SIDE + 1, _STRIDE)
        places = columns[:, None] + np.arange(_SIDE)

        def filter_strip(sums: Array, row: Array) -> tuple[Array, None]:
            strips = (
                lax.dynamic_slice(image, (row, 0, 0), (_SIDE, *image.shape[1:]))
                for image in (noisy, pilot, spread)
            )
            own, x, s = (jnp.moveaxis(strip[:, places], 1, 0) for strip in strips)
            mean = jnp.mean(x, axis=(1, 2), keepdims=True)
            mixed = basis[None] * jnp.mean(s, axis=(1, 2))[:, None]
            variance = jnp.einsum("nti,uvik,ntk->nuvt", mixed, power, mixed)
            spectrum, guide = (
                jnp.fft.rfft2(window * (image - mean), axes=(1, 2)) for image in (own, x)
            )
            signal = jnp.abs(guide) ** 2
            share = signal / jnp.maximum(signal + variance, _TINY)
            found = jnp.fft.irfft2(share * spectrum, s=(_SIDE, _SIDE), axes=(1, 2)) + window * mean
            strip = jnp.zeros((_SIDE, *sums.shape[1:]), sums.dtype)
            strip = strip.at[:, places].add(jnp.moveaxis(window * found, 0, 1))
            old = lax.dynamic_slice(sums, (row, 0, 0), strip.shape)
            return lax.dynamic_update_slice(sums, old + strip, (row, 0, 0)), None

        rows = jnp.arange(0, noisy.shape[0] - _SIDE + 1, _STRIDE)
        sums, _ = lax.scan(filter_strip, jnp.zeros_like(noisy), rows)
        return sums[_MARGIN : _MARGIN + height, _MARGIN : _MARGIN + width] @ basis
