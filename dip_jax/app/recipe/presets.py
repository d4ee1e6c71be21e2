"""The catalogue of presets: the numbers behind a run, by name and task.

A preset belongs to one task; the same name may exist for several. The paper's are read off the
notebooks of the original code (DmitryUlyanov/deep-image-prior @ 042e0d4c).
"""

from typing import NamedTuple

from dip_jax.app.errors import UserError
from dip_jax.app.recipe.methods import BlindSpot, ByHoles, Plain, Recorrupted, Sure
from dip_jax.app.recipe.networks import NARROW, Network, pairs
from dip_jax.app.recipe.optimizer import Adam
from dip_jax.app.recipe.preset import Counts, Preset
from dip_jax.app.recipe.records import suggest
from dip_jax.app.recipe.tasks import (
    Denoise,
    Inpaint,
    Reconstruct,
    SuperResolve,
    TaskSpec,
    find_task,
)
from dip_jax.app.recipe.tasks.deblur import Deblur


class Entry(NamedTuple):
    """A preset of the catalogue."""

    preset: Preset
    source: str
    """Where the numbers come from."""
    expected: str
    """What a run with them has scored, and on which picture."""


_HOURGLASS = Network("skip", pairs(widths=(128,) * 5, skip_widths=4, upsampling="bilinear"))
_OURS, _PATIENT = "dip_jax, for a CPU", "dip_jax, slower and better"
# A third of the paper's jitter: half the steps to the same quality.
_FIXED = Plain(depth=16, jitter=0.01)
# Noise would show in the middle of a wide hole, where nothing keeps the network from copying it.
_SMOOTH = Plain(input="meshgrid", jitter=0.01)


def _skip(*widths: int, skip: int) -> Network:
    """Bilinear upsampling, edges repeated, no biases: what proved best for a few hundred steps."""
    return Network(
        "skip",
        pairs(widths=widths, skip_widths=skip, upsampling="bilinear", padding="edge", bias=False),
    )


def _adam(steps: int, b2: float = 0.99) -> Adam:
    return Adam(warmup=30, final_learning_rate=0.001, adam_b2=b2, decay_steps=steps)


def _fast(task: TaskSpec, *, skip: int = 16, b2: float = 0.99) -> Preset:
    return Preset(
        name="fast",
        task=task,
        counts=Counts(400),
        network=_skip(32, 48, 64, 64, 64, skip=skip),
        method=_FIXED,
        optimizer=_adam(400, b2),
        average_decay=0.98,
    )


def _best(fast: Preset, *, steps: int, skip: int) -> Preset:
    """Wider and longer, and the mean of two fits."""
    return fast.replace(
        name="best",
        counts=fast.counts.replace(
            steps=steps, members=2, later_steps=fast.counts.later_steps * steps // fast.counts.steps
        ),
        network=_skip(64, 64, 64, 64, 64, skip=skip),
        optimizer=fast.optimizer.replace(decay_steps=steps),
    )


_DENOISER = _fast(Denoise(refine=True)).replace(
    # What is learned of one tile's noise serves the others.
    method=Recorrupted(0.5),
    counts=Counts(400, later_steps=25),
)
_INPAINTER = _fast(Inpaint(anchor=0.03, refine=True, window_share=0.25)).replace(
    method=ByHoles(scattered=BlindSpot(0.2, fill_first=True), areas=_FIXED, wide=_SMOOTH)
)
# Two fits, since what they disagree on is left out.
_ENLARGER = _fast(SuperResolve(lanczos_lobes=3), skip=4).replace(
    counts=Counts(300, members=2), optimizer=_adam(300, 0.999)
)
# Total variation suppresses the noise that deblurring amplifies. Fine detail comes late: 400 steps
# are 1.2 to 2.1 dB worse.
_DEBLURRER = _fast(Deblur(refine=True), skip=4).replace(
    method=Plain(depth=16, jitter=0.0), tv=0.01, counts=Counts(800), optimizer=_adam(800)
)

