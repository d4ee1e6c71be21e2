"""The layers that the generators are made of; images are unbatched ``[h, w, c]``.

``flax.linen`` has a convolution and norms of its own. They are not used, because on an
array without a batch axis they take the height for the batch, and because the original's
convolutions have another initialisation and reflection padding.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from dip_jax.base import Array, Key
from dip_jax.operators import lanczos_kernel

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "leaky_relu": partial(nn.leaky_relu, negative_slope=0.2),
    "elu": nn.elu,
    "swish": nn.swish,
    "relu": nn.relu,
    "none": lambda x: x,
}
PADDINGS = ("zero", "reflect")
DOWNSAMPLINGS = ("stride", "average", "max", "lanczos2")
UPSAMPLINGS = ("nearest", "bilinear")

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def uniform_fan_in(fan_in: int) -> Callable[..., Array]:
    """PyTorch's default initialiser of convolutions: uniform in ±1/sqrt(``fan_in``).

    It serves for the kernel and, other than in flax, for the bias too.
    """
    bound = fan_in**-0.5

    def init(key: Key, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
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


class Conv(nn.Module):
    """A convolution ``[h, w, c_in] -> [h / stride, w / stride, width]``.

    Parameters: ``kernel`` ``[k, k, c_in, width]`` and, with ``use_bias``, ``bias``
    ``[width]``, both drawn uniformly in ±1/sqrt(k * k * c_in).
    """

    width: int
    kernel_size: int = 3
    stride: int = 1
    padding: str = "reflect"
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.width)
        init = uniform_fan_in(shape[0] * shape[1] * shape[2])
        kernel = self.param("kernel", init, shape)
        y = convolve(x, kernel, stride=self.stride, padding=self.padding)
        if not self.use_bias:
            return y
        return y + self.param("bias", init, (self.width,))[None, None]


class Deconv(nn.Module):
    """A transposed 4x4 convolution of stride 2, ``[h, w, c] -> [2h, 2w, width]``.

    ``kernel`` ``[4, 4, c, width]`` is the correlation kernel on the input with zeros put
    between its pixels: PyTorch's kernel, rotated by 180 degrees.
    """

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
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
    """

    affine: bool = True
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Array) -> Array:
        # One pass over the data, as E[x^2] - E[x]^2, of which float32 loses all digits where
        # the mean is far from 0 (biases before a norm drift freely); not so after
        # subtraction of some value that the channel takes.
        x = x - lax.stop_gradient(x[:1, :1])
        mean = jnp.mean(x, axis=(0, 1), keepdims=True)
        variance = jnp.mean(x * x, axis=(0, 1), keepdims=True) - mean * mean
        gain = lax.rsqrt(variance + self.epsilon)
        if not self.affine:
            return (x - mean) * gain
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        return (x - mean) * (gain * scale[None, None]) + bias[None, None]


class LanczosDownsample(nn.Module):
    """Halves ``[h, w, c]`` by a learned 8x8 convolution that starts as a Lanczos-2 filter.

    As in the original it is a full convolution ``[8, 8, c, c]`` with a bias, zero between
    different channels at the start only, and it pads by repeating the border pixel.
    """

    @nn.compact
    def __call__(self, x: Array) -> Array:
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
        y = lax.conv_general_dilated(
            x[None], kernel, (2, 2), "VALID", dimension_numbers=_LAYOUT
        )
        return y[0] + bias[None, None]


def pool(x: Array, kind: str) -> Array:
    """Halves ``[h, w, c]`` by the ``"average"`` or the ``"max"`` of blocks of 2x2 pixels."""
    height, width, channels = x.shape
    blocks = x.reshape(height // 2, 2, width // 2, 2, channels)
    return blocks.max(axis=(1, 3)) if kind == "max" else blocks.mean(axis=(1, 3))


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
    shape = x.shape[:axis] + (2 * size,) + x.shape[axis + 1 :]
    return jnp.stack([even, odd], axis + 1).reshape(shape)


def check_choice(field: str, value: object, choices: Sequence[str]) -> None:
    """Raises a ValueError that names ``field`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{field}={value!r}: must be one of {allowed}")


def check_integer(field: str, value: object, *, least: int) -> None:
    """Raises a ValueError that names ``field`` unless ``value`` is an int >= ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{field}={value!r}: must be an integer of at least {least}")


def check_input(z: Array, stride: int) -> None:
    """Raises a ValueError unless ``z`` is ``[h, w, depth]``, h and w multiples of ``stride``."""
    if z.ndim != 3:
        raise ValueError(f"z has shape {z.shape}: must be [height, width, depth], no batch")
    height, width, _ = z.shape
    if min(height, width) < 1 or height % stride or width % stride:
        raise ValueError(
            f"z is {height}x{width} pixels: height and width must be multiples of {stride} "
            "for this generator; pad the image and crop the result"
        )
