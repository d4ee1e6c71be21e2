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
from dip_jax.operators import lanczos_kernel

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "leaky_relu": functools.partial(nn.leaky_relu, negative_slope=0.2),
    "elu": nn.elu,
    "swish": nn.swish,
    "relu": nn.relu,
    "none": lambda x: x,
}
PADDINGS = ("zero", "reflect")
DOWNSAMPLINGS = ("stride", "average", "max", "lanczos2")
UPSAMPLINGS = ("nearest", "bilinear")

_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Doubled(NamedTuple):
    """Stands for the nearest upsampling of ``x [h, w, c]`` to ``[2h, 2w, c]``.

    It is never made: a norm of it is the norm of ``x``, and a 3x3 convolution of it comes
    down to one of ``x`` with fewer products, see :func:`convolve_doubled`.
    """

    x: Array


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
    ``"reflect"`` mirrors about the border pixel. A map smaller than the padding is mirrored
    repeatedly, and a map of one pixel repeats it (``jnp.pad`` follows NumPy here), so that
    the coarsest scale may be one pixel wide.
    """
    border = kernel.shape[0] // 2
    if padding == "reflect" and border > 0:
        x = jnp.pad(x, ((border, border), (border, border), (0, 0)), mode="reflect")
        border = 0
    return lax.conv_general_dilated(
        x[None],
        kernel,
        window_strides=(stride, stride),
        # Not "SAME": at stride 2 it pads one side more than the other.
        padding=[(border, border)] * 2,
        dimension_numbers=_LAYOUT,
    )[0]


# What taps i of a 3-tap kernel reach pixel t of a coarse pair, for fine pixels of phase a:
# [a, t, i]. The even fine pixel sees two of its three neighbours in one coarse pixel.
_TAPS_OF_PHASE = (((1, 0, 0), (0, 1, 1)), ((1, 1, 0), (0, 0, 1)))


def convolve_doubled(x: Array, kernel: Array, *, padding: str) -> Array:
    """``convolve`` of the nearest upsampling of ``x`` by a 3x3 kernel, at the coarse scale.

    Each of the four phases of the result is a 2x2 convolution of ``x [h, w, c_in]``, whose
    taps are sums of the kernel's: 16 products instead of 36, equal up to rounding. Mirroring
    the fine map about its border pixel is repeating the coarse border pixel.
    """
    height, width, channels = x.shape
    features = kernel.shape[-1]
    taps = jnp.array(_TAPS_OF_PHASE, x.dtype)
    # One convolution for all phases: an accelerator prefers it, a CPU does not mind.
    phases = jnp.einsum("ati,bsj,ijcf->tscabf", taps, taps, kernel, precision=lax.Precision.HIGHEST)
    mode = "edge" if padding == "reflect" else "constant"
    y = lax.conv_general_dilated(
        jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode=mode)[None],
        phases.reshape(2, 2, channels, 4 * features),
        window_strides=(1, 1),
        padding="VALID",
        dimension_numbers=_LAYOUT,
    )[0].reshape(height + 1, width + 1, 2, 2, features)
    rows = [
        jnp.stack([y[a : a + height, b : b + width, a, b] for b in (0, 1)], axis=2) for a in (0, 1)
    ]
    return jnp.stack(rows, axis=1).reshape(2 * height, 2 * width, features)


class Conv(nn.Module):
    """A convolution ``[h, w, c_in] -> [h / stride, w / stride, width]``.

    Several parts are convolved as their concatenation: each with its rows of the kernel,
    and the results added.

    Parameters: ``kernel`` ``[k, k, c_in, width]`` and, with ``use_bias``, ``bias``
    ``[width]``, both drawn uniformly in ±1/sqrt(k * k * c_in).
    """

    width: int
    kernel_size: int = 3
    stride: int = 1
    padding: str = "reflect"
    use_bias: bool = True

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
        return y + self.param("bias", init, (self.width,))[None, None]

    def _convolve(self, part: Part, kernel: Array) -> Array:
        if isinstance(part, Doubled):
            return convolve_doubled(part.x, kernel, padding=self.padding)
        return convolve(part, kernel, stride=self.stride, padding=self.padding)


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
        y = lax.conv_transpose(x[None], kernel, (2, 2), "SAME", dimension_numbers=_LAYOUT)
        return y[0] + bias[None, None]


class Norm(nn.Module):
    """Each channel of ``[h, w, c]`` to mean 0 and variance 1, then scaled and shifted.

    This is the original's ``BatchNorm2d``, which always runs in training mode on a batch of
    one image and hence equals an instance norm; there are no running statistics.
    ``affine=False`` leaves out ``scale`` and ``bias``. A map of one pixel becomes ``bias``.

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
            doubled = isinstance(part, Doubled)
            x = self._standardize(part.x if doubled else part)
            if scale is not None and bias is not None:
                x = x * scale[None, None, channels] + bias[None, None, channels]
            normal.append(Doubled(x) if doubled else x)
        return normal[0] if len(normal) == 1 else normal

    def _standardize(self, x: Array) -> Array:
        # One pass over the data, as E[x^2] - E[x]^2, of which float32 loses all digits if
        # the mean is far from 0 (biases before a norm drift freely); not so after
        # subtraction of some value that the channel takes.
        x = x - lax.stop_gradient(x[:1, :1])
        mean = jnp.mean(x, axis=(0, 1), keepdims=True)
        square = jnp.mean(x * x, axis=(0, 1), keepdims=True)
        variance = jnp.maximum(square - mean * mean, 0.0)
        return (x - mean) * lax.rsqrt(variance + self.epsilon)


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
        x = jnp.pad(x, ((3, 3), (3, 3), (0, 0)), mode="edge")
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
