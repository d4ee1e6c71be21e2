"""Presets: the numbers behind a run, by name and task.

A preset belongs to one task; the same name may exist for several. The paper's are read off
the notebooks of the original code (DmitryUlyanov/deep-image-prior @ 042e0d4c).
"""

from dip_jax.app.errors import UserError
from dip_jax.app.settings import NARROW, TASKS, Preset, nearest, pairs

_HOURGLASS = pairs(widths=(128,) * 5, skip_widths=4, upsampling="bilinear")
_FAST = Preset(
    name="fast",
    task="denoise",
    source="dip_jax, for a CPU",
    expected="",
    steps=300,
    options=NARROW,
    depth=16,
    warmup=30,
    final_learning_rate=0.001,
    # A third of the paper's: half the steps to the same quality.
    jitter=0.01,
    decay=0.98,
)


def _skip(*widths: int, skip: int) -> tuple[tuple[str, object], ...]:
    """Bilinear upsampling, edges repeated, no biases: what proved best for a few hundred steps."""
    return pairs(widths=widths, skip_widths=skip, upsampling="bilinear", padding="edge", bias=False)


_RESTORER = _FAST._replace(
    steps=400, decay_steps=400, options=_skip(32, 48, 64, 64, 64, skip=16), b2=0.99
)
_DENOISER = _RESTORER._replace(expected="astronaut 256x256, sigma 25: 20.6 to 31.6 dB", alpha=0.5)
_INPAINTER = _RESTORER._replace(
    task="inpaint",
    expected="kate (text): 18.0 to 44.6 dB, 32.7 without known pixels",
    hide=None,
)
_ENLARGER = _RESTORER._replace(
    task="super_resolve",
    expected="Set5 x4: 30.2 dB luma (bicubic 28.7, authors' 29.9)",
    options=_skip(32, 48, 64, 64, 64, skip=4),
    b2=0.999,
    lobes=3,
)


def _best(fast: Preset, expected: str, *, steps: int, skip: int) -> Preset:
    """Wider and longer, and the mean of two fits."""
    return fast._replace(
        name="best",
        source="dip_jax, for the patient",
        expected=expected,
        steps=steps,
        decay_steps=steps,
        options=_skip(64, 64, 64, 64, 64, skip=skip),
        members=2,
    )


