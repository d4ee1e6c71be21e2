"""One run of the command: reads what the flags name, restores, scores, writes, reports."""

import datetime
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags

import dip_jax
from dip_jax.app import degrade
from dip_jax.app.errors import UserError
from dip_jax.app.fitting import MAX_FACTOR, Restoration, check_settings, restore
from dip_jax.app.pictures import read_mask, read_picture
from dip_jax.app.presets import GENERATORS, Preset, find_preset
from dip_jax.app.results import choose_folder, psnr_8_bit, write_results

LUMA_BORDER = 4


class Inputs(NamedTuple):
    """The pictures of a run."""

    name: str
    observed: np.ndarray
    alpha: np.ndarray | None
    mask: np.ndarray | None
    reference: np.ndarray | None
    sigma: float | None
    damage: str
    """What was done to a clean picture, in words; empty for a real one."""


def run_job(values: flags.FlagValues) -> int:
    """Does what the flags say; returns the exit code.

    Raises:
      UserError: for anything that the user can mend, before anything is written.
    """
    preset = _preset(values)
    _check_numbers(values, preset.task)
    inputs = _inputs(values, preset.task)
    folder = choose_folder(
        values.out, f"{inputs.name}-{preset.task}", overwrite=values.overwrite
    )
    device = _device(values.backend)
    height, width, channels = inputs.observed.shape
    print(
        f"dip-jax {dip_jax.__version__}: {preset.task}, preset {preset.name}, on {device}"
    )
    print(f"{inputs.name}: {width}x{height}, {'grey' if channels == 1 else 'RGB'}"
          f"{', ' + inputs.damage if inputs.damage else ''}")  # fmt: skip
    result = restore(
        inputs.observed,
        task=preset.task,
        mask=inputs.mask,
        factor=values.factor,
        sigma=inputs.sigma,
        reference=inputs.reference,
        preset=preset,
        seed=values.seed,
        keep_known=values.keep_known,
    )
    if not np.isfinite(result.image).all():
        print("dip-jax: the fit diverged beyond recovery; nothing was written. Try another "
              "--seed or --preset", file=sys.stderr)  # fmt: skip
        return 1
    before = _before(inputs, preset.task, values.factor)
    scores = _scores(inputs, preset.task, before, result)
    paths = write_results(
        folder,
        restored=result.image,
        alpha=_alpha(inputs.alpha, result.image),
        panels=_panels(inputs, before, result, scores),
        trace=result.trace,
        record=_record(values, inputs, result, scores, device),
    )
    _report(result, scores, paths)
    return 130 if result.interrupted else 0


def _preset(values: flags.FlagValues) -> Preset:
    task = values.task
    if task is None and values.preset is None:
        task = "denoise"
    preset = find_preset(values.preset or "fast", task)
    changes: dict[str, Any] = {
        name: values[name].value
        for name in ("steps", "every", "input", "generator")
        if values[name].value is not None
    }
    generator = changes.get("generator", preset.generator)
    if generator != preset.generator and generator in GENERATORS:
        changes["options"], changes["learning_rate"] = GENERATORS[generator]
    return check_settings(preset._replace(**changes), prefix="--")


