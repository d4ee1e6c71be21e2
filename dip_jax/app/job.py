"""A run of the command on one picture: reads what the flags name, restores, reports."""

import sys

from absl import flags

import dip_jax
from dip_jax.app.device import choose_device
from dip_jax.app.errors import FitError, UserError, printable
from dip_jax.app.noise import LEVELS
from dip_jax.app.presets import find_preset
from dip_jax.app.process import Outcome, given, process
from dip_jax.app.restoration import at_the_end
from dip_jax.app.results import claimed_folder
from dip_jax.app.settings import Preset, changed
from dip_jax.app.sources import Files, check_flags, read_inputs

# Flags that would be ignored in silence.
OF_MANY = ("devices", "distributed", "coordinator", "processes", "process")


def run_job(values: flags.FlagValues) -> int:
    """Does what the flags say; returns the exit code.

    Raises:
      UserError: for anything that the user can mend, before anything is written.
    """
    preset = preset_of(values)
    check_flags(values, preset)
    for name in OF_MANY:
        if values[name].present:
            raise UserError(f"--{name}", values[name].value, "is for many pictures; drop it")
    inputs = read_inputs(values, preset, Files(values.image, values.mask, values.reference))
    device = choose_device(values.backend)
    with claimed_folder(
        values.out,
        f"{inputs.name}-{preset.task}",
        overwrite=values.overwrite,
        resume=values.resume,
    ) as folder:
        height, width, channels = inputs.observed.shape
        print(f"dip-jax {dip_jax.__version__}: {preset.task}, preset {preset.name}, on {device}")
        print(
            f"{printable(inputs.name)}: {width}x{height}, "
            f"{'grey' if channels == 1 else 'RGB'}{', ' + inputs.damage if inputs.damage else ''}"
        )
        for note in _notes(values, preset, given(inputs)):
            print(f"note: {note}")
        try:
            outcome = process(values, preset, inputs, folder, device)
        except FitError as error:
            print(f"dip-jax: {error}", file=sys.stderr)
            return 1
    if outcome.result is None:
        print(f"finished before; {printable(str(folder))} is left as it is")
        return 0
    _report(outcome)
    return 130 if outcome.result.interrupted else 0


def _notes(values: flags.FlagValues, preset: Preset, level_known: bool) -> list[str]:
    """What is to be said of a noise level that the run makes no use of."""
    notes = []
    needed = preset.fed_noise or preset.stop in ("r2r", "discrepancy")
    # Held-out values, and those that were hidden, are weighed in again by their noise.
    used = needed or preset.hide or preset.stop in ("auto", "held_out")
    for name in LEVELS.values():
        if values[name].value is not None and not used and values.steps is None:
            notes.append(f"the number of steps does not follow --{name}; choose it with --steps")
    if values.noise == "poisson" and not level_known and not needed:
        notes.append("--noise=poisson is of use with a --gain here; without, it changes nothing")
    return notes


def preset_of(values: flags.FlagValues) -> Preset:
    """The preset that the flags name, changed as they say."""
    task = values.task
    if task is None and values.preset is None:
        task = "denoise"
    names = ("steps", "stop", "members", "every", "input", "generator", "tv", "tile", "factor")
    names += ("hide", "missing")
    changes = {name: values[name].value for name in names if values[name].value is not None}
    return changed(find_preset(values.preset or "fast", task), prefix="--", **changes)


def _report(outcome: Outcome) -> None:
    result, record = outcome.result, outcome.record
    assert result is not None
    steps = len(result.trace["loss"])
    ended = "interrupted after" if result.interrupted else "done:"
    print(
        f"{ended} {steps} steps in {result.fit_seconds:.1f} s, "
        f"and {result.compile_seconds:.1f} s to compile"
    )
    if result.interrupted:
        print("the same command with this --out and --resume goes on")
    if result.members > 1 or result.preset.members > 1:
        print(f"the picture is the mean of {result.members} fits")
    if result.preset.hide:
        share = f"up to {100 * result.preset.hide:g} %"
        print(f"learned from pixels, of which each step hid {share}; --hide sets it")
    chosen = at_the_end(result.trace, "chosen")
    if chosen:
        steps = ", ".join(str(step) if step else "the last, for want of steps" for step in chosen)
        print(f"stopping rule {result.preset.stop}: the picture is that of step {steps}")
    if result.noise is not None:
        name = LEVELS[result.noise.kind]
        estimated = record["picture"]["noise_estimated"]
        origin = f"estimated; --{name} sets it" if estimated else "as given"
        where = "white" if result.noise.kind == "poisson" else "black and white"
        cut = f", cut off at {where}" if result.noise.clipped else ""
        print(f"noise: {result.noise.kind}, {name} {result.noise.level:.1f} of 255 ({origin}){cut}")
    restores = sum(at_the_end(result.trace, "restores"))
    if restores:
        print(
            f"the fit diverged and was taken back {restores} times; "
            "the steps told are of those that were kept"
        )
    scores = record["scores"]
    width = max((len(name) for name in scores), default=0)
    for name, row in scores.items():
        cells = [f"{float(value):6.2f} dB {key.replace('_', ' ')}" for key, value in row.items()]
        print(f"  {name.ljust(width)}  {'   '.join(cells)}")
    correlation = record["uncertainty_rank_correlation"]
    if correlation is not None:
        print(f"  uncertainty and true error, over 8x8 pixels: rank correlation {correlation:.2f}")
    for path in outcome.paths:
        print(f"  {printable(str(path))}")
