"""The generators: shapes, options, errors, and their layers against plain formulas.

Equality with the original networks is in ``test_parity.py``.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.compilation import jit
from dip_jax.generators import (
    ConvDecoder,
    DeepDecoder,
    Flat,
    ResNet,
    Skip,
    UNet,
    blocks,
    convolution,
    doubling,
)
from dip_jax.generators.linear import add_border, extend, smooth, spread, total
from dip_jax.generators.normal import ACTIVATIONS, Normal

pytestmark = pytest.mark.usefixtures("programs_compiled_in_haste")
KEY = jax.random.key(0)
Z = jax.random.uniform(jax.random.key(1), (16, 8, 2))
SKIP = {"widths": (4, 4), "skip_widths": 2}
ONE_SCALE = {"widths": (4,), "skip_widths": 2}
UNET = {"feature_scale": 16}
RESNET = {"blocks": 1, "width": 4}
LAYERS = ("down_conv", "deep_conv", "up_conv", "mix_conv")
DECODER = {"levels": 2, "width": 4}
SMALLEST = {Skip: SKIP, UNet: UNET, ResNet: RESNET, DeepDecoder: DECODER, ConvDecoder: DECODER}


def params_of(net, z=Z, seed=0):
    """Parameters from NumPy, since to compile ``init`` takes longest."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: generator.uniform(-0.5, 0.5, leaf.shape).astype(np.float32),
        jax.eval_shape(net.init, KEY, z),
    )


def image_of(net, z=Z, seed=0):
    return np.asarray(jit(net.apply)(params_of(net, z, seed), z))


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def usual():
    """The image of the smallest network of each kind."""
    z = jax.random.uniform(jax.random.key(1), (16, 16, 2))
    return {kind: image_of(kind(**fields), z) for kind, fields in SMALLEST.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Skip, {"widths_up": (2, 3)}),
        (Skip, {"skip_widths": (0, 3)}),
        (Skip, {"kernel_down": (5, 1), "kernel_up": (1, 5), "kernel_skip": 3}),
        (Skip, {"padding": "zero"}),
        (Skip, {"upsampling": ("nearest", "bilinear")}),
        (Skip, {"downsampling": ("average", "max")}),
        (Skip, {"downsampling": ("stride", "lanczos2"), "conv1x1_up": False}),
        (Skip, {"activation": "elu", "bias": False}),
        (Skip, {"activation": "swish", "channels": 1}),
        (Skip, {"dtype": "bfloat16"}),
        (UNet, {"upsampling": "nearest", "padding": "reflect"}),
        (UNet, {"upsampling": "bilinear", "norm": "none", "bias": False}),
        (UNet, {"concat_input": True}),
        (ResNet, {"residual": False}),
        (ResNet, {"activation": "relu", "padding": "zero"}),
        (DeepDecoder, {"upsampling": "nearest"}),
        (DeepDecoder, {"levels": 1, "width": 3}),
        (ConvDecoder, {"upsampling": "bilinear", "channels": 1}),
        (ConvDecoder, {"padding": "reflect"}),
    ],
)
def test_every_option_acts(kind, options, usual):
    net = kind(**(SMALLEST[kind] | options))
    image = image_of(net, jax.random.uniform(jax.random.key(1), (16, 16, 2)))
    assert image.shape == (16, 16, options.get("channels", 3))
    assert image.dtype == np.float32
    assert 0 <= image.min() < image.max() <= 1
    other = usual[kind]
    assert image.shape != other.shape or np.abs(image - other).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALLEST)
def test_sigmoid_is_the_last_step(kind, usual):
    z = jax.random.uniform(jax.random.key(1), (16, 16, 2))
    raw = image_of(kind(**SMALLEST[kind], sigmoid=False), z)
    np.testing.assert_allclose(usual[kind], jax.nn.sigmoid(raw), atol=1e-6)


