"""MRI, tomography and compressed sensing: our fit against others, PSNR of images.

  python -m experiments.quality.measurement_table --measurements=mri --methods=plain,tv,ours

Measurements, of pictures with one channel:

- ``mri``: one coil, 4-fold Cartesian undersampling at random with 8 % of the columns in the middle,
  of a complex image without phase. Noise of ``--noise`` a component, in units of the image.
  128 x 128 pixels.
- ``ct``: 60 parallel angles over 180 degrees. Noise of ``--noise`` times the largest line integral.
  128 x 128 pixels.
- ``sensing``: products with Gaussian vectors, a quarter as many as pixels. Noise of ``--noise``
  times their root mean square. 64 x 64 pixels.

All methods get the same arrays. The score of a complex image is that of its absolute value.

- ``plain``: the zero-filled image, the filtered back-projection with a ramp filter, or the adjoint.
- ``tv``: total variation, by Chambolle and Pock's algorithm, with the weight that gives the best
  PSNR. No user can choose it so: the line is an upper limit.
- ``skip``: a fit of a network with skip connections, stopped by a tenth of the lines, angles or
  products held out. ``oracle`` in the rows is the best PSNR of its run, which no user knows.
- ``ours``: its result, refined by :func:`dip_jax.refine_measured`, which is told the noise level.
- ``deep_decoder``: as ``skip``, with the Deep Decoder (Heckel and Hand, 2019) for a network.
- ``deepinv``: deepinv's Deep Image Prior with its defaults, ``--deepinv_steps`` steps, of which
  the one with the best PSNR counts: an upper limit too. ``deepinv_64``: with the network of its
  own example, of 64 channels in place of 256. Needs deepinv; see the extra of this name.

Rows are saved in --out as they are done; the same command resumes.
"""

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags
from jax.tree_util import Partial

import dip_jax
from dip_jax import metrics, operators
from dip_jax.app import UserError
from dip_jax.app.machine import choose_device
from dip_jax.compilation import jit
from experiments.program import Table, define_backend, publish, run_program
from experiments.quality import deepinv_peer
from experiments.quality.grid import fill
from experiments.quality.tables import format_scores, list_pictures, stamp

NAME = "measurement_table"
PICTURES = ("phantom", "camera", "astronaut")  # settings were chosen on the first two
FITS = ("skip", "ours", "deep_decoder")
METHODS = ("plain", "tv", *FITS, *deepinv_peer.NETWORKS)
ANGLES = 60
WEIGHTS = 10.0 ** np.arange(-4, -1.4, 0.25)  # of total variation, for an operator of norm 1
ITERATIONS = 400
RATIO = 30.0  # with steps of equal size, thousands of iterations would be needed
KEY = ("measurement", "noise", "picture", "method", "seed")


class Case(NamedTuple):
    """A picture, and what an instrument made of it."""

    truth: jax.Array
    """``[h, w, 1]``, float32 in [0, 1]."""
    operator: Partial
    y: jax.Array
    plain: jax.Array
    """The plain inverse, a real or complex image."""
    known: jax.Array
    """1 for what is measured; what shares an entry is held out together."""
    always: jax.Array
    """1 for what is never held out."""
    sigma: Any
    """Standard deviation of the noise of ``y``, of a complex one's components."""


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    text = {"flag_values": values}
    known = ", ".join(_CASES)
    flags.DEFINE_list("measurements", list(_CASES), f"Of {known}.", **text)
    flags.DEFINE_list("pictures", list(PICTURES), "Of " + ", ".join(PICTURES) + ".", **text)
    methods = [method for method in METHODS if method not in deepinv_peer.NETWORKS]
    flags.DEFINE_list("methods", methods, "Of " + ", ".join(METHODS) + ".", **text)
    flags.DEFINE_float("noise", 0.01, "Standard deviation of the noise.", lower_bound=0, **text)
    flags.DEFINE_integer("seeds", 1, "Number of seeds of our fit.", lower_bound=1, **text)
    flags.DEFINE_integer("steps", 1000, "The most steps of our fits.", lower_bound=1, **text)
    theirs = "Steps of deepinv; fewer than its default measure its time."
    flags.DEFINE_integer("deepinv_steps", 2500, theirs, lower_bound=1, **text)
    define_backend(values)
    flags.DEFINE_string("out", f"dip-jax-results/{NAME}", "Folder for the results.", **text)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    known = {"measurements": tuple(_CASES), "pictures": PICTURES, "methods": METHODS}
    for name, choices in known.items():
        for value in values[name].value:
            if value not in choices:
                raise UserError(f"--{name}", value, "must be of " + ", ".join(choices))
    for method in deepinv_peer.NETWORKS.keys() & set(values.methods):
        deepinv_peer.check_installed(method)
    device = choose_device(values.backend)
    keys = [
        (measurement, values.noise, picture, method, seed)
        for measurement in values.measurements
        for method in values.methods
        for picture in values.pictures
        for seed in range(values.seeds if method in FITS else 1)
    ]
    path = f"{values.out}/{NAME}_rows.csv"
    steps = dict.fromkeys(FITS, values.steps)
    steps |= dict.fromkeys(deepinv_peer.NETWORKS, values.deepinv_steps)
    rows = fill(Path(path), KEY, keys, functools.partial(_compute_row, steps))
    tables = []
    for measurement in values.measurements:
        own = [row for row in rows if row["measurement"] == measurement]
        lines = format_scores(own, values.methods, "psnr", {})
        columns = ["method", *list_pictures(own), "mean", "seconds a picture"]
        heading = f"{measurement}, noise {values.noise:g}, PSNR, dB"
        tables.append(Table(heading, columns, lines, "Seconds include compilation."))
    publish(tables, f"experiments.quality.{NAME}", argv, device, values.out)


