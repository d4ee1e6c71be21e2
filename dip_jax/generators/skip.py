"""The hourglass network with skip connections, used for nearly all of the paper's results."""

from typing import Any

import flax.linen as nn

from dip_jax.base import Array, Image
from dip_jax.generators.blocks import (
    DOWNSAMPLINGS,
    DTYPES,
    Conv,
    LanczosDownsample,
    Norm,
    pool,
)
from dip_jax.generators.checks import check_choice, check_input, check_integer, check_kernel
from dip_jax.generators.convolution import PADDINGS
from dip_jax.generators.doubling import UPSAMPLINGS, Doubled, upsample
from dip_jax.generators.normal import ACTIVATIONS, Normal


class Level(nn.Module, kw_only=True):
    """One scale of :class:`Skip`: its encoder, skip connection and decoder.

    The fields are those of :class:`Skip` at this scale. The methods are ``down``, ``skip`` and
    ``up``; all coarser levels run between ``down`` and ``up``.
    """

    width: int
    width_up: int
    skip_width: int
    kernel_down: int
    kernel_up: int
    kernel_skip: int
    padding: str
    upsampling: str
    downsampling: str
    activation: str
    conv1x1_up: bool
    bias: bool
    dtype: str | None

    def setup(self) -> None:
        """Declares the layers, in the order of the data flow."""
        if self.skip_width:
            self.skip_conv = self._conv(self.skip_width, self.kernel_skip)
            self.skip_norm = self._norm()
        stride = 2 if self.downsampling == "stride" else 1
        self.down_conv = self._conv(self.width, self.kernel_down, stride)
        if self.downsampling == "lanczos2":
            self.down_lanczos = LanczosDownsample()
        self.down_norm = self._norm()
        self.deep_conv = self._conv(self.width, self.kernel_down)
        self.deep_norm = self._norm()
        self.merge_norm = Norm()
        self.up_conv = self._conv(self.width_up, self.kernel_up)
        self.up_norm = self._norm()
        if self.conv1x1_up:
            self.mix_conv = self._conv(self.width_up, 1)
            self.mix_norm = self._norm()

    def skip(self, x: Array) -> Array | None:
        """Computes the channels that bypass coarser levels, ``[h, w, c] -> [h, w, skip]``."""
        if not self.skip_width:
            return None
        return self.skip_norm(self.skip_conv(x))

    def down(self, x: Array) -> Array:
        """``[h, w, c] -> [h / 2, w / 2, width]``."""
        x = self.down_norm(self._downsample(self.down_conv(x)))
        return self.deep_norm(self.deep_conv(x))

    def up(self, x: Array | Normal, skip: Array | None) -> Normal:
        """``[h / 2, w / 2, c]`` and ``[h, w, skip]`` to ``[h, w, width_up]``."""
        x = x.compute() if isinstance(x, Normal) else x
        normal = self.up_norm(self.merge(x, skip), pending=True)
        if self.conv1x1_up:
            normal = self.mix_norm(self.mix_conv(normal), pending=True)
        return normal

    def merge(self, x: Array, skip: Array | None) -> Array:
        """Upsamples, prepends the skip channels, normalises and convolves.

        This is the most expensive part of the network. Nothing is concatenated, and the
        upsampling is folded into the convolution.
        """
        fold = self.kernel_up == 3 and x.ndim == 3  # not of volumes
        parts = [Doubled(x, self.upsampling) if fold else upsample(x, self.upsampling)]
        if skip is not None:
            parts.insert(0, skip)
        normal = self.merge_norm(*parts)
        return self.up_conv(*normal) if len(parts) > 1 else self.up_conv(normal)

    def _downsample(self, x: Array) -> Array:
        if self.downsampling == "stride":
            return x  # down_conv has stride 2
        if self.downsampling == "lanczos2":
            return self.down_lanczos(x)
        return pool(x, self.downsampling)

    def _conv(self, width: int, kernel_size: int, stride: int = 1) -> Conv:
        return Conv(
            width,
            kernel_size,
            stride,
            self.padding,
            use_bias=self.bias,
            before_norm=True,
            dtype=self.dtype,
        )

    def _norm(self) -> Norm:
        return Norm(activation=self.activation)


