"""The network with skip connections."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.generators import Skip
from tests.generators.common import (
    KEY,
    ONE_SCALE,
    SKIP,
    Z,
    check_biases_before_norms,
    check_option_acts,
    check_option_is_refused,
    check_sigmoid_is_the_last_step,
    check_sizes,
    data,
    image_of,
    params_of,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"padding": "zero"},
        {"activation": "elu", "bias": False},
        {"activation": "swish", "channels": 1},
        {"dtype": "bfloat16"},
    ],
)
def test_every_option_acts(options):
    check_option_acts(Skip, options, ONE_SCALE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"widths_up": (2, 3)},
        {"skip_widths": (0, 3)},
        {"kernel_down": (5, 1), "kernel_up": (1, 5), "kernel_skip": 3},
        {"upsampling": ("nearest", "bilinear")},
        {"downsampling": ("average", "max")},
        {"downsampling": ("stride", "lanczos2"), "conv1x1_up": False},
    ],
)
def test_every_option_of_single_scales_acts(options):
    check_option_acts(Skip, options)


@pytest.mark.slow
def test_sigmoid_is_the_last_step():
    check_sigmoid_is_the_last_step(Skip, ONE_SCALE)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"padding": "same"}, ["padding='same'", "'zero'", "'reflect'"]),
        ({"upsampling": "cubic"}, ["upsampling='cubic'", "'nearest'"]),
        ({"upsampling": ("nearest",)}, ["upsampling=", "tuple of 2"]),
        ({"downsampling": ("max", "min")}, ["downsampling='min'", "'lanczos2'"]),
        ({"activation": "gelu"}, ["activation='gelu'", "'leaky_relu'"]),
        ({"dtype": "float16"}, ["dtype='float16'", "'bfloat16'"]),
        ({"kernel_up": 4}, ["kernel_up=4", "odd"]),
        ({"kernel_skip": 0}, ["kernel_skip=0", "odd"]),
        ({"skip_widths": -1}, ["skip_widths=-1", "at least 0"]),
        ({"skip_widths": [4, 4]}, ["skip_widths=[4, 4]", "tuple"]),
        ({"widths": ()}, ["widths=()", "tuple"]),
        ({"widths_up": 4}, ["widths_up=4", "tuple of 2"]),
        ({"channels": 0}, ["channels=0", "at least 1"]),
    ],
)
def test_invalid_option_says_what_is_allowed(options, words):
    check_option_is_refused(Skip, options, words)


def test_input_of_wrong_size_says_the_stride():
    check_sizes(Skip, stride=4)


@pytest.mark.slow
def test_biases_before_norms_are_left_alone():
    check_biases_before_norms(Skip, "level./(skip|down|deep|up|mix)_conv")


@pytest.mark.slow
def test_same_key_same_parameters_other_key_others():
    init = jit(Skip(widths=(4,), skip_widths=0).init)
    one, same, other = (init(jax.random.key(seed), Z)["params"] for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, one, same)
    layers = ("down_conv", "deep_conv", "up_conv", "mix_conv")
    kernels = [p["level0"][name]["kernel"] for p in (one, other) for name in layers]
    draws = [float(kernel[0, 0, 0, 0] * kernel[..., 0].size ** 0.5) for kernel in kernels]
    assert len(set(draws)) == len(draws)  # every layer and every key has its own


def test_parameters_are_named_by_level_and_layer():
    net = Skip(widths=(4, 5), downsampling="lanczos2", skip_widths=(0, 2))
    params = jax.eval_shape(net.init, KEY, Z)["params"]
    assert set(params) == {"level0", "level1", "out_conv"}
    assert params["level0"]["down_conv"]["kernel"].shape == (3, 3, 2, 4)
    assert params["level1"]["down_lanczos"]["kernel"].shape == (8, 8, 5, 5)
    assert params["level0"]["up_conv"]["kernel"].shape == (3, 3, 5, 4)
    assert "skip_conv" not in params["level0"]
    assert params["level1"]["skip_conv"]["kernel"].shape == (1, 1, 4, 2)


@pytest.mark.slow
def test_coarsest_map_may_be_one_pixel():
    assert np.isfinite(image_of(Skip(**SKIP), Z[:4, :4])).all()


def test_input_of_integers_is_refused():
    with pytest.raises(ValueError, match="z holds int32: must be floating"):
        jax.eval_shape(Skip(**SKIP).init, KEY, jnp.zeros((16, 8, 2), jnp.int32))


def test_generators_are_hashable_descriptions():
    assert hash(Skip(**SKIP)) == hash(Skip(**SKIP))
    assert Skip(**SKIP) == Skip(**SKIP) != Skip(**SKIP, padding="zero")


@pytest.mark.slow
def test_half_precision_is_near_and_gives_float32(monkeypatch):
    """Also as accelerators compute it."""
    z, y = data(16, 16, 2), data(16, 16, 3, seed=1)
    whole, half = Skip(**ONE_SCALE), Skip(**ONE_SCALE, dtype="bfloat16")
    params = params_of(whole, z)
    drawn = jax.eval_shape(half.init, KEY, z)
    assert {leaf.dtype for leaf in jax.tree.leaves(drawn)} == {jnp.dtype("float32")}

    def image_and_gradient(net, backend):
        monkeypatch.setattr(jax, "default_backend", lambda: backend)

        def loss(params):
            image = net.apply(params, z)
            return jnp.mean((image - y) ** 2), image

        (_, image), gradient = jit(jax.value_and_grad(loss, has_aux=True))(params)
        return image, gradient["params"]["out_conv"]["kernel"]

    plain = image_and_gradient(whole, "cpu")
    for backend in ("cpu", "gpu"):
        for ours, expected in zip(image_and_gradient(half, backend), plain, strict=True):
            assert ours.dtype == jnp.float32
            error = np.abs(ours - expected).max()
            assert 0 < error < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_image_is_of_the_inputs_type(dtype, backend, monkeypatch):
    """Whatever the parameters': all maps are."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    with jax.enable_x64(dtype == "float64"):
        params = params_of(Skip(**SKIP))
        program = jax.make_jaxpr(Skip(**SKIP).apply)(params, jnp.zeros(Z.shape, dtype))
        assert program.out_avals[0].dtype == dtype
        maps = set(re.findall(r"\b(\w+)\[16,8,\d+\]", str(program)))
    assert maps - {"bool"} == ({"bf16", "f32"} if dtype == "bfloat16" else {f"f{dtype[5:]}"})


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"padding": "zero", "upsampling": "nearest", "downsampling": "max"},
        {"downsampling": ("stride", "average"), "kernel_down": (5, 1)},
    ],
)
def test_a_volume_that_is_constant_along_an_axis_is_painted_as_its_planes_are(options):
    """A kernel of zeros but for its middle plane sees one plane only; axes may be exchanged."""
    flat, deep = Skip(**SKIP, **options), Skip(**SKIP, **options, dims=3)
    square = Z[:8]  # volumes of one shape, whichever axis is added
    params = params_of(flat, square)

    def thicken(name, leaf, axis):
        if name != "kernel":
            return leaf
        middle = np.zeros((leaf.shape[0], *leaf.shape), np.float32)
        middle[leaf.shape[0] // 2] = leaf
        return np.moveaxis(middle, 0, axis)

    expected, paint = jit(flat.apply)(params, square), jit(deep.apply)
    for axis in (0, 2):
        volume = np.repeat(np.expand_dims(square, axis), 8, axis)
        thick = jax.tree_util.tree_map_with_path(
            lambda path, leaf, axis=axis: thicken(path[-1].key, leaf, axis), params
        )
        shapes = jax.eval_shape(deep.init, KEY, volume)
        assert jax.tree.map(np.shape, thick) == jax.tree.map(lambda leaf: leaf.shape, shapes)
        found = paint(thick, volume)
        assert found.shape == (*volume.shape[:-1], 3)
        planes = np.repeat(np.expand_dims(expected, axis), 8, axis)
        np.testing.assert_allclose(found, planes, atol=1e-4)


@pytest.mark.slow
def test_a_volume_is_fitted():
    net = Skip(**ONE_SCALE, channels=1, dims=3)
    z = np.random.default_rng(1).random((8, 4, 6, 2), np.float32)
    y = np.random.default_rng(2).random((8, 4, 6, 1), np.float32)

    def loss(params):
        return jnp.mean((net.apply(params, z) - y) ** 2)

    params = params_of(net, z)
    step = jit(jax.value_and_grad(loss))
    before, gradient = step(params)
    for path, slope in jax.tree.leaves_with_path(gradient):
        fitted = path[-1].key != "bias" or "norm" in str(path) or "out_conv" in str(path)
        assert (np.abs(slope).max() > 0) == fitted, path
    after, _ = step(jax.tree.map(lambda leaf, slope: leaf - 0.1 * slope, params, gradient))
    assert after < before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dims": 4}, ["dims=4", "must be one of 2, 3"]),
        ({"dims": 3, "downsampling": "lanczos2"}, ["downsampling='lanczos2'", "dims=3"]),
    ],
)
def test_volumes_are_of_three_axes(options, words):
    check_option_is_refused(Skip, options, words)