def _check_numbers(values: flags.FlagValues, task: str) -> None:
    if not 2 <= values.factor <= MAX_FACTOR:
        raise UserError("--factor", values.factor, f"must be from 2 to {MAX_FACTOR}")
    if values.sigma is not None and not 0 < values.sigma <= 255:
        raise UserError("--sigma", values.sigma, "must be above 0 and at most 255 levels")
    if values.missing is not None and not 0 < values.missing < 100:
        raise UserError(
            "--missing", values.missing, "must be a percentage between 0 and 100"
        )
    if values.jpeg_quality is not None and not 1 <= values.jpeg_quality <= 95:
        raise UserError("--jpeg_quality", values.jpeg_quality, "must be from 1 to 95")
    if values.seed < 0:
        raise UserError("--seed", values.seed, "must be 0 or more")
    # A flag that another task reads would be ignored in silence.
    for name, tasks in {
        "mask": ("inpaint",),
        "missing": ("inpaint",),
        "add_noise": ("denoise",),
        "downsample": ("super_resolve",),
        "jpeg_quality": ("reconstruct",),
    }.items():
        if values[name].value not in (None, False) and task not in tasks:
            raise UserError(
                f"--{name}", values[name].value, f"has no meaning for --task={task}; "
                f"it belongs to {tasks[0]}"
            )  # fmt: skip
    damaged = [n for n in ("missing", "add_noise", "downsample", "jpeg_quality")
               if values[n].value not in (None, False)]  # fmt: skip
    if damaged and values.reference is not None:
        raise UserError("--reference", values.reference,
                        f"can't go with --{damaged[0]}, where --image is the reference")  # fmt: skip
    if values.mask is not None and values.missing is not None:
        raise UserError(
            "--missing", values.missing, "can't go with --mask; drop one of them"
        )


def _inputs(values: flags.FlagValues, task: str) -> Inputs:
    demonstration = values.image is None
    if demonstration:
        if values.mask is not None or values.reference is not None:
            flag = "mask" if values.mask is not None else "reference"
            raise UserError(f"--{flag}", values[flag].value, "needs an --image")
        name, image, alpha = "astronaut", degrade.demonstration_picture(), None
    else:
        image, alpha = read_picture(values.image)
        name = Path(values.image).stem
    if task == "inpaint":
        return _inputs_with_holes(values, name, image, alpha)
    sigma, damage, reference = values.sigma, "", image
    observed = image
    if task == "denoise" and (demonstration or values.add_noise):
        sigma = 25.0 if sigma is None else sigma
        observed = degrade.add_noise(image, sigma, values.seed)
        damage = f"with noise of sigma {sigma:g} added"
    elif task == "super_resolve" and (demonstration or values.downsample):
        if min(image.shape[:2]) < values.factor:
            raise UserError("--factor", values.factor, f"is more than {name} has pixels")
        rows, columns = (size - size % values.factor for size in image.shape[:2])
        reference = image[:rows, :columns]
        alpha = None if alpha is None else alpha[:rows, :columns]
        observed = np.clip(degrade.shrink(reference, values.factor), 0, 1)
        damage = f"shrunk to {observed.shape[1]}x{observed.shape[0]}"
    elif task == "reconstruct" and (demonstration or values.jpeg_quality is not None):
        quality = 10 if values.jpeg_quality is None else values.jpeg_quality
        observed = degrade.jpeg(image, quality)
        damage = f"as JPEG of quality {quality}"
    else:
        reference = _reference(
            values, image, values.factor if task == "super_resolve" else 1
        )
    return Inputs(name, observed, alpha, None, reference, sigma, damage)


def _inputs_with_holes(
    values: flags.FlagValues, name: str, image: np.ndarray, alpha: np.ndarray | None
) -> Inputs:
    if values.mask is None and (values.missing is not None or values.image is None):
        percent = 50.0 if values.missing is None else values.missing
        mask = degrade.random_mask(image.shape[:2], percent / 100, values.seed)
        if mask.min() == mask.max():
            raise UserError(
                "--missing", percent, f"leaves {name} whole or empty; change it"
            )
        reference, damage = image, f"with {percent:g} % of its pixels hidden"
    elif values.mask is None:
        raise UserError(
            "--mask", None, "is needed for --task=inpaint; or hide pixels with --missing=50"
        )
    else:
        mask, remarks = read_mask(values.mask, image.shape, invert=values.invert_mask)
        for remark in remarks:
            print(f"dip-jax: note: {remark}", file=sys.stderr)
        reference, damage = _reference(values, image, 1), ""
    return Inputs(name, image * mask, alpha, mask, reference, values.sigma, damage)


