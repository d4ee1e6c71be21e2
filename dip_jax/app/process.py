"""One picture from its inputs to its files: restored, scored, written."""

import contextlib
import datetime
import platform
import signal
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import dip_jax
from dip_jax.app import degrade
from dip_jax.app.checkpoint import Checkpoint, settings_of
from dip_jax.app.errors import FitError, UserError
from dip_jax.app.fitting import restore
from dip_jax.app.restoration import Restoration, at_the_end
from dip_jax.app.results import psnr_8_bit, rank_correlation, write_results
from dip_jax.app.resuming import alone, check_ours, common_settings, digests, finished_record
from dip_jax.app.running import Progress
from dip_jax.app.settings import Preset
from dip_jax.app.sources import Inputs

LUMA_BORDER = 4
Scores = dict[str, dict[str, float]]


class Outcome(NamedTuple):
    """What became of a picture."""

    record: dict[str, Any]
    """As it stands in ``run.json``."""
    paths: list[Path]
    """Written; empty if the picture was finished before."""
    result: Restoration | None = None
    """None if the picture was finished before."""


def process(
    values: flags.FlagValues,
    preset: Preset,
    inputs: Inputs,
    folder: Path,
    device: str,
    *,
    progress: Progress = True,
) -> Outcome:
    """Restores a picture and writes its results to ``folder``, which exists.

    With ``--resume`` a picture that is finished is left alone, and one that was begun goes on;
    with ``--overwrite`` too, what has other settings is done anew.

    Raises:
      UserError: for what the user can mend, and if the folder holds the results or the
        checkpoint of a run with other settings, or is used by another run just now.
      FitError: if the fit diverged; nothing is written then.
    """
    settings = common_settings(values, preset) | digests(inputs)
    if values.resume and not values.overwrite:
        check_ours(folder)
    with alone(folder), Checkpoint(folder, settings, values.checkpoint) as checkpoint:
        finished = None
        if values.resume:
            try:
                finished = finished_record(folder, settings)
            except UserError:
                if not values.overwrite:
                    raise
        other = values.overwrite and settings_of(folder) != settings
        if finished is not None or not values.resume or other:
            checkpoint.clear()  # a kill may have come between the results and this
        if finished is not None:
            return Outcome(finished, [])
        result = _restored(values, inputs, preset, progress, checkpoint)
        if not (np.isfinite(result.image).all() and np.isfinite(result.raw).all()):
            checkpoint.clear()
            problem = "the fit diverged beyond recovery; nothing was written. Try another "
            raise FitError(problem + "--seed or --preset")
        with _uninterrupted():
            scores = _scores(inputs, before(inputs, result.preset), result)
            record = _record(values, inputs, result, scores, device) | {"run": settings}
            paths = write_results(
                folder,
                restored=result.image,
                full_depth=inputs.full_depth,
                alpha=_alpha(inputs.alpha, result.image),
                panels=_panels(inputs, result, scores),
                uncertainty=result.uncertainty,
                trace=result.trace,
                record=record,
            )
            if not result.interrupted:
                checkpoint.clear()
    return Outcome(record, paths, result)


def _restored(
    values: flags.FlagValues,
    inputs: Inputs,
    preset: Preset,
    progress: Progress,
    checkpoint: Checkpoint,
) -> Restoration:
    height, width, _ = inputs.observed.shape
    try:
        return restore(
            inputs.observed,
            mask=inputs.mask,
            noise=values.noise,
            sigma=inputs.sigma,
            gain=inputs.gain,
            reference=inputs.reference,
            preset=preset,
            seed=values.seed,
            keep_known=values.keep_known,
            progress=progress,
            checkpoint=checkpoint,
            fit_memory=values.fit_memory,
        )
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            raise UserError(
                "--image",
                f"{width}x{height}",
                f"does not fit the device's memory with --preset={preset.name}; take "
                "--tile=512, a narrower preset or a smaller picture",
            ) from error
        raise


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignores Ctrl-C and a queue's end: who asked twice still wants the picture."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def before(inputs: Inputs, preset: Preset) -> tuple[str, np.ndarray]:
    """Name and picture that the restoration is compared with."""
    if preset.task == "super_resolve":
        return "bicubic", degrade.enlarge(inputs.observed, preset.factor)
    return "degraded", inputs.observed


