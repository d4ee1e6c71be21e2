"""Convolutions of a network: their operations, and each one alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import Skip
from dip_jax.compilation import jit
from dip_jax.generators.doubling import upsample
from experiments.speed import layers


def test_operations_of_a_tiny_network():
    # 8x8 pixels of 5 channels, one scale of width 4, two skip channels.
    net = Skip(widths=(4,), skip_widths=2, upsampling="nearest")
    found = layers.find_layers(net, jnp.zeros((8, 8, 5)))
    assert [(layer.kind, layer.operations, layer.of_input) for layer in found] == [
        ("1x1", 2 * 64 * 5 * 2, True),  # skip
        ("3x3, stride 2", 2 * 16 * 9 * 5 * 4, True),  # down
        ("3x3, stride 1", 2 * 16 * 9 * 4 * 4, False),  # deep
        ("3x3, stride 1", 2 * 64 * 9 * 2 * 4, False),  # up, of the skip channels
        (layers.FOLDED, 2 * 64 * 9 * 4 * 4 * 16 // 36, False),  # up, of the coarser level
        ("1x1", 2 * 64 * 4 * 4, False),  # mix
        ("1x1", 2 * 64 * 4 * 3, False),  # out
    ]
    forward_and_gradients = 2 * (1280 + 5760) + 3 * (4608 + 9216 + 8192 + 2048 + 1536)
    assert sum(layer.operations_a_step for layer in found) == forward_and_gradients


@pytest.mark.slow
@pytest.mark.parametrize("upsampling", [None, "bilinear"])
def test_a_layer_alone_gives_its_result_and_gradients(upsampling):
    layer = layers.Layer((4, 6, 3), 2, 3, 1, "reflect", upsampling, of_input=False)
    x, kernel, gradient = layers.draw_arguments(layer)

    def plain(x, kernel):
        x = upsample(x, upsampling) if upsampling else x
        x = jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect")
        rows, columns = x.shape[0] - 2, x.shape[1] - 2
        return sum(
            x[i : i + rows, j : j + columns] @ kernel[i, j] for i in range(3) for j in range(3)
        )

    def derive(x, kernel, gradient):
        expected, back = jax.vjp(plain, x, kernel)
        return [expected, *back(gradient)]

    expected = jit(derive)(x, kernel, gradient)
    for ours, theirs in zip(
        jax.tree.leaves(layers.compile_layer(layer)(x, kernel, gradient)),
        expected,
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    of_input = layers.compile_layer(layer._replace(of_input=True))(x, kernel, gradient)
    assert [leaf.shape for leaf in jax.tree.leaves(of_input)] == [expected[0].shape, kernel.shape]
