"""The convolutions of a network: their shapes, operations, and each alone, compiled."""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from benchmarks.subject import jit
from dip_jax.generators.blocks import Conv
from dip_jax.generators.convolution import convolve
from dip_jax.generators.doubling import Doubled, convolve_doubled
from dip_jax.generators.normal import Normal

FOLDED = "3x3 after upsampling, folded"


class Layer(NamedTuple):
    """One convolution of one array, or of one array's upsampling; equal ones cost the same."""

    shape: tuple[int, int, int]
    """Of what is convolved; before upsampling, where that is folded in."""
    width: int
    kernel_size: int
    stride: int
    padding: str
    upsampling: str | None
    of_input: bool
    """Whether it convolves the network's input, whose gradient nobody needs."""

    @property
    def kind(self) -> str:
        """The row of the table that it belongs to."""
        if self.upsampling:
            return FOLDED
        size = f"{self.kernel_size}x{self.kernel_size}"
        return size if self.kernel_size == 1 else f"{size}, stride {self.stride}"

    @property
    def operations(self) -> int:
        """Additions and multiplications forward; both gradients take as many each."""
        height, width, channels = self.shape
        if self.upsampling:  # four fine pixels, each of 2x2 coarse ones
            taps, pixels = 2 * 2, 4 * height * width
        else:
            taps, pixels = self.kernel_size**2, (height // self.stride) * (width // self.stride)
        return 2 * taps * channels * self.width * pixels

    @property
    def operations_a_step(self) -> int:
        """Forward, for the kernel's gradient and, where it is needed, the input's."""
        return self.operations * (2 if self.of_input else 3)


def layers_of(generator: nn.Module, z: Any) -> list[Layer]:
    """The convolutions that the generator makes of ``z``, in order; nothing is computed.

    >>> import dip_jax
    >>> net = dip_jax.Skip(widths=(8,), skip_widths=0)
    >>> [layer.kind for layer in layers_of(net, jax.numpy.zeros((4, 4, 2)))]
    ['3x3, stride 2', '3x3, stride 1', '3x3 after upsampling, folded', '1x1', '1x1']
    """
    found = []

    def watch(call: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        conv = context.module
        if isinstance(conv, Conv) and context.method_name == "__call__":
            for part in args:
                doubled = isinstance(part, Doubled)
                found.append(
                    Layer(
                        shape=(part.x if isinstance(part, Doubled | Normal) else part).shape,
                        width=conv.width,
                        kernel_size=conv.kernel_size,
                        stride=conv.stride,
                        padding=conv.padding,
                        upsampling=part.kind if doubled else None,
                        of_input=part is seen[0],
                    )
                )
        return call(*args, **kwargs)

    seen = []

    def trace(z: jax.Array) -> Any:
        seen.append(z)
        with nn.intercept_methods(watch):
            return generator.init(jax.random.key(0), z)

    jax.eval_shape(trace, z)
    return found


def arguments_of(layer: Layer) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Random values to call :func:`compiled` with: input, kernel, gradient of the result."""
    kernel = (layer.kernel_size, layer.kernel_size, layer.shape[2], layer.width)
    result = jax.eval_shape(functools.partial(_forward, layer), *map(_empty, (layer.shape, kernel)))
    keys = jax.random.split(jax.random.key(0, impl="rbg"), 3)
    shapes = (layer.shape, kernel, result.shape)
    return tuple(_normal(key, shape) for key, shape in zip(keys, shapes, strict=True))


@functools.cache
def compiled(layer: Layer) -> Any:
    """``(input, kernel, gradient of the result) -> result and gradients``, as in a step."""

    def both(x: jax.Array, kernel: jax.Array, gradient: jax.Array) -> Any:
        if layer.of_input:
            y, back = jax.vjp(lambda kernel: _forward(layer, x, kernel), kernel)
        else:
            y, back = jax.vjp(functools.partial(_forward, layer), x, kernel)
        return y, back(gradient)

    return jit(both)


def _forward(layer: Layer, x: jax.Array, kernel: jax.Array) -> jax.Array:
    if layer.upsampling:
        return convolve_doubled(Doubled(x, layer.upsampling), kernel, padding=layer.padding)
    return convolve(x, kernel, stride=layer.stride, padding=layer.padding)


def _empty(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jax.numpy.float32)


@functools.partial(jax.jit, static_argnums=1)
def _normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.normal(key, shape)
