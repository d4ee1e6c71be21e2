"""What a restoration returns, for one fit or several put together."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from dip_jax.app.files.checkpoint import Arrays
from dip_jax.app.files.trace import concatenate_traces
from dip_jax.app.recipe import Preset
from dip_jax.app.restore.span import Span
from dip_jax.members import combine
from dip_jax.noise import NoiseModel, Verdict


class Restoration(NamedTuple):
    """What :func:`dip_jax.app.restore` returns."""

    image: np.ndarray
    """float32 ``[h, w, c]`` in [0, 1]."""
    raw: np.ndarray
    """The fit's own estimate, before what is known was put back (inpainting, super-resolution), or
    before it was refined (denoising)."""
    trace: dict[str, np.ndarray]
    """One value a step of the fit: ``loss``; with a reference, ``psnr`` of the iterate and
    ``average_psnr`` of the average; ``restores`` after a divergence; for a stopping rule, its
    ``validation`` error or the outputs' ``variance``, and ``chosen``, the step (from 1, not
    counting those that a divergence undid) that it would return. Several members follow one
    another, with their number ``member``, and so do tiles, with ``tile``."""
    preset: Preset
    """The settings in force, with nothing left open; ``preset.stop`` is the stopping rule."""
    noise: NoiseModel | None
    """The noise of the picture: as given, or estimated where that was needed."""
    uncertainty: np.ndarray | None
    """With two members and more: float32 ``[h, w]``, their standard deviation; 0 where known
    pixels were put back. For enlarged pictures, before the correction to the small one."""
    members: int
    """Fits whose mean is ``raw``."""
    compile_seconds: float
    """From the call until the first step was done."""
    fit_seconds: float
    """All other steps, and refining."""
    interrupted: bool
    verdict: Verdict | None = None
    """What was found about the noise, if its kind was not given."""
    span: Span = Span()
    """The range of the picture's values in which it was fitted."""
    carried: Mapping[int, Arrays] | None = None
    """What another picture can continue from, by member: what this one learned or, if it was of
    another kind, what it was given. None without ``warm_start``."""
    kernel: np.ndarray | None = None
    """float64 ``[k, l]``, the kernel that was found for ``kernel="unknown"``; else None."""
    doubt: str = ""
    """Why the result should be checked before it is used; empty if there is no reason."""


def combine_members(done: list[Restoration], y: np.ndarray, *, interrupted: bool) -> Restoration:
    """Returns the members' restorations of ``y``, one or more, as one."""
    if len(done) == 1:
        return done[0]._replace(interrupted=interrupted)
    # Outliers show in what was fitted: the results' known pixels are all the same.
    fitted = combine(jnp.stack([outcome.raw for outcome in done]))
    kept = np.flatnonzero(fitted.kept)
    images = [done[i].image for i in (kept if kept.size else [0])]
    ensemble = combine(jnp.stack(images), math.inf)
    return done[0]._replace(
        image=done[0].preset.task.combine(images, y),
        raw=np.asarray(fitted.image),
        trace=concatenate_traces([outcome.trace for outcome in done], "member"),
        uncertainty=np.asarray(ensemble.deviation) if kept.size > 1 else None,
        members=kept.size,
        fit_seconds=sum(outcome.compile_seconds + outcome.fit_seconds for outcome in done)
        - done[0].compile_seconds,
        interrupted=interrupted,
    )
