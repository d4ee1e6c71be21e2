"""Decoders without an encoder: they paint a picture from a small input.

Both keep of ``z`` the pixel in the middle of each ``stride x stride`` block, so that they fit
the contract of all generators, in which ``z`` has the image's size. Of noise drawn pixel by
pixel the rest is as noise of the small size, drawn anew: the same network as published,
equal in distribution. A mean over the blocks would not do: it takes a ``stride``-th of the
noise's deviation (and of the jitter's). What is not kept costs memory, not time.
"""

from collections.abc import Callable

import flax.linen as nn

from dip_jax.base import Array, Image
from dip_jax.generators.blocks import Conv, Norm
from dip_jax.generators.checks import check_choice, check_input, check_integer
from dip_jax.generators.convolution import PADDINGS
from dip_jax.generators.doubling import UPSAMPLINGS, Doubled, upsample


class _Decoder(nn.Module, kw_only=True):
    """What the two share: fields, their checks, and the frame around the convolutions."""

    channels: int = 3
    levels: int = 5
    width: int = 128
    upsampling: str = "bilinear"
    sigmoid: bool = True

    def __post_init__(self) -> None:
        """Checks the fields."""
        check_integer("channels", self.channels, least=1)
        check_integer("levels", self.levels, least=1)
        check_integer("width", self.width, least=1)
        check_choice("upsampling", self.upsampling, UPSAMPLINGS)
        super().__post_init__()

    @property
    def stride(self) -> int:
        """``2 ** levels``: height and width of ``z`` must be multiples of it."""
        return 2**self.levels

    def _painted(self, z: Array, grown: Callable[[Array, int], Array], *, use_bias: bool) -> Image:
        """The image of ``z``; ``grown`` is a level's convolution and upsampling."""
        x = _coarse(z, self.stride)
        for index in range(self.levels + 1):
            x = Norm(name=f"norm{index}")(nn.relu(grown(x, index)))
        x = Conv(self.channels, 1, use_bias=use_bias, name="out_conv")(x)
        return nn.sigmoid(x) if self.sigmoid else x


class DeepDecoder(_Decoder, kw_only=True):
    """The Deep Decoder, ``[h, w, depth] -> [h, w, channels]``.

    Levels of 1x1 convolution, upsampling, ReLU and norm; one more without upsampling; a 1x1
    convolution to the image. No convolution sees a neighbour and none has a bias: with few
    channels the network has fewer parameters than the picture has values, and fits noise
    slowly or not at all, without being stopped.

    A 1x1 convolution and the upsampling commute; the convolution comes first, on a quarter of
    the pixels.

    Height and width of the input must be multiples of :attr:`stride`, of which one pixel in
    each block is kept, see :mod:`dip_jax.generators.decoder`; the published input is uniform
    noise of depth ``width``, without jitter. The output lies in (0, 1), or is unbounded with
    ``sigmoid=False``. Parameters are named ``conv<index>/kernel`` and ``norm<index>/<scale |
    bias>``, with index 0 at the input, and ``out_conv/kernel``.

    Fields:
        channels: of the output.
        levels: number of doublings, at least 1.
        width: channels of all maps inside, the paper's k: 64 or 128 for denoising.
        upsampling: ``"bilinear"``, or ``"nearest"``, which gives blocks.
        sigmoid: whether the output passes a sigmoid.

    Raises:
        ValueError: for a field outside of these, on construction, and for an input of
            another rank or size, on the call.

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
        """The image of ``z``, ``[h, w, depth] -> [h, w, channels]``."""

        def grown(x: Array, index: int) -> Array:
            x = Conv(self.width, 1, use_bias=False, name=f"conv{index}")(x)
            return upsample(x, self.upsampling) if index < self.levels else x

        return self._painted(z, grown, use_bias=False)


class ConvDecoder(_Decoder, kw_only=True):
    """The ConvDecoder, ``[h, w, depth] -> [h, w, channels]``.

    Levels of upsampling, 3x3 convolution, ReLU and norm; one more without upsampling; a 1x1
    convolution to the image. All convolutions have biases. The upsampling is folded into the
    convolution behind it.

    Height and width of the input must be multiples of :attr:`stride`, of which one pixel in
    each block is kept, see :mod:`dip_jax.generators.decoder`; the published input is Gaussian
    noise of deviation 1 and depth ``width``, without jitter. Parameters are named
    ``conv<index>/<kernel | bias>`` and ``norm<index>/<scale | bias>``, with index 0 at the
    input, and ``out_conv/<kernel | bias>``.

    Two things differ from the published network: its input is always 4x4, and so the maps grow
    by other factors than two unless the picture measures ``4 * 2**levels``; and its output is
    unbounded, ``sigmoid=False``, while images here lie in [0, 1].

    Fields:
        channels: of the output.
        levels: number of doublings, at least 1; deepinv's ``layers`` less 1.
        width: channels of all maps inside.
        upsampling: ``"nearest"`` or ``"bilinear"``.
        padding: ``"zero"``, as published, ``"reflect"`` or ``"edge"``.
        sigmoid: whether the output passes a sigmoid.

    Raises:
        ValueError: for a field outside of these, on construction, and for an input of
            another rank or size, on the call.

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
        """The image of ``z``, ``[h, w, depth] -> [h, w, channels]``."""

        def grown(x: Array, index: int) -> Array:
            conv = Conv(self.width, 3, 1, self.padding, name=f"conv{index}")
            return conv(Doubled(x, self.upsampling) if index < self.levels else x)

        return self._painted(z, grown, use_bias=True)


def _coarse(z: Array, stride: int) -> Array:
    """The middle pixel of each block, ``[h, w, depth] -> [h / stride, w / stride, depth]``."""
    check_input(z, stride)
    return z[stride // 2 :: stride, stride // 2 :: stride]
