"""The residual network that the paper compares with for inpainting large holes."""

import flax.linen as nn

from dip_jax.base import Array, Image
from dip_jax.generators.blocks import Conv, Norm
from dip_jax.generators.checks import check_choice, check_input, check_integer
from dip_jax.generators.convolution import PADDINGS
from dip_jax.generators.normal import ACTIVATIONS


class Block(nn.Module):
    """Convolution, norm, activation, convolution, norm; plus its input if ``residual``."""

    width: int
    residual: bool
    activation: str

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """``[h, w, width] -> [h, w, width]``."""
        y = Conv(self.width, 3, 1, "zero", use_bias=False, name="conv1")(x)
        y = Norm(activation=self.activation, name="norm1")(y)
        y = Conv(self.width, 3, 1, "zero", use_bias=False, name="conv2")(y)
        y = Norm(name="norm2")(y)
        return x + y if self.residual else y


class ResNet(nn.Module, kw_only=True):
    """The residual network at one scale, ``[h, w, depth] -> [h, w, channels]``.

    Inputs may have any size. The output lies in (0, 1), or is unbounded with
    ``sigmoid=False`` (the original has this option but always applies the sigmoid).
    Parameters are named ``in_conv``, ``block<index>``, ``last_conv``, ``last_norm`` and
    ``out_conv``.

    Fields:
        channels: channels of the output.
        blocks: number of residual blocks.
        width: channels of all hidden maps.
        residual: whether blocks add their input to their output.
        activation: ``"leaky_relu"`` (slope 0.2), ``"elu"``, ``"swish"``, ``"relu"`` or
            ``"none"``.
        padding: ``"zero"``, ``"reflect"`` or ``"edge"``, for the first and last convolution. The
            others pad with zeros.
        sigmoid: whether a sigmoid is applied to the output.

    Raises:
        ValueError: on construction, for an invalid field; on the call, for an input of the
            wrong rank.

    Source: Ulyanov et al., Deep Image Prior (arXiv:1711.10925), inpainting;
    ``models/resnet.py`` of DmitryUlyanov/deep-image-prior.
    """

    channels: int = 3
    blocks: int = 8
    width: int = 32
    residual: bool = True
    activation: str = "leaky_relu"
    padding: str = "reflect"
    sigmoid: bool = True

    def __post_init__(self) -> None:
        """Checks the fields."""
        check_integer("channels", self.channels, least=1)
        check_integer("blocks", self.blocks, least=0)
        check_integer("width", self.width, least=1)
        check_choice("activation", self.activation, tuple(ACTIVATIONS))
        check_choice("padding", self.padding, PADDINGS)
        super().__post_init__()

    @property
    def stride(self) -> int:
        """1: ``z`` may have any height and width."""
        return 1

    @nn.compact
    def __call__(self, z: Array) -> Image:
        """Computes the image of ``z``, ``[h, w, depth] -> [h, w, channels]``."""
        check_input(z, self.stride)
        x = Conv(self.width, 3, 1, self.padding, name="in_conv")(z)
        x = ACTIVATIONS[self.activation](x)
        for index in range(self.blocks):
            block = Block(self.width, self.residual, self.activation, name=f"block{index}")
            x = block(x)
        x = Conv(self.width, 3, 1, "zero", before_norm=True, name="last_conv")(x)
        x = Norm(name="last_norm")(x)
        x = Conv(self.channels, 3, 1, self.padding, name="out_conv")(x)
        return nn.sigmoid(x) if self.sigmoid else x
