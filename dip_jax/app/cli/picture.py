"""One picture from its inputs to its files: restored, scored, written."""

import contextlib
import json
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import dip_jax
from dip_jax.app.cli.inputs import Inputs
from dip_jax.app.cli.report import make_record, make_scores, mark_origin, shown_before
from dip_jax.app.cli.request import Request
from dip_jax.app.cli.target import suffix_like
from dip_jax.app.errors import FitError, UserError
from dip_jax.app.files import write_picture
from dip_jax.app.files.alpha import enlarge_alpha
from dip_jax.app.files.checkpoint import Checkpoint, read_settings
from dip_jax.app.files.earlier import Settings, check_ours, digest_arrays, find_finished
from dip_jax.app.files.locks import lock_folder
from dip_jax.app.files.pictures import STREAM
from dip_jax.app.files.results import has_full_depth, write_results
from dip_jax.app.restore import Progress, Restoration, WarmStart, restore

# The version of the settings that ``--resume`` compares; a new one invalidates checkpoints.
FORMAT = 2


class Outcome(NamedTuple):
    """The outcome for a picture."""

    record: dict[str, Any]
    """As in ``run.json``."""
    paths: list[Path]
    """Written; empty if the picture was finished before."""
    result: Restoration | None = None
    """None if the picture was finished before."""
    notes: tuple[str, ...] = ()
    """What the file's format could not hold."""


def restore_file(
    request: Request,
    inputs: Inputs,
    folder: Path,
    device: str,
    *,
    progress: Progress = True,
    warm_start: WarmStart = False,
    keep: Callable[[Restoration], None] | None = None,
) -> Outcome:
    """Restores a picture and writes its results to ``folder``, which exists.

    With ``--resume``, a finished picture is left alone and a begun one continues. With
    ``--overwrite`` too, one with other settings is restored again.

    Args:
      request: what to do.
      inputs: the picture and what belongs to it.
      folder: where results go.
      device: where it is computed, in words.
      progress: how to show it.
      warm_start: as for :func:`dip_jax.app.restore`.
      keep: is called with a complete result before it is written.

    Raises:
      UserError: for what the user can fix, and if the folder holds the results or the
        checkpoint of a run with other settings, or another run uses it.
      FitError: if the fit diverged; nothing is written then.
    """
    settings = common_settings(request) | {
        "full_depth": has_full_depth(inputs.origin, inputs.observed.shape[2])
    }
    settings |= digest_arrays(inputs.arrays)
    if inputs.settings:
        settings["suited"] = dict(inputs.settings)
    if request.resume and not request.overwrite:
        check_ours(folder)
    with lock_folder(folder), Checkpoint(folder, settings, request.checkpoint) as checkpoint:
        finished = None
        if request.resume:
            try:
                finished = find_finished(folder, settings)
            except UserError:
                if not request.overwrite:
                    raise
        other = request.overwrite and read_settings(folder) != settings
        if finished is not None or not request.resume or other:
            checkpoint.clear()  # a kill may have come between the results and this
        if finished is not None:
            return Outcome(finished, [])
        with _explaining_memory(request, inputs):
            result = restore(
                inputs.observed,
                progress=progress,
                checkpoint=checkpoint,
                warm_start=warm_start,
                **_settings(request, inputs),
            )
        try:
            _check_finite(result)
        except FitError:
            checkpoint.clear()
            raise
        with _uninterrupted():
            if keep is not None and not result.interrupted:
                keep(result)
            record, paths = _write(request, inputs, result, folder, device, settings)
            if not result.interrupted:
                checkpoint.clear()
    return Outcome(record, paths, result)