def load_truth(name: str, size: int) -> np.ndarray:
    """Returns a picture ``[size, size, 1]``, float32 in [0, 1]."""
    from skimage import color, data, transform

    whole = {
        "phantom": data.shepp_logan_phantom,
        "camera": lambda: data.camera() / 255,
        "astronaut": lambda: color.rgb2gray(data.astronaut()),
    }[name]()
    small = transform.resize(whole, (size, size), anti_aliasing=True)
    return np.clip(small, 0, 1).astype(np.float32)[:, :, None]


def _measure_mri(picture: str, noise: float, key: jax.Array) -> Case:
    truth = jnp.asarray(load_truth(picture, 128))
    keys = jax.random.split(key)
    mask = operators.cartesian_mask(keys[0], 128)
    operator = Partial(operators.sample_fourier, mask=mask)
    y = operator(truth)
    # A complex normal's variance is shared by its parts.
    y += mask * noise * 2**0.5 * jax.random.normal(keys[1], y.shape, y.dtype)
    plain = operators.apply_adjoint(operator, y, truth.shape, y.dtype)
    middle = jnp.abs(jnp.arange(128) - 64) <= 0.04 * 128
    return Case(truth, operator, y, plain, mask, 1.0 * middle[None, :, None], noise)


def _measure_ct(picture: str, noise: float, key: jax.Array) -> Case:
    truth = jnp.asarray(load_truth(picture, 128))
    angles = jnp.linspace(0.0, 180.0, ANGLES, endpoint=False)
    operator = Partial(operators.radon, angles=angles)
    y = operator(truth)
    sigma = noise * jnp.max(y)
    y += sigma * jax.random.normal(key, y.shape)
    plain = operators.filtered_back_projection(y, angles, 128, 128)
    known = jnp.ones((ANGLES, 1, 1))
    return Case(truth, operator, y, plain, known, jnp.zeros_like(known), sigma)


