"""The report on a run: its scores, its record, its lines in the terminal."""

import datetime
import json
import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import jax.numpy as jnp
import numpy as np

import dip_jax
from dip_jax.app.cli.inputs import Inputs
from dip_jax.app.cli.request import Request
from dip_jax.app.errors import printable
from dip_jax.app.files import Origin
from dip_jax.app.files.trace import final_values
from dip_jax.app.recipe import AUTO, CAMERA_NOISE, RULES, TaskSpec
from dip_jax.app.restore import Restoration
from dip_jax.metrics import psnr_8_bit, psnr_full_depth
from dip_jax.noise import LEVELS, NoiseModel, Verdict

LUMA_BORDER = 4
_SHOWN = 8  # fits
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "dm-pix", "numpy", "pillow", "scikit-image")
Scores = dict[str, dict[str, float]]


def shown_before(inputs: Inputs, task: TaskSpec) -> tuple[str, np.ndarray]:
    """Returns name and picture that the restoration is compared with."""
    return task.shown_as, task.enlarge(inputs.given)


def make_scores(inputs: Inputs, result: Restoration) -> Scores:
    """Returns the PSNR at the depth of the picture's file, and of the luma where usual."""
    if inputs.reference is None:
        return {}
    task = result.preset.task
    name, picture = shown_before(inputs, task)
    pictures = {name: picture, "restored": result.image}
    if task.raw_as:
        pictures[task.raw_as] = result.raw
    psnr = psnr_8_bit if inputs.origin.dtype.itemsize == 1 else psnr_full_depth
    scores = {name: {"psnr": psnr(each, inputs.reference)} for name, each in pictures.items()}
    if task.scores_luma and inputs.reference.shape[2] in (1, 3):
        for name, picture in pictures.items():
            luma = dip_jax.metrics.psnr_luma(
                jnp.asarray(picture), jnp.asarray(inputs.reference), LUMA_BORDER
            )
            scores[name]["psnr_luma"] = float(luma)
    return scores


def make_record(
    request: Request, inputs: Inputs, result: Restoration, scores: Scores, device: str
) -> dict[str, Any]:
    """Returns what ``run.json`` holds."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "flags": request.flags,
        "settings": result.preset.as_data(),
        "picture": {
            "name": inputs.name,
            "shape": inputs.observed.shape,
            "damage": inputs.damage,
            "noise": _noise_record(result.noise),
            "verdict": None if result.verdict is None else result.verdict.kind,
            "noise_estimated": result.noise is not None and inputs.noise is None,
        },
        "versions": {name: version(name) for name in _PACKAGES}
        | {"dip_jax": dip_jax.__version__, "python": platform.python_version()},
        "device": device,
        "seconds": {"compile": result.compile_seconds, "fit": result.fit_seconds},
        "steps": len(result.trace["loss"]),
        "chosen_steps": final_values(result.trace, "chosen"),
        "members": result.members,
        "interrupted": result.interrupted,
        "restores": sum(final_values(result.trace, "restores")),
        "scores": _without_infinity(scores),
        "uncertainty_rank_correlation": _rank_correlation(inputs, result),
    }


def mark_origin(request: Request, inputs: Inputs, record: dict[str, Any]) -> Origin:
    """Returns the picture's origin, with what its result shall hold about the run besides."""
    origin = inputs.origin
    # A demonstration enlarges what it has made small.
    factor = 1 if inputs.damage else request.task.factor
    metadata = origin.metadata._replace(factor=factor)
    if request.settings:
        metadata = metadata._replace(settings=json.dumps(told_settings(record)))
    return origin._replace(metadata=metadata)


def told_settings(record: dict[str, Any]) -> dict[str, Any]:
    """Returns what a result says of its making, from what ``run.json`` holds."""
    counts = record["settings"]["counts"]
    counts = {name: value for name, value in counts.items() if name != "chunk_steps"}  # of the bar
    noise = record["picture"]["noise"]
    if noise is not None:  # its last digits depend on the machine
        noise = noise | {"level": float(f"{noise['level']:.4g}")}
    return {
        "program": f"dip-jax {record['versions']['dip_jax']}",
        "settings": record["settings"] | {"counts": counts},
        "seed": record["flags"]["seed"],
        "noise": noise,
        "steps": record["steps"],
    }


def describe_inputs(inputs: Inputs) -> str:
    """Returns a line on the picture."""
    height, width, channels = inputs.observed.shape
    colours = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    damage = f", {inputs.damage}" if inputs.damage else ""
    return f"{printable(inputs.name)}: {width}x{height}, {colours}{damage}"


def note_unused(request: Request, inputs: Inputs) -> list[str]:
    """Returns notes on a noise level that the run does not use."""
    notes = []
    method, stop = request.preset.method, request.preset.stop
    rule = RULES[request.task.default_rule if stop == AUTO else stop]
    needed = method.feeds_noise or rule.needs_noise or request.task.needs_noise
    # Values that were held out, or hidden, are blended in again by their noise.
    used = needed or method.hides_pixels or rule.least_pixels
    for name in LEVELS.values():
        given = request.options.get(name) is not None
        if given and not used and "steps" not in request.given:
            notes.append(f"the number of steps does not follow --{name}; choose it with --steps")
    hidden = method.hides_pixels and request.task.takes_noise
    if request.options.get("refine") and hidden and inputs.noise is None:
        notes.append("--refine needs a --sigma beside --hide; without, it changes nothing")
    if request.kind == "poisson" and inputs.noise is None and not needed:
        notes.append("--noise=poisson needs a --gain here; without, it changes nothing")
    return notes


