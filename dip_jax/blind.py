"""Blind deblurring's first half: the blur's shape, found from the blurred picture alone.

:func:`estimate_kernel` is a fit of its own, of a kernel and of a picture made of edges, by turns
and from coarse to fine. The picture is a means to an end. With the kernel, restore the blurred
picture as with a known one: ``observe(Partial(convolve, transfer=...), y)``.
"""

import numbers
from typing import Any, cast

import numpy as np
from numpy import fft

from dip_jax.operators import transfer_function

_FIRST_WEIGHT = 2e-2  # of an edge, in squared contrast, on the coarsest scale ...
_LAST_WEIGHT = 1e-3  # ... and at the end, well above small noise
_WEIGHT_DECAY = 1.07  # per turn
_TURNS, _LAST_TURNS = 8, 25  # on each coarser scale, and on the finest
_RATIO = 2**0.5  # of one scale to the next
_STIFFEST = 1e5  # how closely an edge picture's gradients are held to the sparse ones, at last
_RIDGE, _SPARSITY = 2.0, 2.0
_CONJUGATE_STEPS = 15
_DARK, _ISLAND = 0.05, 0.1  # shares of the largest value, and of the sum, that are dropped
_LARGEST_SIDE = 320
_HORIZONTAL, _VERTICAL = np.array([[1.0, -1.0, 0.0]]), np.array([[1.0], [-1.0], [0.0]])