PRESETS = (
    _DENOISER,
    _best(
        _DENOISER,
        "nine pictures 256x256, sigma 25: 31.2 dB (fast 30.8, BM3D 30.8)",
        steps=500,
        skip=16,
    ),
    _DENOISER._replace(
        name="sure",
        source="dip_jax, after Jo et al., ICCV 2021",
        expected="kodim12 256x256, sigma 25: 30.6 dB (fast 31.0)",
        alpha=0.0,
        extra=0.5,
    ),
    _FAST._replace(task="reconstruct", expected="astronaut, JPEG quality 10: 27.1 to 27.7 dB"),
    _INPAINTER,
    _best(
        _INPAINTER,
        "house 256x256, half gone: 38.8 dB (fast 37.3, biharmonic 35.7)",
        steps=800,
        skip=16,
    ),
    _ENLARGER,
    _best(
        _ENLARGER,
        "butterfly x4: 25.9 dB luma as fitted (fast 25.7, bicubic 22.4)",
        steps=600,
        skip=4,
    ),
    Preset(
        name="paper",
        task="denoise",
        source="denoising.ipynb, F16",
        expected="F16, sigma 25: 30.7 dB one iterate, site's output 33.7 dB",
        steps=3000,
        stop="none",
        options=_HOURGLASS,
        jitter=1 / 30,
        jitter_strong=1 / 20,
    ),
    Preset(
        name="paper",
        task="reconstruct",
        source="denoising.ipynb, snail (JPEG)",
        expected="no reference exists",
        steps=2400,
        stop="none",
        options=pairs(
            widths=(8, 16, 32, 64, 128), skip_widths=(0, 0, 0, 4, 4), upsampling="bilinear"
        ),
        depth=3,
        jitter=1 / 30,
    ),
    Preset(
        name="paper",
        task="inpaint",
        source="inpainting.ipynb, kate and peppers (text)",
        expected="kate: 39.0 dB",
        steps=6001,
        stop="none",
        options=pairs(widths=(128,) * 5, skip_widths=128, upsampling="nearest"),
    ),
    Preset(
        name="paper",
        task="super_resolve",
        source="super-resolution.ipynb, zebra x4",
        expected="zebra x4: 25.71 dB luma; Set5 29.90, Set14 27.01",
        steps=2000,
        stop="none",
        options=_HOURGLASS,
    ),
    Preset(
        name="x8",
        task="super_resolve",
        source="super-resolution.ipynb, zebra x8",
        expected="zebra x8: 20.62 dB luma; Set5 25.89, Set14 24.15",
        steps=4000,
        stop="none",
        options=_HOURGLASS,
        jitter=0.05,
        factor=8,
    ),
    Preset(
        name="vase",
        task="inpaint",
        source="inpainting.ipynb, vase (a large hole)",
        expected="no reference exists",
        steps=5001,
        stop="none",
        options=pairs(widths=(128,) * 5, skip_widths=0, upsampling="nearest"),
        input="meshgrid",
    ),
    Preset(
        name="library",
        task="inpaint",
        source="inpainting.ipynb, library (a large hole)",
        expected="no reference exists",
        steps=3001,
        stop="none",
        options=pairs(
            widths=(16, 32, 64, 128, 128, 128),
            skip_widths=0,
            kernel_down=5,
            upsampling="nearest",
            conv1x1_up=False,
        ),
        depth=1,
        jitter=0.0,
    ),
    Preset(
        name="half",
        task="inpaint",
        source="restoration.ipynb, barbara (50 % missing)",
        expected="barbara: 32.22 dB; 11 grey pictures 33.48",
        steps=11000,
        stop="none",
        options=_HOURGLASS,
        learning_rate=0.001,
    ),
    Preset(
        name="sparse",
        task="inpaint",
        source="restoration.ipynb, kate (98 % missing)",
        expected="no figure published",
        steps=1000,
        stop="none",
        options=pairs(
            widths=(16, 32, 64, 128, 128),
            skip_widths=0,
            upsampling="bilinear",
            downsampling="average",
        ),
        jitter=0.0,
        missing=98.0,
    ),
)


def find_preset(name: str, task: str | None, *, flag: str = "--preset") -> Preset:
    """The preset of that name for that task.

    Without a task, the first task that has one; so ``vase`` alone means inpainting.

    Raises:
      UserError: if there is none; it tells the nearest name, or the tasks that have one.
    """
    named = [preset for preset in PRESETS if preset.name == name]
    if not named:
        raise UserError(flag, name, "is unknown; " + nearest(name, [p.name for p in PRESETS]))
    for preset in named:
        if task in (None, preset.task):
            return preset
    if task not in TASKS:
        prefix = flag.removesuffix("preset")
        raise UserError(f"{prefix}task", task, "is unknown; " + nearest(str(task), list(TASKS)))
    tasks = " or ".join(preset.task for preset in named)
    others = ", ".join(preset.name for preset in PRESETS if preset.task == task)
    raise UserError(
        flag,
        name,
        f"is a preset for the task {tasks}, not {task}; for that there are {others}",
    )


def table() -> str:
    """All presets as text, two lines each."""
    widths = [max(len(getattr(p, field)) for p in PRESETS) for field in ("name", "task")]
    lines = []
    for p in PRESETS:
        head = f"{p.name.ljust(widths[0])}  {p.task.ljust(widths[1])}  {p.steps:5} steps  "
        lines += [head + p.source, " " * len(head) + p.expected]
    return "\n".join(lines)
