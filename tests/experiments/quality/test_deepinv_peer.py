"""deepinv's Deep Image Prior on our operators; needs PyTorch, and for a fit deepinv."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from dip_jax import operators
from experiments.quality import deepinv_peer

torch = pytest.importorskip("torch")


def test_pytorch_gets_our_operator_and_its_adjoint():
    angles = jnp.array([0.0, 30.0, 100.0])
    operator = Partial(operators.radon, angles=angles)
    measure = deepinv_peer.make_torch_operator(operator, (8, 8, 1))
    numbers = np.random.default_rng(0)
    image = torch.tensor(numbers.random((1, 1, 8, 8), np.float32), requires_grad=True)
    seen = measure(image)
    ours = operator(jnp.asarray(image.detach().numpy()[0, 0, :, :, None]))
    np.testing.assert_allclose(seen.detach().numpy()[0, 0], ours[:, :, 0], rtol=1e-5)
    y = numbers.random(seen.shape, np.float32)
    seen.backward(torch.tensor(y))
    back = operators.back_project(jnp.asarray(y[0, 0, :, :, None]), angles, 8, 8)
    np.testing.assert_allclose(image.grad.numpy()[0, 0], back[:, :, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("phase", [None, 1.0])
def test_the_best_iterate_is_kept(phase, monkeypatch):
    pytest.importorskip("deepinv")
    monkeypatch.setitem(deepinv_peer.NETWORKS, "deepinv", (4, 2))
    truth = jnp.zeros((16, 16, 1)).at[4:12, 6:14].set(0.8)
    operator = Partial(operators.mask, known=jnp.ones((16, 16, 1)))
    if phase is not None:
        operator = Partial(operators.sample_fourier, mask=jnp.ones((1, 16, 1)))
    scores = []

    def score(image):
        assert jnp.iscomplexobj(image) == (phase is not None)
        scores.append(-float(jnp.mean(jnp.abs(image - truth) ** 2)))
        return scores[-1]

    y = operator(truth)
    best = deepinv_peer.fit_theirs("deepinv", operator, y, truth.shape, 30, score, 0)
    assert len(scores) == 31  # and the last one, after the last step
    assert best.score == max(scores) > scores[0] + 0.05
    assert best.step == int(np.argmax(scores))
    assert score(best.image) == pytest.approx(best.score, rel=1e-5)
    assert best.seconds > 0
    again = deepinv_peer.fit_theirs("deepinv", operator, y, truth.shape, 1, score, 0)
    assert jax.numpy.isfinite(again.image).all()
