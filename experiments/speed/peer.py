"""The skip network and its fit in PyTorch, for comparison with :class:`dip_jax.Skip`.

It does what the original code does (DmitryUlyanov/deep-image-prior, ``models/skip.py`` and the
loop of ``denoising.ipynb``), layer by layer. ``tests/experiments/speed/test_peer.py`` shows that
the same weights give the same picture, loss and gradient. Only this module imports PyTorch:
import it after :func:`experiments.program.require`.
"""

import os
from collections.abc import Mapping
from typing import Any

import flax
import numpy as np
import torch
from torch import nn

from dip_jax import Skip
from dip_jax.app import UserError
from dip_jax.app.recipe import Preset


class Level(nn.Module):
    """One scale; its layers have the names of :class:`dip_jax.generators.skip.Level`."""

    def __init__(self, net: Skip, scale: int, channels: int, deeper: int) -> None:
        """Takes ``channels`` from the finer level and ``deeper`` from the next coarser level."""
        super().__init__()
        width, skip = net.widths[scale], _pick_scale(net.skip_widths, scale)
        self.skip_conv = _make_conv(net, channels, skip, net.kernel_skip) if skip else None
        self.skip_norm = nn.BatchNorm2d(skip) if skip else None
        kernel = _pick_scale(net.kernel_down, scale)
        self.down_conv = _make_conv(net, channels, width, kernel, stride=2)
        self.down_norm = nn.BatchNorm2d(width)
        self.deep_conv = _make_conv(net, width, width, kernel)
        self.deep_norm = nn.BatchNorm2d(width)
        self.upsampling = nn.Upsample(
            scale_factor=2,
            mode=_pick_scale(net.upsampling, scale),
        )
        self.merge_norm = nn.BatchNorm2d(skip + deeper)
        self.up_conv = _make_conv(net, skip + deeper, width, _pick_scale(net.kernel_up, scale))
        self.up_norm = nn.BatchNorm2d(width)
        self.mix_conv = _make_conv(net, width, width, 1)
        self.mix_norm = nn.BatchNorm2d(width)
        self.activate = nn.LeakyReLU(0.2, inplace=True)

    def down(self, x: torch.Tensor) -> torch.Tensor:
        """Halves the size."""
        x = self.activate(self.down_norm(self.down_conv(x)))
        return self.activate(self.deep_norm(self.deep_conv(x)))

    def skip(self, x: torch.Tensor) -> torch.Tensor | None:
        """Computes what bypasses the coarser levels."""
        return None if self.skip_conv is None else self.activate(self.skip_norm(self.skip_conv(x)))

    def up(self, x: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
        """Doubles the size."""
        x = self.upsampling(x)
        if skip is not None:
            x = torch.cat([skip, x], dim=1)
        x = self.activate(self.up_norm(self.up_conv(self.merge_norm(x))))
        return self.activate(self.mix_norm(self.mix_conv(x)))


class TorchSkip(nn.Module):
    """The network of ``net``, ``[1, depth, h, w] -> [1, channels, h, w]``.

    It supports the options of the presets ``paper`` and ``fast`` for denoising.

    Raises:
      ValueError: if ``net`` has other options.
    """

    def __init__(self, net: Skip, depth: int) -> None:
        """Draws parameters by PyTorch's defaults."""
        super().__init__()
        plain = (net.widths_up, net.downsampling, net.activation, net.conv1x1_up, net.sigmoid)
        if plain != (None, "stride", "leaky_relu", True, True):
            raise ValueError(f"{net}: the peer lacks some of these options")
        ins = (depth, *net.widths[:-1])
        deeper = (*net.widths[1:], net.widths[-1])
        self.levels = nn.ModuleList(
            Level(net, scale, ins[scale], deeper[scale]) for scale in range(len(net.widths))
        )
        self.out_conv = nn.Conv2d(net.widths[0], net.channels, 1, bias=net.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the picture of ``x``."""
        skips = []
        for level in self.levels:
            skips.append(level.skip(x))
            x = level.down(x)
        for level, skip in zip(reversed(self.levels), reversed(skips), strict=True):
            x = level.up(x, skip)
        return torch.sigmoid(self.out_conv(x))

    def load(self, params: Mapping[str, Any]) -> None:
        """Loads the parameters of the Flax network."""
        state = dict(self.state_dict())
        for path, value in flax.traverse_util.flatten_dict(params["params"], sep="/").items():
            name, array = convert_name(path), np.asarray(value)
            state[name] = torch.tensor(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array)
        self.load_state_dict(state)


def convert_name(path: str) -> str:
    """Converts a Flax name: ``level0/up_conv/kernel -> levels.0.up_conv.weight``."""
    *layer, leaf = path.split("/")
    layer = ["levels", layer[0].removeprefix("level"), *layer[1:]] if len(layer) > 1 else layer
    return ".".join([*layer, {"kernel": "weight", "scale": "weight", "bias": "bias"}[leaf]])


def make_network(preset: Preset, channels: int) -> Skip:
    """Makes a preset's Flax network, which describes the peer's."""
    return Skip(channels=channels, **dict(preset.network.options))


class Fit:
    """The original's denoising loop: mean squared error, Adam, fresh jitter in each step."""

    def __init__(
        self,
        network: nn.Module,
        z: torch.Tensor,
        y: torch.Tensor,
        *,
        learning_rate: float,
        jitter: float,
    ) -> None:
        """Takes ``z`` of shape ``[1, depth, h, w]`` and ``y`` of shape ``[1, channels, h, w]``."""
        self.network, self.z, self.y, self.jitter = network, z, y, jitter
        self.noise = torch.empty_like(z)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes loss and picture at a jittered input."""
        out = self.network(self.z + self.noise.normal_() * self.jitter)
        return torch.nn.functional.mse_loss(out, self.y), out

    def step(self) -> torch.Tensor:
        """Takes one step; returns the picture, ``[1, channels, h, w]``."""
        self.optimizer.zero_grad()
        loss, out = self.forward()
        loss.backward()
        self.optimizer.step()
        return out.detach()

    def state(self) -> dict[str, Any]:
        """Returns all that another process needs to resume."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "z": self.z,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all(),  # empty without a GPU
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Resumes from what :meth:`state` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.z = state["z"]
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["random_cuda"])


def choose_device(backend: str) -> str:
    """Returns PyTorch's name for a backend; "auto" is a GPU if PyTorch sees one.

    Raises:
      UserError: if PyTorch does not support the backend, or sees no GPU for "gpu".
    """
    if backend not in ("auto", "cpu", "gpu"):
        raise UserError("--backend", backend, "PyTorch does not support it; leave the peer out")
    seen = torch.cuda.is_available()
    torch.backends.cudnn.benchmark = True  # as the original's notebooks do
    if backend == "gpu" and not seen:
        raise UserError("--backend", backend, "this PyTorch sees no GPU; install a build that does")
    return "cuda" if seen and backend in ("auto", "gpu") else "cpu"


def describe_device(where: str) -> str:
    """Describes a device by its name in PyTorch."""
    if where == "cuda":
        return f"gpu ({torch.cuda.get_device_name()})"
    return f"cpu ({os.cpu_count()} cores)"


def _pick_scale(value: Any, scale: int) -> Any:
    return value[scale] if isinstance(value, tuple) else value


def _make_conv(net: Skip, ins: int, outs: int, kernel: int, stride: int = 1) -> nn.Module:
    mode = {"zero": "zeros", "reflect": "reflect", "edge": "replicate"}[net.padding]
    return nn.Conv2d(
        ins, outs, kernel, stride, padding=kernel // 2, padding_mode=mode, bias=net.bias
    )


def to_tensor(image: Any) -> torch.Tensor:
    """Converts ``[h, w, c]`` to ``[1, c, h, w]``."""
    return torch.tensor(np.asarray(image).transpose(2, 0, 1)[None].copy())
