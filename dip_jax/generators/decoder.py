"""Decoders without an encoder: they generate a picture from a small input.

By the contract of all generators, ``z`` has the size of the image. Both decoders use only the
middle pixel of each ``stride x stride`` block. If ``z`` is noise, independent from pixel to
pixel, these pixels are noise of the small size: the network equals the published one in
distribution. Block means would not work: they divide the standard deviation of the noise (and
of the jitter) by ``stride``. The unused pixels cost memory but no time.
"""

from collections.abc import Callable

import flax.linen as nn

from dip_jax.base import Array, Image
from dip_jax.generators.blocks import Conv, Norm
from dip_jax.generators.checks import check_choice, check_input, check_integer
from dip_jax.generators.convolution import PADDINGS
from dip_jax.generators.doubling import UPSAMPLINGS, Doubled, upsample


class _Decoder(nn.Module, kw_only=True):
    """The shared part: fields, their checks, and the layers around the convolutions."""

    channels: int = 3
    levels: int = 5
    width: int = 128
    upsampling: str = "bilinear"
    sigmoid: bool = True
    dims: int = 2

    def __post_init__(self) -> None:
        """Checks the fields."""
        check_choice("dims", self.dims, (2, 3))
        check_integer("channels", self.channels, least=1)
        check_integer("levels", self.levels, least=1)
        check_integer("width", self.width, least=1)
        check_choice("upsampling", self.upsampling, UPSAMPLINGS)
        super().__post_init__()

    @property
    def stride(self) -> int:
        """``2 ** levels``: height and width of ``z`` must be multiples of it."""
        return 2**self.levels

    def _decode(self, z: Array, grow: Callable[[Array, int], Array], *, use_bias: bool) -> Image:
        """Computes the image of ``z``; ``grow`` is the convolution and upsampling of a level."""
        check_input(z, self.stride, self.dims)
        x = _take_middle_pixels(z, self.stride)
        for index in range(self.levels + 1):
            x = Norm(name=f"norm{index}")(nn.relu(grow(x, index)))
        x = Conv(self.channels, 1, use_bias=use_bias, name="out_conv")(x)
        return nn.sigmoid(x) if self.sigmoid else x


class DeepDecoder(_Decoder, kw_only=True):
    """The Deep Decoder, ``[h, w, depth] -> [h, w, channels]``.

    Each level is a 1x1 convolution, upsampling, ReLU and a norm. One level without upsampling
    and a 1x1 convolution to the image follow. No convolution sees neighbouring pixels and none
    has a bias. With few channels the network has fewer parameters than the picture has values:
    it fits noise slowly or not at all, and needs no early stopping.

    A 1x1 convolution commutes with the upsampling, so it runs first, on a quarter of the pixels.

    Height and width of the input must be multiples of :attr:`stride`. One pixel of each block
    is used, see :mod:`dip_jax.generators.decoder`. The published input is uniform noise of
    depth ``width``, without jitter. The output lies in (0, 1), or is unbounded with
    ``sigmoid=False``. Parameters are named ``conv<index>/kernel`` and ``norm<index>/<scale |
    bias>``, with index 0 at the input, and ``out_conv/kernel``.

    Fields:
        channels: channels of the output.
        levels: number of upsamplings by two, at least 1.
        width: channels of all hidden maps, the paper's k: 64 or 128 for denoising.
        upsampling: ``"bilinear"``, or ``"nearest"``, which gives blocky images.
        sigmoid: whether a sigmoid is applied to the output.
        dims: 2 for pictures, 3 for volumes, ``[d, h, w, depth] -> [d, h, w, channels]``.

    Raises:
        ValueError: on construction, for an invalid field; on the call, for an input of the
            wrong rank or size.

    Source: Heckel and Hand, Deep Decoder, ICLR 2019 (arXiv:1810.03982);
    ``include/decoder.py`` of reinhardh/supplement_deep_decoder.

    >>> import jax
    >>> generator = DeepDecoder(levels=2, width=8)
    >>> z = jax.random.uniform(jax.random.key(0), (16, 24, 8))
    >>> params = generator.init(jax.random.key(1), z)
    >>> generator.apply(params, z).shape
    (16, 24, 3)
    """

    @nn.compact
    def __call__(self, z: Array) -> Image:
        """Computes the image of ``z``, ``[h, w, depth] -> [h, w, channels]``."""

        def grow(x: Array, index: int) -> Array:
            x = Conv(self.width, 1, use_bias=False, name=f"conv{index}")(x)
            return upsample(x, self.upsampling) if index < self.levels else x

        return self._decode(z, grow, use_bias=False)


class ConvDecoder(_Decoder, kw_only=True):
    """The ConvDecoder, ``[h, w, depth] -> [h, w, channels]``.

    Each level is upsampling, a 3x3 convolution, ReLU and a norm. One level without upsampling
    and a 1x1 convolution to the image follow. All convolutions have biases. The upsampling is
    folded into the next convolution.

    Height and width of the input must be multiples of :attr:`stride`. One pixel of each block
    is used, see :mod:`dip_jax.generators.decoder`. The published input is Gaussian noise of
    standard deviation 1 and depth ``width``, without jitter. Parameters are named
    ``conv<index>/<kernel | bias>`` and ``norm<index>/<scale | bias>``, with index 0 at the
    input, and ``out_conv/<kernel | bias>``.

    Two things differ from the published network. Its input is always 4x4, so its maps grow by
    factors other than two unless the picture measures ``4 * 2**levels``. Its output is
    unbounded (``sigmoid=False``), while images here lie in [0, 1].

    Fields:
        channels: channels of the output.
        levels: number of upsamplings by two, at least 1; deepinv's ``layers`` minus 1.
        width: channels of all hidden maps.
        upsampling: ``"nearest"`` or ``"bilinear"``.
        padding: ``"zero"``, as published, ``"reflect"`` or ``"edge"``.
        sigmoid: whether a sigmoid is applied to the output.
        dims: 2 for pictures, 3 for volumes, ``[d, h, w, depth] -> [d, h, w, channels]``.

    Raises:
        ValueError: on construction, for an invalid field; on the call, for an input of the
            wrong rank or size.

    Source: Darestani and Heckel, Accelerated MRI with Un-trained Neural Networks, IEEE
    Transactions on Computational Imaging 2021 (arXiv:2007.02471), in the form of
    ``deepinv.models.ConvDecoder``.
    """

    levels: int = 6
    width: int = 256
    upsampling: str = "nearest"
    padding: str = "zero"

    def __post_init__(self) -> None:
        """Checks the fields."""
        check_choice("padding", self.padding, PADDINGS)
        super().__post_init__()

    @nn.compact
    def __call__(self, z: Array) -> Image:
        """Computes the image of ``z``, ``[h, w, depth] -> [h, w, channels]``."""

        def grow(x: Array, index: int) -> Array:
            conv = Conv(self.width, 3, 1, self.padding, name=f"conv{index}")
            if index == self.levels:
                return conv(x)
            # The folded form is for planes.
            fold = self.dims == 2
            return conv(Doubled(x, self.upsampling) if fold else upsample(x, self.upsampling))

        return self._decode(z, grow, use_bias=True)


def _take_middle_pixels(z: Array, stride: int) -> Array:
    """Takes one pixel of each block, ``[h, w, depth] -> [h / stride, w / stride, depth]``."""
    return z[(slice(stride // 2, None, stride),) * (z.ndim - 1)]