def estimate_kernel(picture: np.ndarray, size: int) -> np.ndarray:
    """Finds the kernel that blurred a picture, which is the same everywhere in it.

    The kernel and a picture with few, sharp edges are found by turns: the picture by half-quadratic
    splitting with a penalty on the number of its edges, the kernel by least squares on the
    gradients. Values below 0, faint ones and small islands are dropped. This is done on small
    copies of the picture first, where the blur is small too. Only pixels whose surroundings are in
    the picture count. Of a large picture, the middle 320x320 are used.

    Where the kernel lies is not determined: a shifted one with a shifted picture explains the same
    data. Its centre of mass is put in the middle, so the picture stays in place.

    It takes 1 to 3 seconds for 128x128 pixels on one CPU core.

    Args:
      picture: ``[h, w]`` or ``[h, w, c]``, whose channels are averaged. It needs edges in all
        directions, and noise of no more than a few 8-bit levels.
      size: the kernel's side in pixels, odd, at least 3. It should be a little larger than the
        blur: much larger ones leave room for false detail.

    Returns:
      float64 ``[size, size]``, at least 0, with sum 1, for
      :func:`~dip_jax.operators.transfer_function`.

    Raises:
      ValueError: for another size, one of more than half of the picture's shorter side, a picture
        with values that are not finite, or one without contrast.

    Source: Xu, Zheng and Jia, Unnatural L0 sparse representation, CVPR 2013; Pan et al., L0-
    regularized intensity and gradient prior, CVPR 2014. The kernel's sparsity and the treatment of
    the border are ours.

    >>> from dip_jax import damage, operators
    >>> scene = np.kron(np.random.default_rng(0).random((8, 8)), np.ones((8, 8)))[:, :, None]
    >>> kernel = estimate_kernel(damage.blur(scene, operators.box_kernel(3)), 5)
    >>> kernel.shape, round(float(kernel.sum()), 6)
    ((5, 5), 1.0)
    """
    ndimage = _ndimage()
    y = _as_grey(np.asarray(picture, np.float64))
    _check_size(size, y.shape)
    low, high = np.percentile(y, (1, 99))
    if not high > low:
        raise ValueError("picture: has no contrast, so that no blur shows")
    y = (y - low) / (high - low)
    kernel = np.array([[0, 0, 0], [0, 0.5, 0.5], [0, 0, 0]])
    weight = _FIRST_WEIGHT
    for side in _sides(size):
        scale = side / size
        small = y
        if side < size:
            small = ndimage.zoom(ndimage.gaussian_filter(y, 0.4 / scale), scale, order=1)
        kernel = _normalize(np.maximum(ndimage.zoom(kernel, side / len(kernel), order=1), 0))
        canvas, inside = _put_on_torus(small, side // 2 + 2)
        for _ in range(_LAST_TURNS if side == size else _TURNS):
            edges = _find_edges(canvas, kernel, weight)
            found = _clean(_solve_kernel(edges, canvas, inside, kernel))
            kernel = kernel if found is None else found
            weight = max(weight / _WEIGHT_DECAY, _LAST_WEIGHT)
    return kernel


def _as_grey(picture: np.ndarray) -> np.ndarray:
    """Returns the middle of a picture ``[h, w]``, with its channels averaged."""
    if picture.ndim not in (2, 3):
        raise ValueError(f"picture has shape {picture.shape}: must be [h, w] or [h, w, c]")
    if not np.isfinite(picture).all():
        raise ValueError("picture: holds values that are not finite")
    grey = picture if picture.ndim == 2 else picture.mean(axis=2)
    for axis in (0, 1):
        start = max(0, grey.shape[axis] - _LARGEST_SIDE) // 2
        grey = np.take(grey, np.arange(start, min(grey.shape[axis], start + _LARGEST_SIDE)), axis)
    return grey


def _check_size(size: int, shape: tuple[int, ...]) -> None:
    most = min(shape) // 2
    if not isinstance(size, numbers.Integral) or size < 3 or not size % 2:
        raise ValueError(f"size={size!r}: must be odd and at least 3")
    if size > most:
        raise ValueError(f"size={size!r}: must be at most {most}, half of the picture's side")


def _sides(size: int) -> list[int]:
    """Returns the kernel's side on each scale, from the coarsest, 3, to the finest."""
    sides, scale = [size], 1.0
    while sides[-1] > 3:
        scale /= _RATIO
        side = int(np.ceil(size * scale))
        sides.append(max(3, side + 1 - side % 2))
    return list(dict.fromkeys(reversed(sides)))


def _put_on_torus(y: np.ndarray, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns a picture with a margin that joins opposite borders, and where gradients count.

    The margin is harmonic: it has no edges of its own.
    """
    from scipy import sparse
    from scipy.fft import next_fast_len
    from scipy.sparse.linalg import spsolve

    lengths = (next_fast_len(side + 2 * margin, real=True) for side in y.shape)
    shape = tuple(cast(int, length) for length in lengths)
    canvas, inside = np.zeros(shape), np.zeros(shape, np.float32)
    rows, columns = (slice(margin, margin + side) for side in y.shape)
    canvas[rows, columns] = y
    inside[margin + 1 : rows.stop - 1, margin + 1 : columns.stop - 1] = 1
    open_ = np.ones(shape, bool)
    open_[rows, columns] = False
    number = np.cumsum(open_).reshape(shape) - 1
    own = number[open_]
    total = np.zeros(len(own))
    matrix = 4 * sparse.eye_array(len(own), format="csr")
    for axis in (0, 1):
        for step in (-1, 1):
            there = np.roll(open_, step, axis)[open_]
            other = np.roll(number, step, axis)[open_]
            total += np.roll(canvas, step, axis)[open_]  # 0 in the margin
            links = (np.ones(there.sum()), (own[there], other[there]))
            matrix = matrix - sparse.csr_array(links, shape=(len(own), len(own)))
    canvas[open_] = cast(np.ndarray, spsolve(matrix.tocsc(), total))
    return canvas.astype(np.float32), inside


def _find_edges(y: np.ndarray, kernel: np.ndarray, weight: float) -> list[np.ndarray]:
    """Returns the horizontal and vertical gradients of a sharp picture with few edges.

    They minimise ``|kernel * x - y|^2 + weight * (number of gradients of x that are not 0)``.
    """
    shape = y.shape
    blur, *slopes = (transfer_function(k, *shape) for k in (kernel, _HORIZONTAL, _VERTICAL))
    data, power = blur.conj() * fft.rfft2(y), np.abs(blur) ** 2
    roughness = sum(np.abs(slope) ** 2 for slope in slopes)
    spectrum, stiffness = fft.rfft2(y), 2 * weight
    edges: list[np.ndarray] = []
    while stiffness < _STIFFEST:
        edges = [fft.irfft2(slope * spectrum, s=shape) for slope in slopes]
        steep = sum(edge**2 for edge in edges) >= weight / stiffness
        edges = [edge * steep for edge in edges]
        pull = sum(s.conj() * fft.rfft2(e) for s, e in zip(slopes, edges, strict=True))
        spectrum = (data + np.float32(stiffness) * pull) / (
            power + np.float32(stiffness) * roughness
        )
        stiffness *= 2
    return edges


def _solve_kernel(
    edges: list[np.ndarray], y: np.ndarray, inside: np.ndarray, earlier: np.ndarray
) -> np.ndarray:
    """Returns the kernel that best blurs the edges to the gradients of ``y``.

    Small values of the kernel of the turn before weigh more (iterated least squares, as for a sum
    of logarithms).
    """
    shape, size = y.shape, len(earlier)
    middle = size // 2
    seen = fft.rfft2(y)
    pairs = [
        (fft.rfft2(edge), inside * fft.irfft2(transfer_function(slope, *shape) * seen, s=shape))
        for edge, slope in zip(edges, (_HORIZONTAL, _VERTICAL), strict=True)
    ]
    relative = earlier / earlier.max()
    penalty = _RIDGE + _SPARSITY / (relative + 0.2)

    def gather(spectrum: np.ndarray) -> np.ndarray:
        plane = fft.irfft2(spectrum, s=shape)
        return np.roll(plane, (middle, middle), (0, 1))[:size, :size]

    def normal(kernel: np.ndarray) -> np.ndarray:
        blur = transfer_function(kernel, *shape)
        parts = [g.conj() * fft.rfft2(inside * fft.irfft2(g * blur, s=shape)) for g, _ in pairs]
        return penalty * kernel + gather(np.sum(parts, axis=0))

    wanted = gather(np.sum([g.conj() * fft.rfft2(target) for g, target in pairs], axis=0))
    kernel = earlier
    rest = wanted - normal(kernel)
    move, size_of_rest = rest, float(np.sum(rest**2))
    enough = 1e-6 * float(np.sum(wanted**2))
    for _ in range(_CONJUGATE_STEPS):
        if size_of_rest <= enough:
            break
        image = normal(move)
        step = size_of_rest / float(np.sum(move * image))
        kernel, rest = kernel + step * move, rest - step * image
        before, size_of_rest = size_of_rest, float(np.sum(rest**2))
        move = rest + size_of_rest / before * move
    return kernel


def _clean(kernel: np.ndarray) -> np.ndarray | None:
    """Drops faint values and small islands, and centres the kernel; None if nothing is left."""
    ndimage = _ndimage()
    if not kernel.max() > 0:
        return None
    kernel = np.where(kernel < _DARK * kernel.max(), 0, kernel)
    labels, count = ndimage.label(kernel, np.ones((3, 3)))
    sums = ndimage.sum_labels(kernel, labels, np.arange(count + 1))
    kernel = _normalize(np.where(sums[labels] < _ISLAND * kernel.sum(), 0, kernel))
    centre = ndimage.center_of_mass(kernel)
    shift = [len(kernel) // 2 - round(float(place)) for place in centre]
    return _normalize(ndimage.shift(kernel, shift, order=0))


def _ndimage() -> Any:
    """Returns the module, imported late; its stubs give types that NumPy's don't take."""
    from scipy import ndimage

    return ndimage


def _normalize(kernel: np.ndarray) -> np.ndarray:
    return kernel / kernel.sum()
