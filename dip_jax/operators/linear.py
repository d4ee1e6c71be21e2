"""Linear operators that others wrote, and checks of any operator."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from dip_jax.base import Array, Key


@dataclasses.dataclass(frozen=True)
class Linear:
    """A linear operator with its adjoint as derivative, from :func:`linear`.

    Hashable and compared by value, so operators of the same two functions share a compiled
    program.
    """

    forward: Callable[..., Any]
    adjoint: Callable[..., Any]
    on_host: jax.ShapeDtypeStruct | None = None

    def __call__(self, *arguments: Any, **named: Any) -> Array:
        """``forward(*data, image)``; only the image, the last argument, has a gradient.

        Raises:
          TypeError: for an array by name: ``forward`` and ``adjoint`` may name it differently.
        """
        if named:
            name = next(iter(named))
            raise TypeError(
                f"{name} is given by name: arrays of a linear operator go by position, before the "
                f"image, as in Partial(operator, {name})"
            )
        *data, image = arguments
        return _apply(self, tuple(data), jnp.asarray(image))


def linear(
    forward: Callable[..., Any],
    adjoint: Callable[..., Any],
    *,
    on_host: jax.ShapeDtypeStruct | None = None,
) -> Linear:
    """Makes an operator of two functions: a linear one, and its adjoint, which is its derivative.

    It suits programs that JAX cannot differentiate, or only slowly. NumPy functions, such as the
    products of a SciPy ``LinearOperator``, run on the host, while a compiled fit waits:

    >>> import jax, jax.numpy as jnp, scipy.sparse.linalg
    >>> from dip_jax import tasks
    >>> theirs = scipy.sparse.linalg.aslinearoperator(np.eye(8, 64, dtype=np.float32))
    >>> operator = linear(
    ...     lambda image: theirs.matvec(image.ravel()),
    ...     lambda y: theirs.rmatvec(y).reshape(8, 8, 1),
    ...     on_host=jax.ShapeDtypeStruct((8,), jnp.float32),
    ... )
    >>> check_adjoint(operator, operator.adjoint, (8, 8, 1))
    >>> task = tasks.observe(operator, jnp.ones(8))

    Make it once, and use it for all measurements: new functions compile again. Arrays that change
    come before the image, through ``Partial(operator, array)``, for which ``forward(array,
    image)`` and ``adjoint(array, y)`` are called.

    Args:
      forward: from an image to its measurement.
      adjoint: from an array of the measurement's shape and type to one of the image's. If either
        is complex, it is the conjugate transpose. (The adjoint for real images of a complex
        measurement is the real part, which is taken here.)
      on_host: the shape and type of a measurement, if both functions are NumPy's. They get and
        return NumPy arrays, and must not call JAX.

    Returns:
      A jittable, differentiable function of an image, in reverse mode. It raises a ValueError if
      the adjoint, or either function on the host, returns another shape; within a compiled fit,
      the host's error comes as a ``JaxRuntimeError`` with the same words.
    """
    return Linear(forward, adjoint, on_host)


def apply_adjoint(
    operator: Callable[[Array], Array], y: Array, shape: tuple[int, ...], dtype: Any = jnp.float32
) -> Array:
    """Applies the adjoint of a linear operator to ``y``, by JAX's derivative.

    It gives the zero-filled image of MRI and the unfiltered back-projection of tomography: rough
    pictures that can guide a fit (:func:`dip_jax.inputs.guide`).

    Args:
      operator: linear and differentiable.
      y: a measurement.
      shape: of the image.
      dtype: of the image; complex64 for a complex one.
    """
    _, transpose = jax.vjp(operator, jnp.zeros(shape, dtype))
    return jnp.conj(transpose(jnp.conj(y))[0])


def check_adjoint(
    operator: Callable[[Array], Any],
    adjoint: Callable[[Any], Any],
    shape: tuple[int, ...],
    *,
    dtype: Any = jnp.float32,
    key: Key | None = None,
    tolerance: float = 1e-5,
) -> None:
    """Checks that ``<y, A x>`` equals ``<A* y, x>`` for random x and y: the inner-product test.

    Args:
      operator: from an image to its measurement.
      adjoint: from a measurement to an image.
      shape: of images.
      dtype: of images.
      key: decides x and y; by default ``jax.random.key(0)``.
      tolerance: the largest difference, as a share of ``|A x| |y|``.

    Raises:
      ValueError: with both numbers, if they differ; also if a result is not finite or has another
        shape than it must.
    """
    x_key, y_key = jax.random.split(jax.random.key(0) if key is None else key)
    x = jax.random.normal(x_key, shape, dtype)
    measured = _measure(operator, x)
    y = jax.random.normal(y_key, measured.shape, measured.dtype)
    on_host = getattr(operator, "on_host", None) is not None
    back = np.asarray(adjoint(np.asarray(y) if on_host else y))
    if back.shape != shape:
        raise ValueError(f"adjoint returns the shape {back.shape}: must be the image's, {shape}")
    if not np.isfinite(back).all():
        raise ValueError("adjoint returns values that are not finite")
    left = np.vdot(np.asarray(y, np.complex128), measured)
    right = np.vdot(back.astype(np.complex128), np.asarray(x))
    if not np.iscomplexobj(x):  # their adjoint may be that for complex images
        left, right = left.real, right.real
    scale = np.linalg.norm(measured.ravel()) * np.linalg.norm(np.asarray(y).ravel())
    if abs(left - right) > tolerance * scale:
        raise ValueError(
            f"adjoint is not the operator's: <y, A x> is {left:.6g}, but <A* y, x> {right:.6g}"
        )


def check_derivative(
    operator: Callable[[Array], Array],
    image: Array,
    *,
    key: Key | None = None,
    step: float = 1e-2,
    tolerance: float = 1e-2,
) -> None:
    """Checks that JAX can differentiate an operator, linear or not, and does so rightly.

    The derivative at ``image``, in a random direction d, is compared with ``(A(image + step d) -
    A(image - step d)) / (2 step)``, both multiplied by a random measurement.

    Args:
      operator: from an image to its measurement.
      image: where to differentiate.
      key: decides the direction and the measurement; by default ``jax.random.key(0)``.
      step: in the image's units.
      tolerance: the largest difference, as a share of the product of norms. For a linear operator
        it may be 1e-4, with a step of 1.

    Raises:
      ValueError: with both numbers, if they differ; also if the operator cannot be traced, or
        returns numbers that are not finite or are integers.
    """
    keys = jax.random.split(jax.random.key(0) if key is None else key)
    direction = jax.random.normal(keys[0], image.shape, image.dtype)
    measured = _measure(operator, image)
    try:
        shape, transpose = jax.vjp(operator, image)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"operator is not differentiable by JAX ({type(error).__name__}): give its adjoint by "
            "dip_jax.operators.linear"
        ) from error
    y = jax.random.normal(keys[1], shape.shape, measured.dtype)
    (gradient,) = transpose(jnp.conj(y))
    ahead, behind = (_measure(operator, image + sign * step * direction) for sign in (1, -1))
    change = (ahead.astype(np.complex128) - behind) / (2 * step)
    left = np.vdot(np.asarray(y), change).real
    right = np.vdot(np.asarray(gradient, np.complex128).conj(), np.asarray(direction)).real
    scale = np.linalg.norm(change.ravel()) * np.linalg.norm(np.asarray(y).ravel())
    if abs(left - right) > tolerance * scale:
        raise ValueError(
            f"operator's derivative is wrong: measured as {left:.6g}, but by JAX {right:.6g}"
        )


def _measure(operator: Callable[[Array], Any], image: Array) -> np.ndarray:
    measured = np.asarray(operator(image))
    if not jnp.issubdtype(measured.dtype, jnp.inexact):
        raise ValueError(f"operator returns {measured.dtype}: must be floating-point or complex")
    if not np.isfinite(measured).all():
        raise ValueError("operator returns values that are not finite")
    return measured


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _apply(operator: Linear, data: tuple, image: Array) -> Array:
    if operator.on_host is None:
        return operator.forward(*data, image)
    return _call_host("forward", operator.forward, operator.on_host, (*data, image))


def _apply_forward(operator: Linear, data: tuple, image: Array) -> tuple[Array, tuple]:
    # Of the image, only the shape is used: the compiler keeps nothing of it.
    return _apply(operator, data, image), (data, image)


def _apply_backward(operator: Linear, kept: tuple, cotangent: Array) -> tuple[None, Array]:
    data, image = kept
    # JAX's derivative is the transpose: the adjoint without the conjugation.
    y = jnp.conj(cotangent)
    if operator.on_host is None:
        back = operator.adjoint(*data, y)
    else:
        back = _call_host("adjoint", operator.adjoint, image, (*data, y))
    if back.shape != image.shape:
        raise ValueError(
            f"adjoint returns the shape {back.shape}: must be the image's, {image.shape}"
        )
    back = jnp.conj(back)
    return None, (back if jnp.iscomplexobj(image) else jnp.real(back)).astype(image.dtype)


_apply.defvjp(_apply_forward, _apply_backward)


def _call_host(name: str, function: Callable[..., Any], like: Any, arguments: tuple) -> Array:
    """Calls a NumPy function that returns an array of the shape and type of ``like``."""
    shape, dtype = tuple(like.shape), like.dtype

    def call(*arrays: Any) -> np.ndarray:
        result = np.asarray(function(*map(np.asarray, arrays)))
        if result.shape != shape:
            raise ValueError(f"{name} returns the shape {result.shape}: must be {shape}")
        if not jnp.issubdtype(dtype, jnp.complexfloating):
            result = np.real(result)
        return result.astype(dtype)

    if not any(isinstance(each, Tracer) for each in arguments):
        return jnp.asarray(call(*arguments))  # errors of theirs come as they are
    result = jax.ShapeDtypeStruct(shape, dtype)
    return jax.pure_callback(call, result, *arguments, vmap_method="sequential")