def restore_to_file(
    request: Request,
    inputs: Inputs,
    target: Path,
    device: str,
    *,
    progress: Progress = True,
    whole: bool = False,
    warm_start: WarmStart = False,
) -> Outcome:
    """Restores a picture and writes only the result, in the form of the picture's file.

    Args:
      request: what to do.
      inputs: the picture and what belongs to it.
      target: the file to write; its folder is made.
      device: where it is computed, in words.
      progress: how to show it.
      whole: whether an interrupted run writes nothing.
      warm_start: as for :func:`dip_jax.app.restore`.

    Raises:
      UserError: for what the user can fix.
      FitError: if the fit diverged; nothing is written then.
      KeyboardInterrupt: if it was interrupted, with ``whole``.
    """
    with _explaining_memory(request, inputs):
        result = restore(
            inputs.observed,
            progress=progress,
            warm_start=warm_start,
            **_settings(request, inputs),
        )
    if result.interrupted and whole:
        raise KeyboardInterrupt
    _check_finite(result)
    inputs = inputs.shown
    alpha = _alpha_of(inputs, result.image)
    record = make_record(request, inputs, result, make_scores(inputs, result), device)
    with _uninterrupted():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _writing_to(target, request.suffix or suffix_like(inputs.origin)) as path:
                origin = mark_origin(request, inputs, record)
                notes = write_picture(path, result.image, alpha, origin, strip=request.strip)
        except OSError as error:
            raise UserError("out", target, f"can't be written ({error.strerror})") from error
    return Outcome(record, [] if str(target) == STREAM else [target], result, notes)


@contextlib.contextmanager
def _writing_to(target: Path, suffix: str) -> Iterator[Path]:
    """Yields the file to write; for standard output, one of this suffix that is copied there."""
    if str(target) != STREAM:
        yield target
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"picture{suffix}"
        yield path
        sys.stdout.buffer.write(path.read_bytes())
        sys.stdout.buffer.flush()


def _settings(request: Request, inputs: Inputs) -> dict[str, Any]:
    """Returns the arguments of :func:`dip_jax.app.restore` besides the picture."""
    return {
        "preset": request.preset,
        "noise": inputs.noise or request.kind,
        "reference": inputs.reference,
        "seed": request.seed,
        "fit_memory": request.fit_memory,
        "part": inputs.part,
        **inputs.data,
        **inputs.settings,
    }


def _check_finite(result: Restoration) -> None:
    """Raises a FitError for a result that is not finite."""
    if not (np.isfinite(result.image).all() and np.isfinite(result.raw).all()):
        problem = "the fit diverged beyond recovery; nothing was written. Try another "
        raise FitError(problem + "--seed or --preset")


def common_settings(request: Request) -> Settings:
    """Returns all that a result depends on besides the pictures, as read from JSON."""
    preset = request.preset.as_data()
    # Not the free memory either: a resumed run keeps the tiles it began with.
    del preset["counts"]["chunk_steps"]
    noise = request.noise
    settings = {
        "format": FORMAT,
        **preset,
        "warm_start": request.warm_start,
        "seed": request.seed,
        "noise": {"kind": request.kind, "level": None if noise is None else noise.level},
        "versions": [dip_jax.__version__, version("jax"), version("jaxlib")],
        "backend": jax.default_backend(),
    }
    return json.loads(json.dumps(settings))


def _write(
    request: Request,
    inputs: Inputs,
    result: Restoration,
    folder: Path,
    device: str,
    settings: Settings,
) -> tuple[dict[str, Any], list[Path]]:
    """Writes the results; returns their record and paths."""
    scores = make_scores(inputs, result)
    record = make_record(request, inputs, result, scores, device) | {"run": settings}
    panels = [shown_before(inputs, result.preset.task), ("restored", result.image)]
    if inputs.reference is not None:
        panels.append(("reference", inputs.reference))
    paths = write_results(
        folder,
        restored=result.image,
        alpha=_alpha_of(inputs, result.image),
        origin=mark_origin(request, inputs, record),
        strip=request.strip,
        panels=[
            (f"{name}  {scores[name]['psnr']:.2f} dB" if name in scores else name, picture)
            for name, picture in panels
        ],
        uncertainty=result.uncertainty,
        kernel=result.kernel,
        trace=result.trace,
        record=record,
    )
    return record, paths


@contextlib.contextmanager
def _explaining_memory(request: Request, inputs: Inputs) -> Iterator[None]:
    """Turns a lack of memory into a UserError."""
    height, width, _ = inputs.observed.shape
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            raise UserError(
                "image",
                f"{width}x{height}",
                f"does not fit the device's memory with --preset={request.preset.name}; take "
                "--tile=512, a narrower preset or a smaller picture",
            ) from error
        raise


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignores SIGINT (Ctrl-C) and SIGTERM while results are written."""
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


def _alpha_of(inputs: Inputs, image: np.ndarray) -> np.ndarray | None:
    """Returns the alpha channel of a result."""
    if inputs.alpha is None or inputs.alpha.shape == image.shape[:2]:
        return inputs.alpha
    return enlarge_alpha(inputs.alpha, image.shape[0] // inputs.alpha.shape[0])