def _scores(inputs: Inputs, shown: tuple[str, np.ndarray], result: Restoration) -> Scores:
    """PSNR of the 8-bit pictures; for super-resolution also of the luma, border off."""
    if inputs.reference is None:
        return {}
    pictures = {shown[0]: shown[1], "restored": result.image}
    if inputs.mask is not None:
        pictures["restored, known pixels not put back"] = result.raw
    if result.preset.task == "super_resolve":
        pictures["restored, as fitted"] = result.raw
    scores = {
        name: {"psnr": psnr_8_bit(picture, inputs.reference)} for name, picture in pictures.items()
    }
    if result.preset.task == "super_resolve":
        for name, picture in pictures.items():
            luma = dip_jax.metrics.psnr_luma(
                jnp.asarray(picture), jnp.asarray(inputs.reference), LUMA_BORDER
            )
            scores[name]["psnr_luma"] = float(luma)
    return scores


def _panels(inputs: Inputs, result: Restoration, scores: Scores) -> list[tuple[str, np.ndarray]]:
    panels = [before(inputs, result.preset), ("restored", result.image)]
    if inputs.reference is not None:
        panels.append(("reference", inputs.reference))
    return [
        (f"{name}  {scores[name]['psnr']:.2f} dB" if name in scores else name, picture)
        for name, picture in panels
    ]


def _alpha(alpha: np.ndarray | None, image: np.ndarray) -> np.ndarray | None:
    """The alpha channel, untouched, or repeated to the size of an enlarged picture."""
    if alpha is None or alpha.shape == image.shape[:2]:
        return alpha
    factor = image.shape[0] // alpha.shape[0]
    return alpha.repeat(factor, 0).repeat(factor, 1)


def _record(
    values: flags.FlagValues,
    inputs: Inputs,
    result: Restoration,
    scores: Scores,
    device: str,
) -> dict[str, Any]:
    packages = ("jax", "jaxlib", "flax", "optax", "dm-pix", "numpy", "pillow", "scikit-image")
    preset = result.preset._asdict()
    preset["options"] = dict(preset["options"])
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "flags": {
            name: values[name].value for name in values if name not in ("help", "list_presets")
        },
        "settings": preset,
        "picture": {
            "name": inputs.name,
            "shape": inputs.observed.shape,
            "damage": inputs.damage,
            "noise": None if result.noise is None else result.noise._asdict(),
            "noise_estimated": result.noise is not None and not given(inputs),
        },
        "versions": {name: version(name) for name in packages}
        | {"dip_jax": dip_jax.__version__, "python": platform.python_version()},
        "device": device,
        "seconds": {"compile": result.compile_seconds, "fit": result.fit_seconds},
        "steps": len(result.trace["loss"]),
        "chosen_steps": at_the_end(result.trace, "chosen"),
        "members": result.members,
        "interrupted": result.interrupted,
        "restores": sum(at_the_end(result.trace, "restores")),
        "scores": _finite(scores),
        "uncertainty_rank_correlation": _rank_correlation(inputs, result),
    }


def given(inputs: Inputs) -> bool:
    """Whether the noise level was given, by the user or by a demonstration."""
    return inputs.sigma is not None or inputs.gain is not None


def _rank_correlation(inputs: Inputs, result: Restoration) -> float | None:
    if inputs.reference is None or result.uncertainty is None:
        return None
    return rank_correlation(result.uncertainty, result.image, inputs.reference)


def _finite(scores: Scores) -> dict[str, dict[str, float | str]]:
    """JSON has no infinity (the PSNR of equal pictures): it becomes a word."""
    return {
        name: {key: value if np.isfinite(value) else str(value) for key, value in row.items()}
        for name, row in scores.items()
    }
