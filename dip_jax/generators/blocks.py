"""The layers that the generators are made of; images are unbatched ``[h, w, c]``.

``flax.linen`` has a convolution and norms of its own. They are not used, because on an
array without a batch axis they take the height for the batch, and because the original's
convolutions have another initialisation and reflection padding.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from dip_jax.base import Array, Key
from dip_jax.generators.linear import add_border, extend, smooth, spread, total
from dip_jax.operators import lanczos_kernel

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "leaky_relu": functools.partial(nn.leaky_relu, negative_slope=0.2),
    "elu": nn.elu,
    "swish": nn.swish,
    "relu": nn.relu,
    "none": lambda x: x,
}
PADDINGS = ("zero", "reflect", "edge")
DOWNSAMPLINGS = ("stride", "average", "max", "lanczos2")
UPSAMPLINGS = ("nearest", "bilinear")
DTYPES = (None, "bfloat16")

_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Doubled(NamedTuple):
    """Stands for the upsampling of ``x [h, w, c]`` to ``[2h, 2w, c]``.

    It is never made: a norm of it needs ``x`` alone, and a 3x3 convolution of it comes down
    to one of ``x`` with fewer products, see :func:`convolve_doubled`.
    """

    x: Array
    kind: str
    """``"nearest"`` or ``"bilinear"``, see :func:`upsample`."""


Part = Array | Doubled
"""Some channels of a map; several parts stand for their concatenation, never made either."""


def uniform_fan_in(fan_in: int) -> Callable[..., Array]:
    """PyTorch's default initialiser of convolutions: uniform in ±1/sqrt(``fan_in``).

    It serves for the kernel and, other than in flax, for the bias too. The same key gives
    the same values on the same kind of device.
    """
    bound = fan_in**-0.5

    def init(key: Key, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        # JAX's default generator, threefry, takes XLA seconds to compile on a CPU for each
        # draw, and a network has dozens; "rbg" is one instruction. Its keys are four words.
        words = jnp.tile(jax.random.key_data(key), 2)[:4]
        key = jax.random.wrap_key_data(words, impl="rbg")
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def convolve(x: Array, kernel: Array, *, stride: int = 1, padding: str = "zero") -> Array:
    """Convolves ``[h, w, c_in]`` with an odd ``[k, k, c_in, c_out]``.

    ``padding`` keeps the size at stride 1 and halves an even size at stride 2.
    ``"edge"`` repeats the border pixel, ``"reflect"`` mirrors about it. A map smaller than
    the padding is mirrored repeatedly, and a map of one pixel repeats it (``jnp.pad``
    follows NumPy here), so that the coarsest scale may be one pixel wide.
    """
    kernel = kernel.astype(x.dtype)
    if kernel.shape[:2] == (1, 1) and stride == 1:
        # On a CPU, XLA's convolution would transpose the whole map for the gradient.
        return (x.reshape(-1, x.shape[2]) @ kernel[0, 0]).reshape(*x.shape[:2], -1)
    size = kernel.shape[0]
    height, width, channels = x.shape
    x = _padded(x, size // 2, padding)
    if stride == 1 and size * size * channels <= kernel.shape[3]:
        # Of few channels a convolution computes little and is slow; as a matrix product of
        # all windows it takes two thirds of the time on a CPU, and half on a GPU.
        corners = [(i, j) for i in range(size) for j in range(size)]
        windows = jnp.concatenate([x[i : i + height, j : j + width] for i, j in corners], axis=2)
        return windows @ kernel.reshape(-1, kernel.shape[3])
    return lax.conv_general_dilated(
        x[None], kernel, (stride, stride), "VALID", dimension_numbers=_LAYOUT
    )[0]


def _padded(x: Array, border: int, padding: str) -> Array:
    if border == 0:
        return x
    if padding == "zero":
        # Not by the convolution itself: on a CPU its gradient is then slow, with an even
        # kernel forty times as slow.
        return jnp.pad(x, ((border, border), (border, border), (0, 0)))
    return extend(x, border, padding)


# Of a 3-tap kernel on a map of doubled pixels: which taps i fall on coarse pixel t of two
# neighbours, for the fine pixel before (0) and the one behind (1) the seam: [phase, t, i].
_TAPS_OF_PHASE = (((1, 1, 0), (0, 0, 1)), ((1, 0, 0), (0, 1, 1)))
# Bilinear upsampling is nearest upsampling, then this filter along each axis.
_BILINEAR = (1 / 4, 1 / 2, 1 / 4)
# Bilinear upsampling, then its transpose, over 2: along one axis, at the coarse scale.
_BILINEAR_TWICE = (3 / 16, 5 / 8, 3 / 16)


def convolve_doubled(part: Doubled, kernel: Array, *, padding: str) -> Array:
    """``convolve`` of the upsampling of ``part.x`` by a 3x3 kernel, at the coarse scale.

    Nearest: the four fine pixels around a corner of coarse pixels see the same 2x2 of these,
    so that each is a 2x2 convolution of ``x``, whose taps are sums of the kernel's: 16
    products instead of 36. Mirroring the fine map about its border pixel is repeating the
    coarse border pixel. Bilinear: the filter that makes it from nearest may as well follow
    the convolution, save at the border. Both are equal to the plain form up to rounding.
    """
    x, kind = part
    height, width, channels = x.shape
    features = kernel.shape[-1]
    kernel = kernel.astype(jnp.promote_types(kernel.dtype, x.dtype))
    taps = jnp.array(_TAPS_OF_PHASE, kernel.dtype)
    # One convolution for all phases: an accelerator prefers it, a CPU does not mind.
    phases = jnp.einsum("ati,bsj,ijcf->tscabf", taps, taps, kernel, precision=lax.Precision.HIGHEST)
    phases, kernel = phases.astype(x.dtype), kernel.astype(x.dtype)
    zero = (kind, padding) == ("nearest", "zero")
    y = lax.conv_general_dilated(
        _padded(x, 1, "zero" if zero else "edge")[None],
        phases.reshape(2, 2, channels, 4 * features),
        (1, 1),
        "VALID",
        dimension_numbers=_LAYOUT,
    )[0].reshape(height + 1, width + 1, 2, 2, features)
    # The fine map with one more pixel on each side.
    y = y.transpose(0, 2, 1, 3, 4).reshape(2 * height + 2, 2 * width + 2, features)
    if kind == "nearest":
        return y[1:-1, 1:-1]
    y = smooth(y, _BILINEAR)
    if padding == "edge":
        return y
    return add_border(y, *lax.optimization_barrier(_border_terms(x, kernel, padding)))


def _border_terms(x: Array, kernel: Array, padding: str) -> tuple[Array, Array]:
    """What ``padding`` of the upsampled map adds to its outermost pixels, against ``"edge"``.

    Rows ``[2, 2 w, features]`` and columns ``[2 h, 2, features]``. A convolution of the ring
    around the map, in which the two ways to pad differ: of its rows, corners included, by the
    kernel's first and last row, and of its columns likewise.
    """
    terms = []
    for axis in (0, 1):
        last = x.shape[axis] - 1
        outer, inner = (
            # Here and there, as a GPU's compiler would else do all this at each pixel of a map.
            lax.optimization_barrier(_lines(x, indices, axis))
            for indices in ((0, last), (min(1, last), max(0, last - 1)))
        )
        first = _double_bilinear(outer, 1)
        second = _double_bilinear(0.75 * outer + 0.25 * inner, 1)
        beyond = jnp.zeros_like(second) if padding == "zero" else second
        sides = ((0, 0), (1, 1), (0, 0))
        if axis == 0:
            mode = "constant" if padding == "zero" else padding
            ring = jnp.pad(beyond, sides, mode=mode) - jnp.pad(first, sides, mode="edge")
        else:
            ring = jnp.pad(beyond - first, sides)
        windows = jnp.concatenate([ring[:, i : i + first.shape[1]] for i in range(3)], axis=2)
        taps = _lines(kernel, (0, 2), axis).reshape(2, -1, kernel.shape[-1])
        terms.append(jnp.swapaxes(windows @ taps, 0, axis))
    return terms[0], terms[1]


def _lines(x: Array, indices: tuple[int, ...], axis: int) -> Array:
    """Rows (``axis`` 0) or columns (1) of ``x``, as the first axis."""
    lines = [lax.slice_in_dim(x, i, i + 1, axis=axis) for i in indices]
    return jnp.swapaxes(jnp.concatenate(lines, axis), 0, axis)


class Conv(nn.Module):
    """A convolution ``[h, w, c_in] -> [h / stride, w / stride, width]``.

    Several parts are convolved as their concatenation: each with its rows of the kernel,
    and the results added.

    Parameters: ``kernel`` ``[k, k, c_in, width]`` and, with ``use_bias``, ``bias``
    ``[width]``, both drawn uniformly in ±1/sqrt(k * k * c_in), and float32; ``dtype`` is
    that of the maps, None for the input's.
    """

    width: int
    kernel_size: int = 3
    stride: int = 1
    padding: str = "reflect"
    use_bias: bool = True
    dtype: str | None = None

    @nn.compact
    def __call__(self, *parts: Part) -> Array:
        """Convolves the concatenation of ``parts``."""
        slices = _channel_slices(parts)
        shape = (self.kernel_size, self.kernel_size, slices[-1].stop, self.width)
        init = uniform_fan_in(shape[0] * shape[1] * shape[2])
        kernel = self.param("kernel", init, shape)
        terms = [
            self._convolve(part, kernel[:, :, channels])
            for part, channels in zip(parts, slices, strict=True)
        ]
        y = functools.reduce(operator.add, terms)
        if not self.use_bias:
            return y
        bias = self.param("bias", init, (self.width,))
        return y + spread(bias.astype(y.dtype), y.shape[:2])

    def _convolve(self, part: Part, kernel: Array) -> Array:
        if isinstance(part, Doubled):
            part = part._replace(x=self._cast(part.x))
            return convolve_doubled(part, kernel, padding=self.padding)
        return convolve(self._cast(part), kernel, stride=self.stride, padding=self.padding)

    def _cast(self, x: Array) -> Array:
        return x if self.dtype is None else x.astype(self.dtype)


class Deconv(nn.Module):
    """A transposed 4x4 convolution of stride 2, ``[h, w, c] -> [2h, 2w, width]``.

    ``kernel`` ``[4, 4, c, width]`` is the correlation kernel on the input with zeros put
    between its pixels: PyTorch's kernel, rotated by 180 degrees.
    """

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """``[h, w, c] -> [2h, 2w, width]``."""
        # PyTorch counts the *output* channels here, as its kernel is stored the other way.
        init = uniform_fan_in(4 * 4 * self.width)
        kernel = self.param("kernel", init, (4, 4, x.shape[-1], self.width))
        bias = self.param("bias", init, (self.width,))
        kernel = kernel.astype(x.dtype)
        y = lax.conv_transpose(x[None], kernel, (2, 2), "SAME", dimension_numbers=_LAYOUT)
        return y[0] + spread(bias.astype(x.dtype), y.shape[1:3])


class Norm(nn.Module):
    """Each channel of ``[h, w, c]`` to mean 0 and variance 1, then scaled and shifted.

    This is the original's ``BatchNorm2d``, which always runs in training mode on a batch of
    one image and hence equals an instance norm; there are no running statistics.
    ``affine=False`` leaves out ``scale`` and ``bias``. A map of one pixel becomes ``bias``.
    Sums of a bfloat16 map are of float32.

    One array gives one array; several parts give as many, each channel being alone anyway.
    """

    affine: bool = True
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, *parts: Part) -> Any:
        """Normalises each part: one gives one, several give a list."""
        slices = _channel_slices(parts)
        scale = bias = None
        if self.affine:
            scale = self.param("scale", nn.initializers.ones, (slices[-1].stop,))
            bias = self.param("bias", nn.initializers.zeros, (slices[-1].stop,))
        normal = []
        for part, channels in zip(parts, slices, strict=True):
            x = self._normalize(
                part,
                1.0 if scale is None else scale[channels],
                0.0 if bias is None else bias[channels],
            )
            normal.append(part._replace(x=x) if isinstance(part, Doubled) else x)
        return normal[0] if len(normal) == 1 else normal

    def _normalize(self, part: Part, scale: Array | float, bias: Array | float) -> Array:
        x = part.x if isinstance(part, Doubled) else part
        dtype = x.dtype
        x = x.astype(jnp.promote_types(dtype, jnp.float32))
        # One pass over the data, as E[x^2] - E[x]^2, of which float32 loses all digits if
        # the mean is far from 0 (biases before a norm drift freely); not so after
        # subtraction of some value that the channel takes.
        x = x - lax.stop_gradient(x[:1, :1])
        bilinear = isinstance(part, Doubled) and part.kind == "bilinear"
        mean, square = _mean(x), _doubled_square(x) if bilinear else _mean(x * x)
        # As one multiplication and addition: the gradient too is then two sums and one pass.
        factor = scale * lax.rsqrt(jnp.maximum(square - mean * mean, 0.0) + self.epsilon)
        y = x * spread(factor, x.shape[:2]) + spread(bias - mean * factor, x.shape[:2])
        return y.astype(dtype)


@jax.custom_jvp
def _doubled_square(x: Array) -> Array:
    """The mean square of each channel of the bilinear upsampling of ``x``."""
    return _mean(x * _doubled_twice(x))


@_doubled_square.defjvp
def _doubled_square_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # The quadratic form is symmetric, so that one filter serves for value and gradient.
    (x,), (tangent,) = primals, tangents
    both = _doubled_twice(x)
    return _mean(x * both), 2 * _mean(both * tangent)


def _doubled_twice(x: Array) -> Array:
    """Upsampling and its transpose, which repeats the border as upsampling does."""
    return smooth(extend(x, 1, "edge"), _BILINEAR_TWICE)


def _mean(x: Array) -> Array:
    """Of each channel, ``[h, w, c] -> [c]``."""
    return total(x) / (x.shape[0] * x.shape[1])


def _channel_slices(parts: Sequence[Part]) -> list[slice]:
    """Where each part's channels lie in the concatenation."""
    slices, start = [], 0
    for part in parts:
        stop = start + (part.x if isinstance(part, Doubled) else part).shape[-1]
        slices.append(slice(start, stop))
        start = stop
    return slices