def test_same_key_same_parameters_other_key_others():
    init = jit(Skip(widths=(4,), skip_widths=0).init)
    one, same, other = (init(jax.random.key(seed), Z)["params"] for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, one, same)
    kernels = [p["level0"][name]["kernel"] for p in (one, other) for name in LAYERS]
    draws = [float(kernel[0, 0, 0, 0] * kernel[..., 0].size ** 0.5) for kernel in kernels]
    assert len(set(draws)) == len(draws)  # every layer and every key has its own


def test_unet_goes_below_its_five_scales():
    net = UNet(**UNET, more_layers=2)
    z = jax.ShapeDtypeStruct((64, 64, 2), jnp.float32)
    params = jax.eval_shape(net.init, KEY, z)
    assert net.stride == 64
    assert params["params"]["down6"]["conv1"]["kernel"].shape == (3, 3, 64, 64)
    assert jax.eval_shape(net.apply, params, z).shape == (64, 64, 3)


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


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (Skip, {"padding": "same"}, ["padding='same'", "'zero'", "'reflect'"]),
        (Skip, {"upsampling": "cubic"}, ["upsampling='cubic'", "'nearest'"]),
        (Skip, {"upsampling": ("nearest",)}, ["upsampling=", "tuple of 2"]),
        (Skip, {"downsampling": ("max", "min")}, ["downsampling='min'", "'lanczos2'"]),
        (Skip, {"activation": "gelu"}, ["activation='gelu'", "'leaky_relu'"]),
        (Skip, {"dtype": "float16"}, ["dtype='float16'", "'bfloat16'"]),
        (Skip, {"kernel_up": 4}, ["kernel_up=4", "odd"]),
        (Skip, {"kernel_skip": 0}, ["kernel_skip=0", "odd"]),
        (Skip, {"skip_widths": -1}, ["skip_widths=-1", "at least 0"]),
        (Skip, {"skip_widths": [4, 4]}, ["skip_widths=[4, 4]", "tuple"]),
        (Skip, {"widths": ()}, ["widths=()", "tuple"]),
        (Skip, {"widths_up": 4}, ["widths_up=4", "tuple of 2"]),
        (Skip, {"channels": 0}, ["channels=0", "at least 1"]),
        (UNet, {"norm": "layer"}, ["norm='layer'", "'batch'", "'instance'"]),
        (UNet, {"upsampling": "max"}, ["upsampling='max'", "'deconv'"]),
        (UNet, {"feature_scale": 65}, ["feature_scale=65", "64"]),
        (ResNet, {"padding": "wrap"}, ["padding='wrap'", "'zero'"]),
        (ResNet, {"blocks": -1}, ["blocks=-1", "at least 0"]),
        (DeepDecoder, {"levels": 0}, ["levels=0", "at least 1"]),
        (DeepDecoder, {"width": 2.0}, ["width=2.0", "at least 1"]),
        (DeepDecoder, {"upsampling": "cubic"}, ["upsampling='cubic'", "'bilinear'"]),
        (ConvDecoder, {"channels": 0}, ["channels=0", "at least 1"]),
        (ConvDecoder, {"padding": "same"}, ["padding='same'", "'zero'"]),
    ],
)
def test_invalid_option_says_what_is_allowed(kind, options, words):
    with pytest.raises(ValueError, match="must be") as error:
        kind(**(SMALLEST[kind] | options))
    assert all(word in str(error.value) for word in words), error.value


def test_input_of_integers_is_refused():
    with pytest.raises(ValueError, match="z holds int32: must be floating"):
        jax.eval_shape(Skip(**SKIP).init, KEY, jnp.zeros((16, 8, 2), jnp.int32))