class Skip(nn.Module, kw_only=True):
    """The encoder-decoder with skip connections, ``[h, w, depth] -> [h, w, channels]``.

    Height and width of the input must be multiples of :attr:`stride`, two to the number of
    scales. The output lies in (0, 1), or is unbounded with ``sigmoid=False``.

    A field marked *per scale* takes one value for all scales, or a tuple with one value for
    each. Such tuples, like ``widths`` and ``widths_up``, run from the finest scale to the
    coarsest. Parameters are named ``level<scale>/<layer>/<kernel | bias | scale>``, with scale
    0 the finest, and ``out_conv``.

    Fields:
        channels: channels of the output.
        widths: channels of the encoder, a tuple with one value per scale.
        widths_up: channels of the decoder; None means those of ``widths``.
        skip_widths: per scale; channels of the skip connection, 0 for none.
        kernel_down: per scale; size of the encoder's kernels, odd.
        kernel_up: per scale; size of the decoder's kernels, odd.
        kernel_skip: size of the skip connections' kernels, odd.
        padding: ``"zero"``, ``"reflect"`` or ``"edge"``.
        upsampling: per scale; ``"nearest"`` or ``"bilinear"``.
        downsampling: per scale; ``"stride"``, ``"average"``, ``"max"`` or ``"lanczos2"``
            (a learned filter).
        activation: ``"leaky_relu"`` (slope 0.2), ``"elu"``, ``"swish"``, ``"relu"`` or
            ``"none"``.
        conv1x1_up: whether a 1x1 convolution follows each convolution of the decoder.
        sigmoid: whether a sigmoid is applied to the output.
        bias: whether convolutions have biases. Those before a norm, where a bias has no
            effect, are declared but not added.
        dtype: type of the maps between the layers: None for that of the input, or
            ``"bfloat16"``, which takes half the memory and is faster on accelerators.
            Parameters and the sums of norms stay float32; the last convolution and the output
            have the type of the input.
        dims: 2 for pictures, 3 for volumes, ``[d, h, w, depth] -> [d, h, w, channels]``.
            Those have no ``"lanczos2"``, and "bilinear" is along all three axes.

    Raises:
        ValueError: on construction, for an invalid field; on the call, for an input of the
            wrong rank or size.

    Source: Ulyanov et al., Deep Image Prior (arXiv:1711.10925), supplementary material;
    ``models/skip.py`` of DmitryUlyanov/deep-image-prior.

    >>> import jax
    >>> generator = Skip(widths=(8, 8), skip_widths=(0, 4), upsampling="nearest")
    >>> z = jax.numpy.zeros((16, 24, 2))
    >>> params = generator.init(jax.random.key(0), z)
    >>> generator.apply(params, z).shape
    (16, 24, 3)
    """

    channels: int = 3
    widths: tuple[int, ...] = (128,) * 5
    widths_up: tuple[int, ...] | None = None
    skip_widths: int | tuple[int, ...] = 4
    kernel_down: int | tuple[int, ...] = 3
    kernel_up: int | tuple[int, ...] = 3
    kernel_skip: int = 1
    padding: str = "reflect"
    upsampling: str | tuple[str, ...] = "bilinear"
    downsampling: str | tuple[str, ...] = "stride"
    activation: str = "leaky_relu"
    conv1x1_up: bool = True
    sigmoid: bool = True
    bias: bool = True
    dtype: str | None = None
    dims: int = 2

    def __post_init__(self) -> None:
        """Checks the fields."""
        if not isinstance(self.widths, tuple) or not self.widths:
            raise ValueError(f"widths={self.widths!r}: must be a tuple with an int per scale")
        check_choice("dims", self.dims, (2, 3))
        check_integer("channels", self.channels, least=1)
        check_choice("padding", self.padding, PADDINGS)
        check_choice("activation", self.activation, tuple(ACTIVATIONS))
        check_choice("dtype", self.dtype, DTYPES)
        check_kernel("kernel_skip", self.kernel_skip)
        for field in ("widths", "widths_up"):
            for width in self._per_scale(field):
                check_integer(field, width, least=1)
        for width in self._per_scale("skip_widths"):
            check_integer("skip_widths", width, least=0)
        for field in ("kernel_down", "kernel_up"):
            for size in self._per_scale(field):
                check_kernel(field, size)
        for field, choices in (
            ("upsampling", UPSAMPLINGS),
            ("downsampling", DOWNSAMPLINGS),
        ):
            for value in self._per_scale(field):
                check_choice(field, value, choices)
        if self.dims == 3 and "lanczos2" in self._per_scale("downsampling"):
            raise ValueError("downsampling='lanczos2': must be another for volumes (dims=3)")
        super().__post_init__()

    @property
    def stride(self) -> int:
        """Two to the number of scales: height and width of ``z`` must be multiples of it."""
        return 2 ** len(self.widths)

    @nn.compact
    def __call__(self, z: Array) -> Image:
        """Computes the image of ``z``, ``[h, w, depth] -> [h, w, channels]``."""
        check_input(z, self.stride, self.dims)
        levels = [self._level(scale) for scale in range(len(self.widths))]
        x, skips = z, []
        for level in levels:
            skips.append(level.skip(x))
            x = level.down(x)
        for level, skip in zip(reversed(levels), reversed(skips), strict=True):
            x = level.up(x, skip)
        dtype = z.dtype.name
        x = Conv(self.channels, 1, use_bias=self.bias, dtype=dtype, name="out_conv")(x)
        return nn.sigmoid(x) if self.sigmoid else x

    def _level(self, scale: int) -> Level:
        return Level(
            width=self.widths[scale],
            width_up=self._per_scale("widths_up")[scale],
            skip_width=self._per_scale("skip_widths")[scale],
            kernel_down=self._per_scale("kernel_down")[scale],
            kernel_up=self._per_scale("kernel_up")[scale],
            kernel_skip=self.kernel_skip,
            padding=self.padding,
            upsampling=self._per_scale("upsampling")[scale],
            downsampling=self._per_scale("downsampling")[scale],
            activation=self.activation,
            conv1x1_up=self.conv1x1_up,
            bias=self.bias,
            dtype=self.dtype,
            name=f"level{scale}",
        )

    def _per_scale(self, field: str) -> tuple[Any, ...]:
        value = getattr(self, field)
        if field == "widths_up" and value is None:
            return self.widths
        if field != "widths_up" and not isinstance(value, (tuple, list)):
            return (value,) * len(self.widths)
        if not isinstance(value, tuple) or len(value) != len(self.widths):
            raise ValueError(
                f"{field}={value!r}: must be a tuple of {len(self.widths)}, one per scale"
            )
        return value