class LanczosDownsample(nn.Module):
    """Halves ``[h, w, c]`` by a learned 8x8 convolution that starts as a Lanczos-2 filter.

    As in the original it is a full convolution ``[8, 8, c, c]`` with a bias, zero between
    different channels at the start only, and it pads by repeating the border pixel.
    """

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """``[h, w, c] -> [h / 2, w / 2, c]``."""
        channels = x.shape[-1]

        def init(key: Key, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
            del key, shape
            taps = lanczos_kernel(2, support=2, phase=0.5)
            return jnp.asarray(
                taps[:, :, None, None] * jnp.eye(channels, dtype=dtype)[None, None], dtype
            )

        kernel = self.param("kernel", init, (8, 8, channels, channels))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        kernel, bias = kernel.astype(x.dtype), bias.astype(x.dtype)
        x = extend(x, 3, "edge")
        y = lax.conv_general_dilated(x[None], kernel, (2, 2), "VALID", dimension_numbers=_LAYOUT)
        return y[0] + bias[None, None]


def pool(x: Array, kind: str) -> Array:
    """Halves ``[h, w, c]`` by the ``"average"`` or the ``"max"`` of 2x2 pixels."""
    height, width, channels = x.shape
    blocks = x.reshape(height // 2, 2, width // 2, 2, channels)
    if kind == "average":
        return blocks.mean(axis=(1, 3))
    # Not blocks.max: its gradient divides by how many values equal the maximum, and these
    # are none where XLA has computed the block twice with different rounding.
    corners = [blocks[:, a, :, b] for a in (0, 1) for b in (0, 1)]
    return functools.reduce(jnp.maximum, corners)


def upsample(x: Array, kind: str) -> Array:
    """Doubles ``[h, w, c]``: ``"nearest"`` repeats pixels, ``"bilinear"`` interpolates.

    Bilinear is PyTorch's with ``align_corners=False``: half-pixel centres, hence weights of
    1/4 and 3/4, and the border repeated. Slices are faster than ``jax.image.resize``.
    """
    for axis in (0, 1):
        x = jnp.repeat(x, 2, axis) if kind == "nearest" else _double_bilinear(x, axis)
    return x


def _double_bilinear(x: Array, axis: int) -> Array:
    size = x.shape[axis]
    first = lax.slice_in_dim(x, 0, 1, axis=axis)
    last = lax.slice_in_dim(x, size - 1, size, axis=axis)
    before = jnp.concatenate([first, lax.slice_in_dim(x, 0, size - 1, axis=axis)], axis)
    after = jnp.concatenate([lax.slice_in_dim(x, 1, size, axis=axis), last], axis)
    even, odd = 0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after
    shape = (*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
    return jnp.stack([even, odd], axis + 1).reshape(shape)
