import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dip_jax
from tests.toy import Toy, picture

Z = jnp.ones((12, 10, 2))
KEY = jax.random.key(0)


@pytest.mark.parametrize(("optimizer", "steps"), [(optax.adam(0.1), 150), (optax.lbfgs(), 15)])
def test_fits_the_task(optimizer, steps):
    task = dip_jax.denoise(picture())
    fit = dip_jax.dip(Toy(), optimizer, jitter=0)
    state, trace = dip_jax.run(fit, KEY, task, Z, steps=steps)
    assert trace["loss"][-1] < 1e-3 * trace["loss"][0]
    np.testing.assert_allclose(dip_jax.estimate(fit, state), picture(), atol=0.02)


def test_jitter_is_fresh_each_step_and_absent_from_the_estimate():
    task = dip_jax.denoise(picture())
    fit = dip_jax.dip(Toy(leak=1.0), optax.sgd(0.0), jitter=0.5)
    state = fit.init(KEY, task, Z)
    images = []
    for _ in range(3):
        state, info = fit.step(state, task)
        images.append(np.asarray(info.image))
    clean = fit.estimate(state)
    assert len({image.tobytes() for image in images}) == 3
    np.testing.assert_array_equal(clean, fit.estimate(fit.init(KEY, task, Z)))
    noise = np.stack(images) - np.asarray(clean)
    # leak * mean over two channels of noise of deviation 0.5
    assert noise.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.15)


def test_keys_decide():
    task = dip_jax.denoise(picture())
    fit = dip_jax.dip(Toy(leak=1.0), optax.adam(0.1))
    runs = [
        dip_jax.run(fit, jax.random.key(seed), task, Z, steps=5)[1]["loss"] for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.all(runs[0] != runs[2])


def test_negative_jitter_is_refused():
    with pytest.raises(ValueError, match=r"jitter=-0\.1"):
        dip_jax.dip(Toy(), optax.adam(0.1), jitter=-0.1)
