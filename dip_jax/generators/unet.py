"""The U-Net that the paper compares with for inpainting large holes."""

import flax.linen as nn
import jax.numpy as jnp

from dip_jax.base import Array, Image
from dip_jax.generators.blocks import Conv, Deconv, Norm, pool
from dip_jax.generators.checks import check_choice, check_input, check_integer
from dip_jax.generators.convolution import PADDINGS
from dip_jax.generators.doubling import UPSAMPLINGS, upsample

NORMS = ("batch", "instance", "none")
_WIDTHS = (64, 128, 256, 512, 1024)


class DoubleConv(nn.Module):
    """Two times 3x3 convolution, norm, ReLU; ``[h, w, c] -> [h, w, width]``."""

    width: int
    norm: str
    padding: str
    bias: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """``[h, w, c] -> [h, w, width]``."""
        for index in (1, 2):
            normed, name = self.norm != "none", f"conv{index}"
            x = Conv(self.width, 3, 1, self.padding, self.bias, before_norm=normed, name=name)(x)
            if normed:
                affine = self.norm == "batch"
                x = Norm(affine=affine, activation="relu", name=f"norm{index}")(x)
            else:
                x = nn.relu(x)
        return x


class Up(nn.Module):
    """Upsamples ``x`` by two and merges it with the encoder's ``features``, without norms."""

    width: int
    upsampling: str
    padding: str
    bias: bool

    @nn.compact
    def __call__(self, x: Array, features: Array) -> Array:
        """``[h / 2, w / 2, c]`` and ``[h, w, width]`` to ``[h, w, width]``."""
        if self.upsampling == "deconv":
            x = Deconv(self.width, name="up_conv")(x)
        else:
            conv = Conv(self.width, 3, 1, self.padding, self.bias, name="up_conv")
            x = conv(upsample(x, self.upsampling))
        x = jnp.concatenate([x, features], axis=-1)
        return DoubleConv(self.width, "none", self.padding, self.bias, name="merge")(x)


class UNet(nn.Module, kw_only=True):
    """The U-Net, ``[h, w, depth] -> [h, w, channels]``.

    Height and width of the input must be multiples of :attr:`stride`. The output lies in
    (0, 1), or is unbounded with ``sigmoid=False``. Parameters are named ``down<scale>``,
    with scale 0 at full size, ``up<scale>`` and ``out_conv``.

    Fields:
        channels: channels of the output.
        feature_scale: divisor of the widths 64, 128, 256, 512, 1024 of the five scales.
        more_layers: number of further scales, with the width of the fifth.
        concat_input: whether the last channels of each encoder scale are the input, averaged
            to that scale. They count towards the scale's width.
        upsampling: ``"deconv"`` (learned 4x4, always with a bias), or ``"nearest"`` or
            ``"bilinear"``, followed by a 3x3 convolution.
        padding: ``"zero"``, ``"reflect"`` or ``"edge"``.
        norm: norm of the encoder: ``"instance"`` (without scale and shift), ``"batch"`` (with
            both) or ``"none"``.
        sigmoid: whether a sigmoid is applied to the output.
        bias: whether convolutions have biases, see :class:`Skip`.

    Raises:
        ValueError: on construction, for an invalid field; on the call, for an input of the
            wrong rank or size, or with too many channels for ``concat_input``.

    Source: Ulyanov et al., Deep Image Prior (arXiv:1711.10925), inpainting;
    ``models/unet.py`` of DmitryUlyanov/deep-image-prior (whose ``more_layers`` fails above
    1).
    """

    channels: int = 3
    feature_scale: int = 4
    more_layers: int = 0
    concat_input: bool = False
    upsampling: str = "deconv"
    padding: str = "zero"
    norm: str = "instance"
    sigmoid: bool = True
    bias: bool = True

    def __post_init__(self) -> None:
        """Checks the fields."""
        check_integer("channels", self.channels, least=1)
        check_integer("feature_scale", self.feature_scale, least=1)
        if self.feature_scale > _WIDTHS[0]:
            raise ValueError(f"feature_scale={self.feature_scale}: must be at most 64")
        check_integer("more_layers", self.more_layers, least=0)
        check_choice("upsampling", self.upsampling, ("deconv", *UPSAMPLINGS))
        check_choice("padding", self.padding, PADDINGS)
        check_choice("norm", self.norm, NORMS)
        super().__post_init__()

    @property
    def stride(self) -> int:
        """``2 ** (4 + more_layers)``: height and width of ``z`` must be multiples of it."""
        return 2 ** (4 + self.more_layers)

    @nn.compact
    def __call__(self, z: Array) -> Image:
        """Computes the image of ``z``, ``[h, w, depth] -> [h, w, channels]``."""
        check_input(z, self.stride)
        widths = [width // self.feature_scale for width in _WIDTHS]
        widths += widths[-1:] * self.more_layers
        depth = z.shape[-1] if self.concat_input else 0
        if depth >= widths[0]:
            raise ValueError(
                f"concat_input: z has {depth} channels, must have less than {widths[0]}"
            )

        x, features = z, []
        for scale, width in enumerate(widths):
            if scale > 0:
                x, z = pool(x, "max"), pool(z, "average")
            name = f"down{scale}"
            x = DoubleConv(width - depth, self.norm, self.padding, self.bias, name=name)(x)
            if self.concat_input:
                x = jnp.concatenate([x, z], axis=-1)
            features.append(x)
        x = features.pop()
        for scale in reversed(range(len(features))):
            name = f"up{scale}"
            up = Up(widths[scale], self.upsampling, self.padding, self.bias, name=name)
            x = up(x, features[scale])
        x = Conv(self.channels, 1, use_bias=self.bias, name="out_conv")(x)
        return nn.sigmoid(x) if self.sigmoid else x
