"""The layers of the generators, on unbatched maps ``[h, w, c]`` or volumes ``[d, h, w, c]``.

The convolution and norms of ``flax.linen`` are not used. Without a batch axis they treat the
height as the batch, and the original's convolutions have another initialisation and
reflection padding.
"""

import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from dip_jax.base import Array, Key
from dip_jax.generators.convolution import LAYOUT, convolve
from dip_jax.generators.doubling import Doubled, convolve_doubled, doubled_square
from dip_jax.generators.linear import extend, mean, spread
from dip_jax.generators.normal import Normal
from dip_jax.operators import lanczos_kernel

DOWNSAMPLINGS = ("stride", "average", "max", "lanczos2")
DTYPES = (None, "bfloat16")

Part = Array | Doubled | Normal
"""Some channels of a map. Several parts represent their concatenation without computing it."""


def uniform_fan_in(fan_in: int) -> Callable[..., Array]:
    """Makes PyTorch's default initialiser for convolutions, uniform in ±1/sqrt(``fan_in``).

    It initialises the kernel and, unlike in flax, also the bias. The same key gives the same
    values on the same kind of device.
    """
    bound = fan_in**-0.5

    def init(key: Key, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        # On a CPU, XLA takes seconds to compile each draw of threefry, JAX's default
        # generator, and a network has dozens. "rbg" is one instruction; its keys are 4 words.
        words = jnp.tile(jax.random.key_data(key), 2)[:4]
        key = jax.random.wrap_key_data(words, impl="rbg")
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class Conv(nn.Module):
    """A convolution ``[h, w, c_in] -> [h / stride, w / stride, width]``.

    Likewise of volumes, with a kernel of three axes more than channels.

    Several parts are convolved as their concatenation: each part with its channels of the
    kernel, and the results are added.

    Parameters: ``kernel`` ``[k, k, c_in, width]`` and, with ``use_bias``, ``bias``
    ``[width]``, both float32 and uniform in ±1/sqrt(k * k * c_in). ``dtype`` is that of the
    maps; None means that of the input.

    Set ``before_norm`` if a norm follows directly. The norm subtracts the mean of each channel,
    so a bias would have no effect. It is declared, as in the original network, but not added,
    and so not fitted.
    """

    width: int
    kernel_size: int = 3
    stride: int = 1
    padding: str = "reflect"
    use_bias: bool = True
    before_norm: bool = False
    dtype: str | None = None

    @nn.compact
    def __call__(self, *parts: Part) -> Array:
        """Convolves the concatenation of ``parts``."""
        slices = _channel_slices(parts)
        dims = _array_of(parts[0]).ndim - 1
        shape = (*(self.kernel_size,) * dims, slices[-1].stop, self.width)
        init = uniform_fan_in(math.prod(shape[:-1]))
        kernel = self.param("kernel", init, shape)
        terms = [
            self._convolve(part, kernel[..., channels, :])
            for part, channels in zip(parts, slices, strict=True)
        ]
        y = functools.reduce(operator.add, terms)
        if not self.use_bias:
            return y
        bias = self.param("bias", init, (self.width,))
        if self.before_norm:
            return y
        plane = _flatten(y)
        return (plane + spread(bias.astype(y.dtype), plane.shape[:2])).reshape(y.shape)

    def _convolve(self, part: Part, kernel: Array) -> Array:
        if isinstance(part, Normal):
            if self.kernel_size == self.stride == 1:
                return part.project(kernel[0, 0].astype(self.dtype or part.x.dtype))
            part = part.compute()
        if isinstance(part, Doubled):
            part = part._replace(x=self._cast(part.x))
            return convolve_doubled(part, kernel, padding=self.padding)
        return convolve(self._cast(part), kernel, stride=self.stride, padding=self.padding)

    def _cast(self, x: Array) -> Array:
        return x if self.dtype is None else x.astype(self.dtype)


class Deconv(nn.Module):
    """A transposed 4x4 convolution of stride 2, ``[h, w, c] -> [2h, 2w, width]``.

    ``kernel`` ``[4, 4, c, width]`` is correlated with the input after zeros are inserted
    between its pixels. It is PyTorch's kernel rotated by 180 degrees.
    """

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """``[h, w, c] -> [2h, 2w, width]``."""
        # PyTorch counts the *output* channels here, since it stores the kernel transposed.
        init = uniform_fan_in(4 * 4 * self.width)
        kernel = self.param("kernel", init, (4, 4, x.shape[-1], self.width))
        bias = self.param("bias", init, (self.width,))
        kernel = kernel.astype(x.dtype)
        y = lax.conv_transpose(x[None], kernel, (2, 2), "SAME", dimension_numbers=LAYOUT)
        return y[0] + spread(bias.astype(x.dtype), y.shape[1:3])


class Norm(nn.Module):
    """Normalises each channel of ``[h, w, c]`` to mean 0, variance 1, then scales and shifts it.

    This is the original's ``BatchNorm2d``. That always runs in training mode on a batch of one
    image, so it equals an instance norm without running statistics. ``affine=False`` leaves
    out ``scale`` and ``bias``. A map of one pixel becomes ``bias``. Sums over a bfloat16 map
    are in float32. ``activation`` is applied to the result; for a :class:`Doubled`, before the
    upsampling.

    Volumes are normalised likewise. Channels are independent: one part gives one result, several
    parts give as many.
    """

    affine: bool = True
    epsilon: float = 1e-5
    activation: str = "none"

    @nn.compact
    def __call__(self, *parts: Array | Doubled, pending: bool = False) -> Any:
        """Normalises each part: one part returns one result, several return a list.

        With ``pending``, each map returns a :class:`Normal`, for a :class:`Conv` to compute;
        a volume does not.
        """
        slices = _channel_slices(parts)
        scale = bias = None
        if self.affine:
            scale = self.param("scale", nn.initializers.ones, (slices[-1].stop,))
            bias = self.param("bias", nn.initializers.zeros, (slices[-1].stop,))
        normal = []
        for part, channels in zip(parts, slices, strict=True):
            result = self._normalize(
                part,
                1.0 if scale is None else scale[channels],
                0.0 if bias is None else bias[channels],
            )
            if isinstance(part, Doubled):
                normal.append(part._replace(x=result.compute()))
            elif pending and part.ndim == 3:
                normal.append(result)
            else:
                normal.append(result.compute().reshape(part.shape))
        return normal[0] if len(normal) == 1 else normal

    def _normalize(
        self, part: Array | Doubled, scale: Array | float, bias: Array | float
    ) -> Normal:
        x = _flatten(_array_of(part))
        high = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        # E[x^2] - E[x]^2 takes one pass over the data, but float32 loses all digits if the
        # mean is far from 0. Subtracting any one value of the channel first avoids that.
        shift = lax.stop_gradient(high[:1, :1])
        high = high - shift
        bilinear = isinstance(part, Doubled) and part.kind == "bilinear"
        center, square = mean(high), doubled_square(high) if bilinear else mean(high * high)
        # One multiplication and one addition, so that the gradient takes two sums and one pass.
        factor = scale * lax.rsqrt(jnp.maximum(square - center * center, 0.0) + self.epsilon)
        return Normal(x, shift, factor, bias - center * factor, self.activation)


def _channel_slices(parts: Sequence[Part]) -> list[slice]:
    """Returns the position of each part's channels in the concatenation."""
    slices, start = [], 0
    for part in parts:
        stop = start + _array_of(part).shape[-1]
        slices.append(slice(start, stop))
        start = stop
    return slices


def _array_of(part: Part) -> Array:
    return part.x if isinstance(part, tuple) else part


def _flatten(x: Array) -> Array:
    """Lays the planes of a volume below each other, for layers that see no neighbours."""
    return x if x.ndim == 3 else x.reshape(-1, *x.shape[-2:])


class LanczosDownsample(nn.Module):
    """Halves ``[h, w, c]`` by a learned 8x8 convolution that starts as a Lanczos-2 filter.

    As in the original, it is a full convolution ``[8, 8, c, c]`` with a bias, and it pads by
    repeating the border pixel. Weights between different channels are initially zero. A norm
    follows, so the bias is declared but not added, see :class:`Conv`.
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
        self.param("bias", nn.initializers.zeros, (channels,))
        kernel, x = kernel.astype(x.dtype), extend(x, 3, "edge")
        y = lax.conv_general_dilated(x[None], kernel, (2, 2), "VALID", dimension_numbers=LAYOUT)
        return y[0]


def pool(x: Array, kind: str) -> Array:
    """Halves ``[h, w, c]`` by the ``"average"`` or the ``"max"`` of 2x2 pixels.

    Of a volume ``[d, h, w, c]``, it halves all three sides.
    """
    *sides, channels = x.shape
    blocks = x.reshape(*(size for side in sides for size in (side // 2, 2)), channels)
    if kind == "average":
        return blocks.mean(axis=tuple(range(1, 2 * len(sides), 2)))
    # Not blocks.max: its gradient divides by the number of values equal to the maximum. That
    # number is 0 where XLA computes the block twice with different rounding.
    corners = [
        blocks[tuple(index for place in places for index in (slice(None), place))]
        for places in itertools.product((0, 1), repeat=len(sides))
    ]
    return functools.reduce(jnp.maximum, corners)
