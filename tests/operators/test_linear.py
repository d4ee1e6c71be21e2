"""Operators that others wrote, and the checks of any operator."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse.linalg
from jax.tree_util import Partial

import dip_jax
from dip_jax import loop, operators
from tests.operators.common import check_adjoint_of_derivative, count_traces
from tests.toy import Toy

SHAPE = (4, 5, 1)
GENERATOR = np.random.default_rng(0)
MATRIX = GENERATOR.normal(size=(7, 20)).astype(np.float32)
COMPLEX = (MATRIX + 1j * GENERATOR.normal(size=(7, 20))).astype(np.complex64)


def times(matrix, image):
    return matrix @ image.ravel()


def back(matrix, y):
    return (jnp.conj(matrix).T @ y).reshape(SHAPE)


def on_host(matrix):
    """A SciPy operator, which no JAX function can trace."""
    theirs = scipy.sparse.linalg.aslinearoperator(matrix)
    return operators.linear(
        lambda image: theirs.matvec(image.ravel()),
        lambda y: theirs.rmatvec(y).reshape(SHAPE),
        on_host=jax.ShapeDtypeStruct((7,), matrix.dtype),
    )


@pytest.mark.slow
@pytest.mark.parametrize("matrix", [MATRIX, COMPLEX])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_both_kinds_have_the_derivative_of_the_plain_function(matrix, dtype):
    if matrix is MATRIX and dtype == jnp.complex64:
        pytest.skip("its host function would drop the imaginary part")
    image = jax.random.normal(jax.random.key(0), SHAPE, dtype)
    y = jax.random.normal(jax.random.key(1), (7,), matrix.dtype)
    plain = Partial(times, matrix)
    expected = jax.value_and_grad(dip_jax.observe(plain, y).loss)(image)
    for operator in (Partial(operators.linear(times, back), matrix), on_host(matrix)):
        np.testing.assert_allclose(operator(image), plain(image), rtol=1e-5)  # at once
        found = jax.jit(jax.value_and_grad(dip_jax.observe(operator, y).loss))(image)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-4)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-5)
        check_adjoint_of_derivative(operator, SHAPE, dtype)


def test_several_images_at_once():
    images = jax.random.normal(jax.random.key(0), (3, *SHAPE))
    ours = jax.vmap(jax.grad(lambda x: jnp.sum(on_host(MATRIX)(x) ** 2)))(images)
    theirs = jax.vmap(jax.grad(lambda x: jnp.sum(times(MATRIX, x) ** 2)))(images)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_fit_calls_the_host_and_a_second_one_compiles_nothing():
    operator = on_host(MATRIX)
    truth = 0.5 + 0.3 * jax.random.normal(jax.random.key(0), SHAPE)
    fit = dip_jax.dip(Toy(), optax.adam(0.1), jitter=0)
    programs = []
    for image in (truth, 0.5 * truth):
        task = dip_jax.observe(operator, operator(image))
        _, trace = dip_jax.run(fit, jax.random.key(1), task, jnp.ones((4, 5, 2)), steps=60)
        assert trace["loss"][-1] < 0.1 * trace["loss"][0]
        programs.append(loop.compilations("cpu"))
    assert programs[0] == programs[1]


def test_operators_of_the_same_functions_share_a_program():
    two = [Partial(operators.linear(times, back), jnp.asarray(scale * MATRIX)) for scale in (1, 2)]
    assert count_traces(two, jnp.ones(SHAPE)) == 1


def test_adjoint_of_any_operator_comes_from_its_derivative():
    y = jax.random.normal(jax.random.key(1), (7,), jnp.complex64)
    found = operators.apply_adjoint(Partial(times, COMPLEX), y, SHAPE, jnp.complex64)
    np.testing.assert_allclose(found, back(COMPLEX, y), rtol=1e-4, atol=1e-5)
    real = operators.apply_adjoint(Partial(times, COMPLEX), y, SHAPE)
    assert real.dtype == jnp.float32
    np.testing.assert_allclose(real, back(COMPLEX, y).real, rtol=1e-4, atol=1e-5)


def test_wrong_adjoint_is_refuted_with_both_numbers():
    with pytest.raises(ValueError, match="adjoint is not the operator's") as caught:
        operators.check_adjoint(Partial(times, MATRIX), lambda y: 2 * back(MATRIX, y), SHAPE)
    left, right = map(float, re.findall(r"> is (\S+), but <A\* y, x> (\S+)", str(caught.value))[0])
    np.testing.assert_allclose(right, 2 * left, rtol=1e-4)
    # The transpose without the conjugation.
    with pytest.raises(ValueError, match="adjoint is not the operator's"):
        operators.check_adjoint(
            Partial(times, COMPLEX), lambda y: back(COMPLEX.conj(), y), SHAPE, dtype=jnp.complex64
        )


def divide(image):
    return image / jnp.zeros(())


def in_numpy(image):
    return jnp.asarray(np.asarray(image) ** 2)


def count(image):
    return jnp.sum(image > 0)[None]


def without_derivative(image):
    return jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct(SHAPE, jnp.float32), image)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (
            lambda: operators.check_adjoint(Partial(times, MATRIX), lambda y: y, SHAPE),
            r"adjoint returns the shape \(7,\): must be the image's, \(4, 5, 1\)",
        ),
        (
            lambda: operators.check_adjoint(divide, lambda y: y, SHAPE),
            "operator returns values that are not finite",
        ),
        (
            lambda: operators.check_adjoint(lambda x: x, divide, SHAPE),
            "adjoint returns values that are not finite",
        ),
        (
            lambda: operators.check_derivative(count, jnp.ones(SHAPE)),
            "operator returns int32: must be floating-point or complex",
        ),
        (
            lambda: operators.check_derivative(in_numpy, jnp.ones(SHAPE)),
            r"not differentiable by JAX \(TracerArrayConversionError\): give its adjoint",
        ),
        (
            lambda: operators.check_derivative(without_derivative, jnp.ones(SHAPE)),
            "operator is not differentiable by JAX",
        ),
        (
            lambda: operators.check_derivative(jax.lax.stop_gradient, jnp.ones(SHAPE)),
            r"operator's derivative is wrong: measured as \S+, but by JAX 0",
        ),
        (
            lambda: operators.linear(
                lambda image: np.ones(3),
                lambda y: y,
                on_host=jax.ShapeDtypeStruct((7,), jnp.float32),
            )(jnp.ones(SHAPE)),
            r"forward returns the shape \(3,\): must be \(7,\)",
        ),
        (
            lambda: jax.grad(lambda x: operators.linear(jnp.ravel, lambda y: y)(x).sum())(
                jnp.ones(SHAPE)
            ),
            r"adjoint returns the shape \(20,\): must be the image's, \(4, 5, 1\)",
        ),
    ],
)
def test_what_is_wrong_is_told(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_arrays_by_name_are_refused_in_a_sentence():
    operator = Partial(operators.linear(times, back), matrix=MATRIX)
    with pytest.raises(TypeError, match=r"matrix is given by name: .* Partial\(operator, matrix\)"):
        operator(jnp.ones(SHAPE))


def test_derivatives_of_other_operators_pass():
    image = jax.random.uniform(jax.random.key(0), SHAPE) + 0.5
    operators.check_derivative(jnp.log, image)
    pairs = jax.random.normal(jax.random.key(0), (4, 5, 2))
    operators.check_derivative(operators.to_complex, pairs, step=1.0, tolerance=1e-4)
