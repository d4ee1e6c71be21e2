"""The convolutions of a network: their shapes, their operations, and each compiled alone."""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from dip_jax.generators.blocks import Conv
from dip_jax.generators.convolution import convolve
from dip_jax.generators.doubling import Doubled, convolve_doubled
from dip_jax.generators.normal import Normal
from experiments.speed.subject import jit

FOLDED = "3x3 after upsampling, folded"


class Layer(NamedTuple):
    """A convolution of one array or of its upsampling; equal layers cost the same."""

    shape: tuple[int, int, int]
    """Shape of the input; before upsampling, if that is folded in."""
    width: int
    kernel_size: int
    stride: int
    padding: str
    upsampling: str | None
    of_input: bool
    """Whether it convolves the network's input, whose gradient is not needed."""

    @property
    def kind(self) -> str:
        """The layer's row in the table."""
        if self.upsampling:
            return FOLDED
        size = f"{self.kernel_size}x{self.kernel_size}"
        return size if self.kernel_size == 1 else f"{size}, stride {self.stride}"

    @property
    def operations(self) -> int:
        """Additions and multiplications of the forward pass; each gradient takes as many."""
        height, width, channels = self.shape
        if self.upsampling:  # four fine pixels, each from 2x2 coarse ones
            taps, pixels = 2 * 2, 4 * height * width
        else:
            taps, pixels = self.kernel_size**2, (height // self.stride) * (width // self.stride)
        return 2 * taps * channels * self.width * pixels

    @property
    def operations_a_step(self) -> int:
        """Operations of the forward pass and of the gradients that a step needs."""
        return self.operations * (2 if self.of_input else 3)


def find_layers(generator: nn.Module, z: Any) -> list[Layer]:
    """Finds the generator's convolutions of ``z`` in order, without computing anything.

    >>> import dip_jax
    >>> net = dip_jax.Skip(widths=(8,), skip_widths=0)
    >>> [layer.kind for layer in find_layers(net, jax.numpy.zeros((4, 4, 2)))]
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


def draw_arguments(layer: Layer) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Draws arguments for :func:`compile_layer`: input, kernel, gradient of the result."""
    kernel = (layer.kernel_size, layer.kernel_size, layer.shape[2], layer.width)
    result = jax.eval_shape(
        functools.partial(_apply, layer), *map(_describe_array, (layer.shape, kernel))
    )
    keys = jax.random.split(jax.random.key(0, impl="rbg"), 3)
    shapes = (layer.shape, kernel, result.shape)
    return tuple(_draw_normal(key, shape) for key, shape in zip(keys, shapes, strict=True))


@functools.cache
def compile_layer(layer: Layer) -> Any:
    """Compiles ``(input, kernel, gradient of result) -> result and gradients``, as in a step."""

    def both(x: jax.Array, kernel: jax.Array, gradient: jax.Array) -> Any:
        if layer.of_input:
            y, back = jax.vjp(lambda kernel: _apply(layer, x, kernel), kernel)
        else:
            y, back = jax.vjp(functools.partial(_apply, layer), x, kernel)
        return y, back(gradient)

    return jit(both)


def _apply(layer: Layer, x: jax.Array, kernel: jax.Array) -> jax.Array:
    if layer.upsampling:
        return convolve_doubled(Doubled(x, layer.upsampling), kernel, padding=layer.padding)
    return convolve(x, kernel, stride=layer.stride, padding=layer.padding)


def _describe_array(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jax.numpy.float32)


@functools.partial(jax.jit, static_argnums=1)
def _draw_normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.normal(key, shape)