CATALOGUE = (
    Entry(_DENOISER, _OURS, "astronaut 256x256, sigma 25: 20.6 to 32.5 dB"),
    Entry(
        _best(_DENOISER, steps=500, skip=16),
        _PATIENT,
        "nine pictures, sigma 25, not refined: 31.2 dB (fast 30.8)",
    ),
    Entry(
        _DENOISER.replace(name="quick", counts=Counts(120, later_steps=20), optimizer=_adam(120)),
        "dip_jax, fastest",
        "nine pictures 256x256, sigma 25: 30.8 dB (fast 31.3)",
    ),
    Entry(
        _DENOISER.replace(name="sure", method=Sure(0.5), counts=Counts(400)),
        "dip_jax, after Jo et al., ICCV 2021",
        "kodim12 256x256, sigma 25, not refined: 30.6 dB (fast 31.0)",
    ),
    Entry(
        Preset(
            name="fast",
            task=Reconstruct(),
            counts=Counts(300),
            network=Network("skip", NARROW),
            method=_FIXED,
            optimizer=_adam(300, 0.999),
            average_decay=0.98,
        ),
        _OURS,
        "astronaut, JPEG quality 10: 27.1 to 27.7 dB",
    ),
    Entry(_INPAINTER, _OURS, "kate (text): 18.0 to 44.6 dB, 32.7 without known pixels"),
    Entry(
        _best(_INPAINTER, steps=800, skip=16),
        _PATIENT,
        "house 256x256, half gone: 38.8 dB (fast 37.3, biharmonic 35.7)",
    ),
    Entry(_ENLARGER, _OURS, "Set5 x4: 30.5 dB luma (bicubic 28.7, authors' 29.9)"),
    Entry(
        _best(_ENLARGER, steps=600, skip=4),
        _PATIENT,
        "butterfly x4: 25.9 dB luma as fitted (fast 25.8, bicubic 22.4)",
    ),
    Entry(_DEBLURRER, _OURS, "cameraman 256x256, motion of 15 pixels: 22.4 to 29.7 dB"),
    Entry(
        _DEBLURRER.replace(name="best", counts=Counts(800, members=2)),
        _PATIENT,
        "not measured; two fits of fast",
    ),
    Entry(
        Preset(
            name="paper",
            task=Denoise(),
            counts=Counts(3000),
            stop="none",
            network=_HOURGLASS,
            method=Plain(jitter=1 / 30, jitter_strong=1 / 20),
        ),
        "denoising.ipynb, F16",
        "F16, sigma 25: 30.7 dB one iterate, site's output 33.7 dB",
    ),
    Entry(
        Preset(
            name="paper",
            task=Reconstruct(),
            counts=Counts(2400),
            stop="none",
            network=Network(
                "skip",
                pairs(
                    widths=(8, 16, 32, 64, 128), skip_widths=(0, 0, 0, 4, 4), upsampling="bilinear"
                ),
            ),
            method=Plain(depth=3, jitter=1 / 30),
        ),
        "denoising.ipynb, snail (JPEG)",
        "no reference exists",
    ),
    Entry(
        Preset(
            name="paper",
            task=Inpaint(),
            counts=Counts(6001),
            stop="none",
            network=Network(
                "skip", pairs(widths=(128,) * 5, skip_widths=128, upsampling="nearest")
            ),
        ),
        "inpainting.ipynb, kate and peppers (text)",
        "kate: 39.0 dB",
    ),
    Entry(
        Preset(
            name="paper",
            task=SuperResolve(),
            counts=Counts(2000),
            stop="none",
            network=_HOURGLASS,
        ),
        "super-resolution.ipynb, zebra x4",
        "zebra x4: 25.71 dB luma; Set5 29.90, Set14 27.01",
    ),
    Entry(
        Preset(
            name="x8",
            task=SuperResolve(factor=8),
            counts=Counts(4000),
            stop="none",
            network=_HOURGLASS,
            method=Plain(jitter=0.05),
        ),
        "super-resolution.ipynb, zebra x8",
        "zebra x8: 20.62 dB luma; Set5 25.89, Set14 24.15",
    ),
    Entry(
        Preset(
            name="vase",
            task=Inpaint(),
            counts=Counts(5001),
            stop="none",
            network=Network("skip", pairs(widths=(128,) * 5, skip_widths=0, upsampling="nearest")),
            method=Plain(input="meshgrid"),
        ),
        "inpainting.ipynb, vase (a large hole)",
        "no reference exists",
    ),
    Entry(
        Preset(
            name="library",
            task=Inpaint(),
            counts=Counts(3001),
            stop="none",
            network=Network(
                "skip",
                pairs(
                    widths=(16, 32, 64, 128, 128, 128),
                    skip_widths=0,
                    kernel_down=5,
                    upsampling="nearest",
                    conv1x1_up=False,
                ),
            ),
            method=Plain(depth=1, jitter=0.0),
        ),
        "inpainting.ipynb, library (a large hole)",
        "no reference exists",
    ),
    Entry(
        Preset(
            name="half",
            task=Inpaint(),
            counts=Counts(11000),
            stop="none",
            network=_HOURGLASS,
            optimizer=Adam(learning_rate=0.001),
        ),
        "restoration.ipynb, barbara (50 % missing)",
        "barbara: 32.22 dB; 11 grey pictures 33.48",
    ),
    Entry(
        Preset(
            name="sparse",
            task=Inpaint(missing=98.0),
            counts=Counts(1000),
            stop="none",
            network=Network(
                "skip",
                pairs(
                    widths=(16, 32, 64, 128, 128),
                    skip_widths=0,
                    upsampling="bilinear",
                    downsampling="average",
                ),
            ),
            method=Plain(jitter=0.0),
        ),
        "restoration.ipynb, kate (98 % missing)",
        "no figure published",
    ),
)
PRESETS = tuple(entry.preset for entry in CATALOGUE)


def find_preset(name: str, task: str | None = None) -> Preset:
    """Returns the preset of that name for that task.

    Without a task, for the first task that has one; so ``vase`` alone means inpainting.

    Raises:
      UserError: if there is none; it names the nearest, or the tasks that have one.
    """
    named = [preset for preset in PRESETS if preset.name == name]
    if not named:
        raise UserError("preset", name, "is unknown; " + suggest(name, [p.name for p in PRESETS]))
    for preset in named:
        if task in (None, preset.task.name):
            return preset
    task = find_task(task).name
    tasks = " or ".join(preset.task.name for preset in named)
    others = ", ".join(preset.name for preset in PRESETS if preset.task.name == task) or "none"
    problem = f"is a preset for the task {tasks}, not {task}; for that there are {others}"
    raise UserError("preset", name, problem)


def list_presets() -> str:
    """Returns the catalogue as text, two lines each."""
    names = max(len(preset.name) for preset in PRESETS)
    tasks = max(len(preset.task.name) for preset in PRESETS)
    lines = []
    for preset, source, expected in CATALOGUE:
        steps = preset.counts.steps
        head = f"{preset.name.ljust(names)}  {preset.task.name.ljust(tasks)}  {steps:5} steps  "
        lines += [head + source, " " * len(head) + expected]
    return "\n".join(lines)
