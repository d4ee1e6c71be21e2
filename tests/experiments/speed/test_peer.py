"""The PyTorch peer computes what dip_jax computes: picture, loss, gradient, steps of Adam.

In double precision, where equality shows: in single precision, rounding flips the sign of
an activation here and there, and Adam divides small gradients by their own size.
"""

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dip_jax import Skip
from dip_jax.methods import DipState, dip
from dip_jax.tasks import denoise

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra bench)")

NETS = {
    "paper": Skip(widths=(6, 8), skip_widths=4),
    "fast": Skip(
        widths=(6, 8), skip_widths=(3, 2), upsampling="nearest", bias=False, padding="zero"
    ),
    "edge": Skip(widths=(6, 8), skip_widths=(0, 2), bias=False, padding="edge"),
}
DEPTH = 5


@pytest.fixture(params=NETS)
def pair(request):
    """Both fits from equal weights: ``(network, params, z, y, the peer's fit)``."""
    from experiments.speed import peer

    net = NETS[request.param]
    z = jax.random.uniform(jax.random.key(1), (32, 40, DEPTH))
    y = jax.random.uniform(jax.random.key(2), (32, 40, 3))
    params = jax.device_get(net.init(jax.random.key(0), z))
    torch.set_default_dtype(torch.float64)
    with jax.enable_x64(True):
        params, z, y = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), (params, z, y))
        network = peer.TorchSkip(net, DEPTH)
        network.load(params)
        theirs = peer.Fit(
            network, peer.to_tensor(z), peer.to_tensor(y), learning_rate=0.01, jitter=0.0
        )
        yield net, params, z, y, theirs
    torch.set_default_dtype(torch.float32)


def test_picture_loss_and_gradient_are_equal(pair):
    from experiments.speed import peer

    net, params, z, y, theirs = pair

    @jax.jit
    def ours(params):
        image = net.apply(params, z)
        return denoise(y).loss(image), image

    (loss, image), grads = jax.value_and_grad(ours, has_aux=True)(params)
    torch_loss, torch_image = theirs.forward()
    torch_loss.backward()
    torch_image = torch_image.detach()[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(torch_image, image, atol=1e-12)
    np.testing.assert_allclose(torch_loss.item(), loss, rtol=1e-12)
    torch_grads = {name: p.grad for name, p in theirs.network.named_parameters()}
    grads = flax.traverse_util.flatten_dict(grads["params"], sep="/")
    assert {peer.convert_name(path) for path in grads} == set(torch_grads)
    for path, grad in grads.items():
        other = torch_grads[peer.convert_name(path)].numpy()
        other = other.transpose(2, 3, 1, 0) if other.ndim == 4 else other
        np.testing.assert_allclose(other, grad, atol=1e-14, err_msg=path)


def test_steps_of_adam_are_equal(pair):
    net, params, z, y, theirs = pair
    adam = optax.adam(0.01)
    step = jax.jit(dip(net, adam, jitter=0.0).step)
    state = DipState(params, adam.init(params), z, jax.random.key(0), jnp.zeros((), jnp.int32))
    for _ in range(4):
        expected = theirs.forward()[0].item()
        theirs.step()
        state, info = step(state, denoise(y))
        np.testing.assert_allclose(info.loss, expected, rtol=1e-7)


def test_the_peer_says_what_it_lacks():
    from experiments.speed import peer

    with pytest.raises(ValueError, match="lacks"):
        peer.TorchSkip(Skip(widths=(8, 8), downsampling="max"), DEPTH)