def report_lines(
    record: dict[str, Any], result: Restoration, *, resumable: bool = True
) -> Iterator[str]:
    """Yields the lines on a run that has ended; ``resumable``: it was saved in a folder."""
    steps = len(result.trace["loss"])
    ended = "interrupted after" if result.interrupted else "done:"
    yield (
        f"{ended} {steps} steps in {result.fit_seconds:.1f} s, "
        f"and {result.compile_seconds:.1f} s to compile"
    )
    if result.interrupted and resumable:
        yield "the same command with this --out and --resume continues"
    wanted = result.preset.counts.members
    if steps and (result.members > 1 or wanted > 1):
        one = f"is of one fit, not {wanted}" if result.members == 1 else ""
        yield f"the picture {one or f'combines {result.members} fits'}"
    yield from result.preset.method.remarks()
    chosen = final_values(result.trace, "chosen")
    if chosen:
        numbers = ", ".join(
            str(step) if step else "the last, none was chosen" for step in chosen[:_SHOWN]
        )
        more = len(chosen) - _SHOWN
        numbers += f", and so on for {more} more fit{'s' * (more > 1)}" * (more > 0)
        yield f"stopping rule {result.preset.stop}: the picture is that of step {numbers}"
    if result.verdict is not None:
        yield _describe_verdict(result.verdict, result.noise)
    elif result.noise is not None:
        estimated = record["picture"]["noise_estimated"]
        kind = record["flags"]["noise"]
        yield _describe_noise(result.noise, kind, estimated=estimated)
    if not result.span.whole:
        low, high = result.span
        yield f"fitted in its own range, from {low:.4g} to {high:.4g} of 1"
    if result.doubt:
        yield f"note: {result.doubt}; try another --seed, --sigma or --noise"
    restores = record["restores"]
    if restores:
        yield (
            f"the fit diverged and was set back {restores} times; "
            "only the steps that were kept are counted"
        )
    scores = record["scores"]
    width = max((len(name) for name in scores), default=0)
    for name, row in scores.items():
        cells = [f"{float(value):6.2f} dB {key.replace('_', ' ')}" for key, value in row.items()]
        yield f"  {name.ljust(width)}  {'   '.join(cells)}"
    correlation = record["uncertainty_rank_correlation"]
    if correlation is not None:
        yield f"  uncertainty and true error, over 8x8 pixels: rank correlation {correlation:.2f}"


_VERDICTS = {
    "none": "no noise was found; the picture is returned unchanged (if a photograph shows grain, "
    "--noise=camera removes some; --task=reconstruct removes JPEG artefacts)",
    "white": "noise: white, sigma {level:.1f} of 255",
    "signal-dependent": "noise: depends on the brightness",
    "correlated": "noise: correlated between pixels or colours, as in photographs and JPEG files",
    "impulses": "noise: impulses; they were filled as unknown pixels",
    "unknown": "noise: taken for white, sigma {level:.1f} of 255",
    "assumed": "noise: a camera's is assumed, of level {level:.1f} of 255 (--sigma sets it)",
}


def _describe_verdict(verdict: Verdict, noise: NoiseModel | None) -> str:
    """Returns a line on what was found; ``noise`` has its level in the picture's own range."""
    level = (noise or verdict.noise).level
    return f"{_VERDICTS[verdict.kind].format(level=level)}; {verdict.evidence}"


def _noise_record(noise: NoiseModel | None) -> dict[str, Any] | None:
    """Returns what ``run.json`` holds of the noise: numbers, without the filter."""
    if noise is None:
        return None
    return {"kind": noise.kind, "level": noise.level, "clipped": noise.clipped}


def _describe_noise(noise: NoiseModel, kind: str, *, estimated: bool) -> str:
    """Returns a line on the noise; ``kind`` is what the user called it."""
    name = LEVELS.get(noise.kind, "sigma")
    if kind == CAMERA_NOISE:
        return f"noise: a camera's, level {noise.level:.1f} of 255 (as given)"
    if noise.kind == "measured" and not estimated:
        return f"noise: measured where --noise_from says, level {noise.level:.1f} of 255"
    origin = f"estimated; --{name} sets it" if estimated else "as given"
    where = "white" if noise.kind == "poisson" else "black and white"
    clipped = f", clipped at {where}" if noise.clipped else ""
    return f"noise: {noise.kind}, {name} {noise.level:.1f} of 255 ({origin}){clipped}"


def _rank_correlation(inputs: Inputs, result: Restoration) -> float | None:
    if inputs.reference is None or result.uncertainty is None:
        return None
    return dip_jax.metrics.rank_correlation(result.uncertainty, result.image, inputs.reference)


def _without_infinity(scores: Scores) -> dict[str, dict[str, float | str]]:
    """Returns scores as JSON can hold them: infinity, the PSNR of equal pictures, as a word."""
    return {
        name: {key: value if np.isfinite(value) else str(value) for key, value in row.items()}
        for name, row in scores.items()
    }