def _reference(
    values: flags.FlagValues, image: np.ndarray, factor: int
) -> np.ndarray | None:
    if values.reference is None:
        return None
    reference = read_picture(values.reference, flag="--reference").image
    wanted = (image.shape[0] * factor, image.shape[1] * factor, image.shape[2])
    if reference.shape != wanted:
        size = "{1}x{0} with {2} channels".format
        raise UserError(
            "--reference", values.reference,
            f"is {size(*reference.shape)}; the result will be {size(*wanted)}",
        )  # fmt: skip
    return reference


def _device(backend: str) -> str:
    """Chooses the device and describes it."""
    if backend == "cpu":
        jax.config.update("jax_platforms", "cpu")  # leaves accelerators alone
    try:
        device = jax.devices(None if backend == "auto" else backend)[0]
    except RuntimeError as error:
        raise UserError(
            "--backend", backend, "jax finds no such device here; use --backend=auto, or see "
            "BUILD.md for how to install jax for it",
        ) from error  # fmt: skip
    jax.config.update("jax_default_device", device)
    return f"{device.platform} ({device.device_kind})"


def _before(inputs: Inputs, task: str, factor: int) -> tuple[str, np.ndarray]:
    """Name and picture that the restoration is compared with."""
    if task == "super_resolve":
        return "bicubic", degrade.enlarge(inputs.observed, factor)
    return "degraded", inputs.observed


def _scores(
    inputs: Inputs, task: str, before: tuple[str, np.ndarray], result: Restoration
) -> dict[str, dict[str, float]]:
    """PSNR of the 8-bit pictures; for super-resolution also of the luma, border off."""
    if inputs.reference is None:
        return {}
    pictures = {before[0]: before[1], "restored": result.image}
    if inputs.mask is not None:
        pictures["restored, known pixels not put back"] = result.raw
    scores = {
        name: {"psnr": psnr_8_bit(picture, inputs.reference)}
        for name, picture in pictures.items()
    }
    if task == "super_resolve":
        for name, picture in pictures.items():
            luma = dip_jax.metrics.psnr_luma(picture, inputs.reference, LUMA_BORDER)
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
    packages = ("dip-jax", "jax", "jaxlib", "flax", "optax", "numpy")
    preset = result.preset._asdict()
    preset["options"] = dict(preset["options"])
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "flags": {
            name: values[name].value
            for name in values
            if name not in ("help", "list_presets")
        },
        "settings": preset,
        "picture": {
            "name": inputs.name,
            "shape": inputs.observed.shape,
            "damage": inputs.damage,
            "sigma": inputs.sigma,
        },
        "versions": {name: version(name) for name in packages}
        | {"python": platform.python_version()},
        "device": device,
        "seconds": {"compile": result.compile_seconds, "fit": result.fit_seconds},
        "steps": len(result.trace["loss"]),
        "interrupted": result.interrupted,
        "restores": int(result.trace["restores"][-1]),
        "scores": _finite(scores),
    }


def _finite(scores: dict[str, dict[str, float]]) -> dict[str, dict[str, float | str]]:
    """JSON has no infinity (the PSNR of equal pictures): it becomes a word."""
    return {
        name: {key: value if np.isfinite(value) else "inf" for key, value in row.items()}
        for name, row in scores.items()
    }


def _report(
    result: Restoration, scores: dict[str, dict[str, float]], paths: list[Path]
) -> None:
    steps = len(result.trace["loss"])
    ended = "interrupted after" if result.interrupted else "done:"
    print(f"{ended} {steps} steps in {result.fit_seconds:.1f} s, "
          f"and {result.compile_seconds:.1f} s to compile")  # fmt: skip
    if result.trace["restores"][-1]:
        print(
            f"the fit diverged and was taken back {int(result.trace['restores'][-1])} times"
        )
    width = max((len(name) for name in scores), default=0)
    for name, row in scores.items():
        cells = [f"{value:6.2f} dB {key.replace('_', ' ')}" for key, value in row.items()]
        print(f"  {name.ljust(width)}  {'   '.join(cells)}")
    for path in paths:
        print(f"  {path}")
