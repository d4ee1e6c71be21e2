"""What a restoration returns, of one fit or of several put together."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from dip_jax.app.noise import Noise
from dip_jax.app.settings import Preset
from dip_jax.members import combine


class Restoration(NamedTuple):
    """What :func:`dip_jax.app.restore` returns."""

    image: np.ndarray
    """float32 ``[h, w, c]`` in [0, 1]."""
    raw: np.ndarray
    """The fit's own estimate, before what is known was put back (inpainting, super-resolution)."""
    trace: dict[str, np.ndarray]
    """One value a step: ``loss``; with a reference, ``psnr`` of the iterate and
    ``average_psnr`` of the average; ``restores`` after a divergence; of a stopping rule, its
    ``validation`` error or the outputs' ``variance``, and ``chosen``, the step (from 1, of those
    that no divergence took back) that it would return. Of several members one after the other,
    with their number, ``member``, and so of tiles, ``tile``."""
    preset: Preset
    """The settings in force; ``preset.stop`` is the stopping rule."""
    noise: Noise | None
    """The noise of the picture: as given, or estimated where that was needed."""
    uncertainty: np.ndarray | None
    """Of two members and more: float32 ``[h, w]``, their standard deviation; 0 where known pixels
    were put back. Of enlarged pictures, before they were made to agree with the small one."""
    members: int
    """Fits that ``image`` is the mean of."""
    compile_seconds: float
    """From the call until the first step was done."""
    fit_seconds: float
    """All other steps."""
    interrupted: bool


def combined(fit: Callable[[int], Restoration], members: int) -> Restoration:
    """The mean of ``fit(0)``, ``fit(1)``, ...; of those finished, if interrupted."""
    done: list[Restoration] = []
    interrupted = False
    while len(done) < members and not interrupted:
        try:
            outcome = fit(len(done))
        except KeyboardInterrupt:
            if not done:
                raise
            interrupted = True
            break
        interrupted = outcome.interrupted
        if not (interrupted and done):  # an unfinished one would only spoil the others
            done.append(outcome)
    if len(done) == 1:
        return done[0]._replace(interrupted=interrupted)
    # Who went astray shows in what was fitted: a result's known pixels are all the same.
    fitted = combine(jnp.stack([outcome.raw for outcome in done]))
    kept = np.flatnonzero(fitted.kept)
    ensemble = combine(jnp.stack([done[i].image for i in (kept if kept.size else [0])]), math.inf)
    return done[0]._replace(
        image=np.asarray(ensemble.image),
        raw=np.asarray(fitted.image),
        trace=in_order([outcome.trace for outcome in done], "member"),
        uncertainty=np.asarray(ensemble.deviation) if kept.size > 1 else None,
        members=kept.size,
        fit_seconds=sum(outcome.compile_seconds + outcome.fit_seconds for outcome in done)
        - done[0].compile_seconds,
        interrupted=interrupted,
    )


def at_the_end(trace: dict[str, np.ndarray], name: str) -> list[int]:
    """The last value of ``name`` in each fit's part of a trace; empty if it has none."""
    if name not in trace:
        return []
    ends = np.append(steps_of(trace)[1:] == 1, True)
    return [int(value) for value in trace[name][ends]]


def steps_of(trace: dict[str, np.ndarray]) -> np.ndarray:
    """The number of each row's step, from 1 on in every member of every tile."""
    length = len(trace["loss"])
    first = np.arange(length) == 0
    for name in ("tile", "member"):
        if name in trace:
            first[1:] |= np.diff(trace[name]) != 0
    begins = np.flatnonzero(first)
    return np.arange(length) - np.repeat(begins, np.diff(begins, append=length)) + 1


def in_order(traces: list[dict[str, np.ndarray]], name: str) -> dict[str, np.ndarray]:
    """Traces one after the other, with their number as ``name``."""
    numbers = np.concatenate([np.full(len(t["loss"]), i) for i, t in enumerate(traces)])
    return {name: numbers} | {key: np.concatenate([t[key] for t in traces]) for key in traces[0]}