@pytest.mark.parametrize(
    ("kind", "stride"),
    [(Skip, 4), (UNet, 16), (ResNet, 1), (DeepDecoder, 4), (ConvDecoder, 4)],
)
def test_input_of_wrong_size_says_the_stride(kind, stride):
    net = kind(**SMALLEST[kind])
    assert net.stride == stride
    with pytest.raises(ValueError, match="no batch"):
        jax.eval_shape(net.init, KEY, jnp.zeros((1, 16, 16, 2)))
    if stride > 1:
        with pytest.raises(ValueError, match=f"18x16 pixels.* multiples of {stride}"):
            jax.eval_shape(net.init, KEY, jnp.zeros((18, 16, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [DeepDecoder, ConvDecoder])
def test_decoders_keep_one_pixel_of_each_block_as_it_is(kind):
    """So that noise drawn pixel by pixel stays the noise that it is."""
    net = kind(**DECODER)
    image = image_of(net)
    kept = np.zeros((16, 8, 1), np.float32)
    kept[2::4, 2::4] = 1
    np.testing.assert_array_equal(image_of(net, Z * kept), image)
    for i, j in np.argwhere(kept[:, :, 0]):
        assert np.abs(image_of(net, Z.at[i, j].add(0.5)) - image).max() > 1e-4


def test_deep_decoder_has_the_parameters_of_the_published_one():
    """Six layers of k * k weights and a norm's 2 k, one of 3 k."""
    z = jax.ShapeDtypeStruct((64, 64, 64), jnp.float32)
    params = jax.eval_shape(DeepDecoder(width=64).init, KEY, z)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 6 * (64**2 + 2 * 64) + 3 * 64


def test_unet_refuses_an_input_deeper_than_its_first_scale():
    with pytest.raises(ValueError, match="must have less than 4"):
        jax.eval_shape(UNet(**UNET, concat_input=True).init, KEY, jnp.zeros((16, 16, 4)))


def test_generators_are_hashable_descriptions():
    assert hash(Skip(**SKIP)) == hash(Skip(**SKIP))
    assert Skip(**SKIP) == Skip(**SKIP) != Skip(**SKIP, padding="zero")


def test_convolutions_start_as_in_torch():
    params = blocks.Conv(64, 3).init(KEY, jnp.zeros((4, 4, 16)))["params"]
    for leaf in params.values():
        bound = (16 * 9) ** -0.5
        assert 0.9 * bound < np.abs(leaf).max() <= bound
        assert abs(np.std(leaf) / (bound / 3**0.5) - 1) < 0.15


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("padding", "mode"), [("zero", "constant"), ("reflect", "reflect"), ("edge", "edge")]
)
def test_convolve_equals_a_sum_over_taps(stride, padding, mode):
    x, kernel = data(8, 6, 2), data(5, 5, 2, 3, seed=1)
    padded = np.pad(x, ((2, 2), (2, 2), (0, 0)), mode=mode)
    taps = [padded[i : i + 8, j : j + 6] @ kernel[i, j] for i in range(5) for j in range(5)]
    result = convolution.convolve(jnp.asarray(x), kernel, stride=stride, padding=padding)
    np.testing.assert_allclose(result, sum(taps)[::stride, ::stride], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("size", [3, 5])
def test_halving_by_phases_equals_a_convolution_of_stride_2(size):
    """Values and both gradients; on a CPU no convolution of stride 2 is left."""
    x, kernel = data(6, 10, 4), data(size, size, 4, 5, seed=1)
    ours = functools.partial(convolution.convolve, stride=2)
    if jax.default_backend() == "cpu":
        assert "window_strides=(2, 2)" not in str(jax.make_jaxpr(ours)(x, kernel))

    def plain(x, kernel):
        pads = [(size // 2, size // 2)] * 2
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x[None], kernel, (2, 2), pads, dimension_numbers=numbers
        )[0]

    (result, back), (expected, transpose) = (jax.vjp(f, x, kernel) for f in (ours, plain))
    np.testing.assert_allclose(result, expected, atol=1e-4)
    cotangent = data(3, 5, 5, seed=2)
    for mine, theirs in zip(back(cotangent), transpose(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


@pytest.mark.slow
def test_convolution_of_few_channels_equals_a_sum_over_taps():
    """It is another program: a product of all windows with a matrix."""
    x, kernel = data(5, 6, 2), data(3, 3, 2, 18, seed=1)
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    taps = [padded[i : i + 5, j : j + 6] @ kernel[i, j] for i in range(3) for j in range(3)]
    ours = functools.partial(convolution.convolve, padding="reflect")
    assert "conv_general_dilated" not in str(jax.make_jaxpr(ours)(x, kernel))
    result, back = jax.vjp(ours, jnp.asarray(x), jnp.asarray(kernel))
    np.testing.assert_allclose(result, sum(taps), atol=1e-5)

    def plain(x, kernel):
        padded = jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect")[None]
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            padded, kernel, (1, 1), "VALID", dimension_numbers=numbers
        )[0]

    cotangent = data(5, 6, 18, seed=2)
    for mine, theirs in zip(back(cotangent), jax.vjp(plain, x, kernel)[1](cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_half_precision_is_near_and_gives_float32(backend, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    z, y = data(16, 16, 2), data(16, 16, 3, seed=1)
    whole, half = Skip(**ONE_SCALE), Skip(**ONE_SCALE, dtype="bfloat16")
    params = jit(whole.init)(KEY, z)
    drawn = jax.eval_shape(half.init, KEY, z)
    assert {leaf.dtype for leaf in jax.tree.leaves(drawn)} == {jnp.dtype("float32")}

    def image_and_gradient(net):
        def loss(params):
            image = net.apply(params, z)
            return jnp.mean((image - y) ** 2), image

        (_, image), gradient = jit(jax.value_and_grad(loss, has_aux=True))(params)
        return image, gradient["params"]["out_conv"]["kernel"]

    for ours, expected in zip(image_and_gradient(half), image_and_gradient(whole), strict=True):
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
def test_flat_parameters_give_the_same_image_and_gradient():
    z = jnp.asarray(data(16, 8, 2))
    flat, net = Flat(Skip(**ONE_SCALE)), Skip(**ONE_SCALE)
    init, apply = jit(flat.init), jit(flat.apply)
    vector, params = init(KEY, z), jit(net.init)(KEY, z)
    assert vector.ndim == 1
    np.testing.assert_array_equal(apply(vector, z), jit(net.apply)(params, z))

    def gradient(generator, params):
        return jit(jax.grad(lambda p: jnp.sum(generator.apply(p, z) ** 2)))(params)

    ours = flat.unravel(gradient(flat, vector), z)
    jax.tree.map(np.testing.assert_array_equal, ours, gradient(net, params))
    both = jit(jax.vmap(flat.apply, in_axes=(0, None)))(jnp.stack([vector, 2 * vector]), z)
    np.testing.assert_allclose(both[0], apply(vector, z), atol=1e-5)
    np.testing.assert_allclose(both[1], apply(2 * vector, z), atol=1e-5)
    np.testing.assert_array_equal(init(KEY, z[:8]), vector)  # whatever the height


@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 4, 3), (1, 1, 2)])
def test_square_of_an_upsampled_map_equals_the_plain_one(shape):
    """Values, gradients, forward mode and curvature."""
    x, v = jnp.asarray(data(*shape)), jnp.asarray(data(*shape, seed=1))

    def plain(x):
        return jnp.mean(doubling.upsample(x, "bilinear") ** 2, axis=(0, 1))

    def summed(square):
        return lambda x: jnp.sum(jnp.arange(1.0, shape[2] + 1) * square(x) ** 2)

    def along(function):
        return jit(lambda x, v: jax.jvp(function, (x,), (v,)))(x, v)

    ours = doubling.doubled_square
    for mine, theirs in zip(along(ours), along(plain), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    mine, theirs = (along(jax.grad(summed(f))) for f in (ours, plain))
    np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mine[1], theirs[1], rtol=1e-4, atol=1e-5)


def test_deconv_spreads_each_pixel():
    x, kernel, bias = data(3, 4, 2), data(4, 4, 2, 3, seed=1), data(3, seed=2)
    expected = np.zeros((8, 10, 3), np.float32)
    torch_kernel = kernel[::-1, ::-1]
    for i in range(3):
        for j in range(4):
            spread = np.einsum("c,abcd->abd", x[i, j], torch_kernel)
            expected[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += spread
    params = {"params": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    result = blocks.Deconv(3).apply(params, jnp.asarray(x))
    np.testing.assert_allclose(result, expected[1:-1, 1:-1] + bias, atol=1e-5)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("offset", [0, 1000])
def test_norm_equals_the_plain_formula_also_far_from_zero(offset, backend, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x = data(16, 12, 3) + np.float32(offset)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean((0, 1))) / np.sqrt(exact.var((0, 1)) + 1e-5)
    params = {"params": {"scale": jnp.array([1.0, 2, 3]), "bias": jnp.array([0.0, 1, 2])}}
    result, back = jax.vjp(blocks.Norm().apply, params, jnp.asarray(x))
    np.testing.assert_allclose(result, exact * [1, 2, 3] + [0, 1, 2], atol=1e-5)
    cotangent = data(16, 12, 3, seed=1)
    of_params, of_x = back(cotangent)
    np.testing.assert_allclose(of_params["params"]["bias"], cotangent.sum((0, 1)), atol=1e-4)
    by_value = (cotangent * exact).sum((0, 1))
    np.testing.assert_allclose(of_params["params"]["scale"], by_value, atol=1e-4)
    # Ioffe and Szegedy 2015, section 3, in one line.
    centred = cotangent - cotangent.mean((0, 1)) - exact * (cotangent * exact).mean((0, 1))
    deviation = np.sqrt(x.astype(np.float64).var((0, 1)) + 1e-5)
    np.testing.assert_allclose(of_x, [1, 2, 3] * centred / deviation, atol=1e-4)
    plain, params = blocks.Norm(affine=False).init_with_output(KEY, jnp.asarray(x))
    np.testing.assert_allclose(plain, exact, atol=1e-5)
    assert not params


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_accelerators_compute_a_norms_result_alike(activation, monkeypatch):
    """Made, and projected to a few channels: values, and derivatives in both directions."""
    x, shift = data(6, 5, 4), data(1, 1, 4, seed=1)
    values = (x, data(4, seed=2), data(4, seed=3), data(4, 2, seed=4))

    def made(x, factor, offset, kernel):
        normal = Normal(x, shift, factor, offset, activation)
        return normal.compute(), normal.project(kernel)

    tangents = tuple(data(*value.shape, seed=9) for value in values)
    cotangents = data(6, 5, 4, seed=5), data(6, 5, 2, seed=6)

    @functools.partial(jit, static_argnums=0)
    def derived(backend):
        monkeypatch.setattr(jax, "default_backend", lambda: backend)
        y, transpose = jax.vjp(made, *values)
        slopes = jax.grad(lambda *values: sum(jnp.sum(y**2) for y in made(*values)), range(4))
        batch = (jnp.stack([value, 2 * value]) for value in values)
        return [
            (y, transpose(cotangents)),
            jax.jvp(made, values, tangents),
            jax.jvp(slopes, values, tangents)[1],
            jax.vmap(slopes)(*batch),
            jax.vmap(slopes, (None, 0, None, None))(x, jnp.ones((2, 4)), *values[2:]),
        ]

    results = [derived(backend) for backend in ("cpu", "gpu")]
    for one, other in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


def test_accelerators_take_slopes_of_the_map_again(monkeypatch):
    """What takes the sums of a gradient may not share its slopes: they would be written."""

    def counts(make, *words):
        def energy(x, factor):
            normal = Normal(x, jnp.zeros((1, 1, 4)), factor, factor, "leaky_relu")
            return jnp.sum(make(normal) ** 2)

        program = str(jax.make_jaxpr(jax.grad(energy, (0, 1)))(data(6, 5, 4), data(4)))
        return [program.count(f" {word}") for word in words]

    few, many = (lambda normal, n=n: normal.project(jnp.ones((4, n))) for n in (3, 8))
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert counts(Normal.compute, "optimization_barrier", "ge ") == [0, 1]
    assert counts(few, "dot_general") == counts(many, "dot_general") == [2]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert counts(Normal.compute, "optimization_barrier", "ge ") == [1, 2]
    assert counts(many, "optimization_barrier", "ge ", "dot_general") == [1, 2, 2]
    # More for the columns, forward and back, and for the kernel's gradient.
    assert counts(few, "optimization_barrier", "ge ", "dot_general") == [5, 2, 0]


@pytest.mark.parametrize("x", [-2.0, 0.0, 3.0])
def test_leaky_relu_is_a_fifth_below_zero(x):
    value, slope = jax.value_and_grad(ACTIVATIONS["leaky_relu"])(x)
    expected = (x, 1.0) if x >= 0 else (0.2 * x, 0.2)
    np.testing.assert_allclose((value, slope), expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        (Skip, "level./(skip|down|deep|up|mix)_conv"),
        (ResNet, "last_conv"),
        (UNet, "down./conv."),
    ],
)
def test_biases_before_norms_are_left_alone(kind, layers):
    """They would change nothing: they are declared, have no effect on a bit, and stay."""
    net, z = kind(**SMALLEST[kind]), data(32, 32, 2)
    params, apply = params_of(net, z), jit(net.apply)
    gradient = jit(jax.grad(lambda params: jnp.sum(net.apply(params, z) ** 2)))(params)
    seen = set()

    def moved(path, value, slope):
        _, *names, last = (key.key for key in path)
        idle = last == "bias" and re.fullmatch(layers, "/".join(names)) is not None
        seen.add(idle)
        assert np.any(slope) != idle, names
        return value + 100 * idle

    other = jax.tree_util.tree_map_with_path(moved, params, gradient)
    assert seen == {True, False}
    np.testing.assert_array_equal(apply(params, z), apply(other, z))


@pytest.mark.parametrize(("kind", "method"), [("nearest", "nearest"), ("bilinear", "linear")])
@pytest.mark.parametrize("shape", [(5, 7, 2), (1, 3, 2)])
def test_upsample_equals_a_resize(kind, method, shape):
    x = data(*shape)
    expected = jax.image.resize(x, (2 * shape[0], 2 * shape[1], 2), method)
    np.testing.assert_allclose(doubling.upsample(jnp.asarray(x), kind), expected, atol=1e-6)


def test_pool():
    x = jnp.arange(8.0).reshape(2, 4, 1)
    np.testing.assert_array_equal(blocks.pool(x, "max").ravel(), [5, 7])
    np.testing.assert_array_equal(blocks.pool(x, "average").ravel(), [2.5, 4.5])


def test_max_pool_does_not_count_the_largest_in_its_gradient():
    """Such a count, reduce_max's, is zero and gives NaN where rounding differs."""
    gradient = jax.grad(lambda x: blocks.pool(x, "max").sum())
    assert "reduce_max" not in str(jax.make_jaxpr(gradient)(data(4, 4, 2)))
    for x in (data(4, 4, 2), np.zeros((4, 4, 2), np.float32)):
        np.testing.assert_array_equal(gradient(x).sum(axis=(0, 1)), 4)


def test_lanczos_downsample_starts_as_a_filter_of_single_channels():
    x = np.linspace(0, 1, 32, dtype=np.float32).reshape(32, 1, 1) * np.ones((1, 16, 2))
    x[..., 1] = 0.5
    result = blocks.LanczosDownsample().init_with_output(KEY, jnp.asarray(x))[0]
    assert result.shape == (16, 8, 2)
    np.testing.assert_allclose(result[..., 1], 0.5, atol=1e-6)
    inside = x.reshape(16, 2, 16, 2)[:, :, ::2].mean(axis=(1,))[3:-3, :, 0]
    np.testing.assert_allclose(result[3:-3, :, 0], inside, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("padding", convolution.PADDINGS)
@pytest.mark.parametrize("kind", doubling.UPSAMPLINGS)
@pytest.mark.parametrize("shape", [(5, 7, 3), (2, 1, 3), (1, 1, 3)])
def test_folded_upsampling_equals_the_plain_one(kind, padding, shape):
    """Values and gradients; also for a map of one pixel."""
    x, kernel = data(*shape), data(3, 3, 3, 4, seed=1)

    @jax.jit
    def plain(x, kernel):
        return convolution.convolve(doubling.upsample(x, kind), kernel, padding=padding)

    @jax.jit
    def folded(x, kernel):
        return doubling.convolve_doubled(doubling.Doubled(x, kind), kernel, padding=padding)

    expected, transpose = jax.vjp(plain, x, kernel)
    result, folded_transpose = jax.vjp(folded, x, kernel)
    cotangent = data(*expected.shape, seed=2)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    for ours, theirs in zip(folded_transpose(cotangent), transpose(cotangent), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", doubling.UPSAMPLINGS)
def test_parts_stand_for_their_concatenation(kind):
    skip, coarse = data(8, 6, 2), data(4, 3, 5, seed=1)
    joined = np.concatenate([skip, doubling.upsample(coarse, kind)], axis=-1)
    parts = (skip, doubling.Doubled(jnp.asarray(coarse), kind))
    norm, conv = blocks.Norm(), blocks.Conv(width=4)
    scaled = {"params": {"scale": data(7, seed=2), "bias": data(7, seed=3)}}

    def applied(layer, params, *parts):
        return jit(lambda params: layer.apply(params, *parts))(params)

    first, second = jit(
        lambda scaled: [getattr(part, "x", part) for part in norm.apply(scaled, *parts)]
    )(scaled)
    normal = np.concatenate([first, doubling.upsample(second, kind)], axis=-1)
    np.testing.assert_allclose(normal, applied(norm, scaled, joined), atol=1e-5)
    params = jit(conv.init)(KEY, joined)
    shapes = jax.eval_shape(lambda key: conv.init(key, *parts), KEY)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)
    ours, plain = applied(conv, params, *parts), applied(conv, params, joined)
    np.testing.assert_allclose(ours, plain, atol=1e-5)

    def split(scaled, params, skip, coarse):
        return conv.apply(params, *norm.apply(scaled, skip, doubling.Doubled(coarse, kind)))

    def whole(scaled, params, skip, coarse):
        joined = jnp.concatenate([skip, doubling.upsample(coarse, kind)], axis=-1)
        return conv.apply(params, norm.apply(scaled, joined))

    cotangent = jnp.asarray(data(8, 6, 4, seed=4))

    def pulled_back(function):
        return jit(lambda *values: jax.vjp(function, *values)[1](cotangent))(
            *(scaled, params, skip, coarse)
        )

    ours, theirs = pulled_back(split), pulled_back(whole)
    for mine, plain in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(mine, plain, atol=1e-4 * np.abs(plain).max())


@pytest.mark.slow
def test_smooth_is_linear_and_composes():
    """Forward mode, reverse mode and vmap agree with the same filter written plainly."""
    taps = (0.2, 0.5, 0.2)
    x, v = data(6, 7, 2), data(6, 7, 2, seed=1)

    def plain(x):
        window = np.outer(taps, taps)
        return sum(window[i, j] * x[i : i + 4, j : j + 5] for i in range(3) for j in range(3))

    smoothed = jax.jit(lambda x: smooth(x, taps))
    np.testing.assert_allclose(smoothed(x), plain(x), atol=1e-6)
    np.testing.assert_allclose(jax.jvp(smoothed, (x,), (v,))[1], plain(v), atol=1e-6)
    cotangent = data(4, 5, 2, seed=2)
    for function in (smoothed, lambda x: smooth(x, taps)):
        ours, theirs = (jax.vjp(f, x)[1](cotangent)[0] for f in (function, plain))
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    batch = jax.vmap(smoothed, in_axes=2, out_axes=1)(x)
    np.testing.assert_allclose(batch, np.moveaxis(plain(x), 2, 1), atol=1e-6)
    curvature = jax.hessian(lambda x: jnp.sum(smoothed(x) ** 2))(x[:, :, 0])
    assert curvature.shape == (6, 7, 6, 7)


@pytest.mark.parametrize("mode", ["edge", "reflect"])
@pytest.mark.parametrize(("shape", "border"), [((5, 4, 2), 1), ((5, 4, 2), 3), ((1, 3, 2), 2)])
def test_extend_equals_pad(mode, shape, border):
    """Values, gradients, forward mode and a batch; also of maps smaller than the border."""
    x, v = data(*shape), data(*shape, seed=1)

    def plain(x):
        return jnp.pad(x, ((border, border), (border, border), (0, 0)), mode=mode)

    def ours(x):
        return extend(x, border, mode)

    expected, transpose = jax.vjp(plain, x)
    cotangent = data(*expected.shape, seed=2)
    np.testing.assert_array_equal(ours(x), expected)
    np.testing.assert_allclose(
        jax.vjp(ours, x)[1](cotangent)[0], transpose(cotangent)[0], atol=1e-6
    )
    np.testing.assert_array_equal(jax.jvp(ours, (x,), (v,))[1], plain(v))
    batch = jnp.stack([x, v])
    np.testing.assert_array_equal(jax.vmap(ours)(batch), jax.vmap(plain)(batch))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "plain", "shapes"),
    [
        (total, lambda x: jnp.sum(x, axis=(0, 1)), [(5, 4, 3)]),
        (
            lambda v: spread(v, (5, 4)),
            lambda v: jnp.broadcast_to(v, (5, 4, 3)),
            [(3,)],
        ),
        (
            add_border,
            lambda x, rows, columns: (
                x.at[jnp.array([0, -1])].add(rows).at[:, jnp.array([0, -1])].add(columns)
            ),
            [(5, 4, 3), (2, 4, 3), (5, 2, 3)],
        ),
    ],
)
def test_linear_maps_equal_the_plain_ones(ours, plain, shapes):
    """Values, gradients, forward mode, and a batch of some arguments."""
    args = [jnp.asarray(data(*shape, seed=seed)) for seed, shape in enumerate(shapes)]
    expected, transpose = jax.vjp(plain, *args)
    cotangent = data(*expected.shape, seed=3)
    result, our_transpose = jax.vjp(ours, *args)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    for mine, theirs in zip(our_transpose(cotangent), transpose(cotangent), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    np.testing.assert_allclose(
        jax.jvp(ours, args, args)[1], jax.jvp(plain, args, args)[1], atol=1e-5
    )
    for changed in range(len(args)):
        for axis in range(args[changed].ndim + 1):
            batched, axes = list(args), [None] * len(args)
            batched[changed] = jnp.stack([args[changed], -2 * args[changed]], axis)
            axes[changed] = axis
            np.testing.assert_allclose(
                jax.vmap(ours, axes)(*batched), jax.vmap(plain, axes)(*batched), atol=1e-5
            )


@pytest.mark.parametrize(("shape", "stages"), [((32, 32, 3), 1), ((40, 30, 3), 2)])
def test_sum_of_a_large_map_is_taken_in_two_stages(shape, stages):
    x = data(*shape)
    program = jax.jit(total).lower(x).as_text()
    assert program.count("stablehlo.reduce(") == stages
    assert program.count("optimization_barrier") == stages - 1
    expected = x.astype(np.float64).sum((0, 1))
    np.testing.assert_allclose(total(x), expected, atol=1e-6 * np.abs(x).sum((0, 1)).max())
    np.testing.assert_array_equal(jax.grad(lambda x: total(x)[0])(x)[..., 0], 1)