def _measure_products(picture: str, noise: float, key: jax.Array) -> Case:
    truth = jnp.asarray(load_truth(picture, 64))
    keys = jax.random.split(key)
    matrix = operators.sensing_matrix(keys[0], truth.size // 4, truth.shape)
    operator = Partial(operators.compress, matrix=matrix)
    y = operator(truth)
    sigma = noise * jnp.sqrt(jnp.mean(y**2))
    y += sigma * jax.random.normal(keys[1], y.shape)
    plain = operators.apply_adjoint(operator, y, truth.shape)
    known = jnp.ones(y.shape)
    return Case(truth, operator, y, plain, known, jnp.zeros_like(known), sigma)


_CASES: dict[str, Callable[[str, float, jax.Array], Case]] = {
    "mri": _measure_mri,
    "ct": _measure_ct,
    "sensing": _measure_products,
}


def _compute_row(
    steps: dict[str, int], measurement: str, noise: float, picture: str, method: str, seed: int
) -> dict[str, Any]:
    case = _CASES[measurement](picture, noise, jax.random.key(7))
    start, record = time.perf_counter(), {}
    if method == "plain":
        images = [case.plain]
    elif method == "tv":
        images = [_minimize_total_variation(case, float(weight)) for weight in WEIGHTS]
    elif method in FITS:
        images, record = _fit(case, method, steps[method], jax.random.key(seed))
        if method == "ours":
            images = [_refine(case, image) for image in images]
    else:
        images, record = _fit_theirs(case, method, steps[method], seed)
    scores = [_score(image, case.truth) for image in images]
    if method == "tv":
        record = {"weight": f"{WEIGHTS[int(np.argmax(scores))]:.2g}"}
    seconds = f"{time.perf_counter() - start:.1f}"
    return {"psnr": f"{max(scores):.3f}", "seconds": seconds, **record, **stamp()}


def _fit_theirs(
    case: Case, method: str, steps: int, seed: int
) -> tuple[list[jax.Array], dict[str, str]]:
    best = deepinv_peer.fit_theirs(
        method,
        case.operator,
        case.y,
        case.truth.shape,
        steps,
        lambda image: _score(image, case.truth),
        seed,
    )
    record = {"seconds": f"{best.seconds:.1f}", "steps": str(steps), "chosen": str(best.step)}
    return [best.image], record


def _score(image: jax.Array, truth: jax.Array) -> float:
    return float(_report(truth, image)["psnr"])


def _report(truth: jax.Array, image: jax.Array) -> dict[str, jax.Array]:
    real = jnp.abs(image) if jnp.iscomplexobj(image) else image
    return {"psnr": metrics.psnr(jnp.clip(real, 0, 1), truth)}


def _refine(case: Case, image: jax.Array) -> jax.Array:
    return dip_jax.refine_measured(
        case.operator, case.y, image, sigma=float(case.sigma), known=case.known
    )


def _fit(
    case: Case, method: str, steps: int, key: jax.Array
) -> tuple[list[jax.Array], dict[str, str]]:
    split_key, z_key, key = jax.random.split(key, 3)
    fitted, held = operators.split_mask(split_key, case.known, always=case.always)
    task = dip_jax.validate(
        dip_jax.observe(case.operator, case.y, known=fitted),
        dip_jax.observe(case.operator, case.y, known=held),
    )
    task = task._replace(metrics=Partial(_report, case.truth))
    turned = jnp.iscomplexobj(case.y)
    if turned:
        task = dip_jax.precompose(operators.to_complex, task)
    channels = 2 if turned else 1
    if method == "deep_decoder":
        network = dip_jax.DeepDecoder(channels=channels, levels=4, width=64, sigmoid=not turned)
    else:
        network = dip_jax.Skip(
            channels=channels,
            widths=(32, 48, 64, 64, 64),
            skip_widths=16,
            upsampling="nearest",
            bias=False,
            sigmoid=not turned,
        )
    fit = dip_jax.average(dip_jax.dip(dip_jax.Flat(network), optax.adam(1e-2)))
    fit = dip_jax.measured(dip_jax.validated(fit))
    fit = dip_jax.stop(fit, lambda info: info.metrics["validation"], at_least=200)
    z = dip_jax.inputs.uniform(z_key, *case.truth.shape[:2])
    state, trace = dip_jax.run(fit, key, task, z, steps=steps)
    image = dip_jax.estimate(fit, state)
    record = {
        "steps": str(len(trace["loss"])),
        "chosen": str(int(trace["chosen"][-1])),
        "oracle": f"{np.nanmax(trace['psnr']):.3f}",
    }
    return [operators.to_complex(image) if turned else image], record


@jit
def _minimize_total_variation(case: Case, weight: float) -> jax.Array:
    """Minimises ``|A x - y|**2 / 2 + weight |grad x|``, ``A`` and ``y`` scaled to norm 1.

    Source: Chambolle and Pock, 2011; Sidky, Jorgensen and Pan, 2012, for tomography.
    """
    dtype = jnp.complex64 if jnp.iscomplexobj(case.y) else jnp.float32
    shape = case.truth.shape

    def back(u: jax.Array) -> jax.Array:
        return operators.apply_adjoint(case.operator, u, shape, dtype)

    def enlarge(_: int, x: jax.Array) -> jax.Array:
        x = back(case.operator(x))
        return x / jnp.linalg.norm(x.ravel())

    start = jax.random.normal(jax.random.key(0), shape, dtype)
    norm = jnp.linalg.norm(case.operator(jax.lax.fori_loop(0, 30, enlarge, start)).ravel())
    # Below 1 over the norm of A and the gradient together; larger for the image, whose values are.
    size, share = RATIO / 3, 1 / RATIO / 3

    def iterate(_: int, state: tuple) -> tuple:
        x, ahead, u, slopes = state
        u = (u + share * (case.operator(ahead) - case.y) / norm) / (1 + share)
        slopes = slopes + share * _gradient(ahead)
        length = jnp.sqrt(jnp.sum(jnp.abs(slopes) ** 2, axis=0, keepdims=True))
        slopes = slopes / jnp.maximum(1, length / weight)
        (fall,) = jax.vjp(_gradient, x)[1](jnp.conj(slopes))
        new = x - size * (back(u) / norm + jnp.conj(fall))
        return new, 2 * new - x, u, slopes

    x = jnp.zeros(shape, dtype)
    state = (x, x, jnp.zeros_like(case.y), jnp.zeros((2, *shape), dtype))
    return jax.lax.fori_loop(0, ITERATIONS, iterate, state)[0]


def _gradient(x: jax.Array) -> jax.Array:
    """Differences along both axes, ``[2, h, w, c]``, 0 beyond the border."""
    down = jnp.pad(x[1:] - x[:-1], ((0, 1), (0, 0), (0, 0)))
    return jnp.stack([down, jnp.pad(x[:, 1:] - x[:, :-1], ((0, 0), (0, 1), (0, 0)))])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
