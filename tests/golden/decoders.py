"""Writes the goldens of the decoders; needs PyTorch: ``python tests/golden/decoders.py``.

The oracle is written from the published definitions alone, with PyTorch's own layers, in
float64. Only the input is ours: of ``z`` at the image's size the oracle is fed the pixels
that our generators keep.
"""

import pathlib

import numpy as np

LEVELS, WIDTH, DEPTH, HEIGHT, WIDTH_OF_IMAGE = 2, 8, 8, 16, 24
STEPS, LEARNING_RATE = 10, 0.01


def deep_decoder(nn, channels):
    """Heckel and Hand 2019, equation 1: 1x1 convolution, upsampling, ReLU, norm."""
    layers, before = [], DEPTH
    for level in range(LEVELS + 1):
        layers.append(nn.Conv2d(before, WIDTH, 1, bias=False))
        if level < LEVELS:
            layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
        layers += [nn.ReLU(), nn.BatchNorm2d(WIDTH)]
        before = WIDTH
    return nn.Sequential(*layers, nn.Conv2d(WIDTH, channels, 1, bias=False), nn.Sigmoid())


def conv_decoder(nn, channels):
    """Darestani and Heckel 2021 as in deepinv: upsampling, 3x3 convolution, ReLU, norm."""
    layers, before = [], DEPTH
    for level in range(LEVELS + 1):
        if level < LEVELS:
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        layers += [nn.Conv2d(before, WIDTH, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(WIDTH)]
        before = WIDTH
    return nn.Sequential(*layers, nn.Conv2d(WIDTH, channels, 1))


def main():
    import torch

    torch.manual_seed(0)
    for build, channels in ((deep_decoder, 3), (conv_decoder, 1)):
        arrays = compute(torch, build(torch.nn, channels).double(), channels)
        path = pathlib.Path(__file__).parent / f"{build.__name__}.npz"
        np.savez(path, names=arrays.pop("names"), **to_float32(arrays))
        print(path.name, path.stat().st_size)


def compute(torch, net, channels):
    z = torch.rand(1, DEPTH, HEIGHT, WIDTH_OF_IMAGE).double() / 10
    y = torch.rand(1, channels, HEIGHT, WIDTH_OF_IMAGE).double()
    for layer in net:  # another start than 1 and 0, which would hide where they act
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.uniform_(layer.bias, -0.5, 0.5)
    for tensor in (z, y, *net.parameters()):  # as stored
        tensor.data = tensor.data.float().double()
    stride = 2**LEVELS
    kept = z[:, :, stride // 2 :: stride, stride // 2 :: stride]
    arrays = {"z": z, "y": y, "names": [name for name, _ in net.named_parameters()]}
    arrays |= {f"param0/{name}": value.detach().clone() for name, value in net.named_parameters()}
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        output = net(kept)
        loss = torch.mean((output - y) ** 2)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            arrays |= {"output0": output.detach(), "loss0": loss.detach()}
            arrays |= {f"grad0/{n}": value.grad.clone() for n, value in net.named_parameters()}
        optimizer.step()
    return arrays | {"losses": losses, "output_after": net(kept).detach()}


def to_float32(arrays):
    return {name: np.asarray(value, np.float32) for name, value in arrays.items()}


if __name__ == "__main__":
    main()
