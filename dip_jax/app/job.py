"""One run of the command: reads what the flags name, restores, scores, writes, reports."""

import contextlib
import datetime
import platform
import signal
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import dip_jax
from dip_jax.app import degrade
from dip_jax.app.device import choose_device
from dip_jax.app.errors import UserError, printable
from dip_jax.app.fitting import restore
from dip_jax.app.noise import LEVELS
from dip_jax.app.presets import Preset, changed, find_preset
from dip_jax.app.restoration import Restoration, at_the_end
from dip_jax.app.results import (
    claimed_folder,
    psnr_8_bit,
    rank_correlation,
    write_results,
)
from dip_jax.app.sources import Inputs, read_inputs

LUMA_BORDER = 4


def run_job(values: flags.FlagValues) -> int:
    """Does what the flags say; returns the exit code.

    Raises:
      UserError: for anything that the user can mend, before anything is written.
    """
    preset = _preset(values)
    inputs = read_inputs(values, preset)
    device = choose_device(values.backend)
    with claimed_folder(
        values.out, f"{inputs.name}-{preset.task}", overwrite=values.overwrite
    ) as folder:
        height, width, channels = inputs.observed.shape
        print(f"dip-jax {dip_jax.__version__}: {preset.task}, preset {preset.name}, on {device}")
        print(
            f"{printable(inputs.name)}: {width}x{height}, "
            f"{'grey' if channels == 1 else 'RGB'}{', ' + inputs.damage if inputs.damage else ''}"
        )
        fixed = preset.stop == "none" and not preset.alpha
        if values.sigma is not None and values.steps is None and fixed:
            print("note: the number of steps does not follow --sigma; choose it with --steps")
        result = _restored(values, inputs, preset)
        if not np.isfinite(result.image).all():
            print(
                "dip-jax: the fit diverged beyond recovery; nothing was written. Try another "
                "--seed or --preset",
                file=sys.stderr,
            )
            return 1
        with _uninterrupted():
            before = _before(inputs, result.preset)
            scores = _scores(inputs, before, result)
            record = _record(values, inputs, result, scores, device)
            paths = write_results(
                folder,
                restored=result.image,
                full_depth=inputs.full_depth,
                alpha=_alpha(inputs.alpha, result.image),
                panels=_panels(inputs, before, result, scores),
                uncertainty=result.uncertainty,
                trace=result.trace,
                record=record,
            )
            _report(
                result,
                scores,
                paths,
                given=_given(inputs),
                correlation=record["uncertainty_rank_correlation"],
            )
    return 130 if result.interrupted else 0


def _restored(values: flags.FlagValues, inputs: Inputs, preset: Preset) -> Restoration:
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
        )
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            raise UserError(
                "--image",
                f"{width}x{height}",
                f"does not fit the device's memory with --preset={preset.name}; take a "
                "narrower preset or a smaller picture",
            ) from error
        raise


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignores Ctrl-C: who pressed it twice still wants the picture."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _preset(values: flags.FlagValues) -> Preset:
    task = values.task
    if task is None and values.preset is None:
        task = "denoise"
    names = ("steps", "stop", "members", "every", "input", "generator", "factor", "missing")
    changes = {name: values[name].value for name in names if values[name].value is not None}
    return changed(find_preset(values.preset or "fast", task), prefix="--", **changes)


def _before(inputs: Inputs, preset: Preset) -> tuple[str, np.ndarray]:
    """Name and picture that the restoration is compared with."""
    if preset.task == "super_resolve":
        return "bicubic", degrade.enlarge(inputs.observed, preset.factor)
    return "degraded", inputs.observed


def _scores(
    inputs: Inputs, before: tuple[str, np.ndarray], result: Restoration
) -> dict[str, dict[str, float]]:
    """PSNR of the 8-bit pictures; for super-resolution also of the luma, border off."""
    if inputs.reference is None:
        return {}
    pictures = {before[0]: before[1], "restored": result.image}
    if inputs.mask is not None:
        pictures["restored, known pixels not put back"] = result.raw
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


def _panels(
    inputs: Inputs,
    before: tuple[str, np.ndarray],
    result: Restoration,
    scores: dict[str, dict[str, float]],
) -> list[tuple[str, np.ndarray]]:
    panels = [before, ("restored", result.image)]
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
    scores: dict[str, dict[str, float]],
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
            "noise_estimated": result.noise is not None and not _given(inputs),
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


def _given(inputs: Inputs) -> bool:
    """Whether the noise level was given, by the user or by a demonstration."""
    return inputs.sigma is not None or inputs.gain is not None


def _rank_correlation(inputs: Inputs, result: Restoration) -> float | None:
    if inputs.reference is None or result.uncertainty is None:
        return None
    return rank_correlation(result.uncertainty, result.image, inputs.reference)


def _finite(scores: dict[str, dict[str, float]]) -> dict[str, dict[str, float | str]]:
    """JSON has no infinity (the PSNR of equal pictures): it becomes a word."""
    return {
        name: {key: value if np.isfinite(value) else str(value) for key, value in row.items()}
        for name, row in scores.items()
    }


def _report(
    result: Restoration,
    scores: dict[str, dict[str, float]],
    paths: list[Path],
    *,
    given: bool,
    correlation: float | None,
) -> None:
    steps = len(result.trace["loss"])
    ended = "interrupted after" if result.interrupted else "done:"
    print(
        f"{ended} {steps} steps in {result.fit_seconds:.1f} s, "
        f"and {result.compile_seconds:.1f} s to compile"
    )
    if result.members > 1 or result.preset.members > 1:
        print(f"the picture is the mean of {result.members} fits")
    chosen = at_the_end(result.trace, "chosen")
    if chosen:
        steps = ", ".join(str(step) if step else "the last, for want of steps" for step in chosen)
        print(f"stopping rule {result.preset.stop}: the picture is that of step {steps}")
    if result.noise is not None:
        name = LEVELS[result.noise.kind]
        origin = "as given" if given else f"estimated; --{name} sets it"
        print(f"noise: {result.noise.kind}, {name} {result.noise.level:.1f} of 255 ({origin})")
    restores = sum(at_the_end(result.trace, "restores"))
    if restores:
        print(f"the fit diverged and was taken back {restores} times")
    width = max((len(name) for name in scores), default=0)
    for name, row in scores.items():
        cells = [f"{value:6.2f} dB {key.replace('_', ' ')}" for key, value in row.items()]
        print(f"  {name.ljust(width)}  {'   '.join(cells)}")
    if correlation is not None:
        print(f"  uncertainty and true error, over 8x8 pixels: rank correlation {correlation:.2f}")
    for path in paths:
        print(f"  {printable(str(path))}")
