"""What the loop costs: ``dip_jax.run`` against the bare jitted step, interleaved in one run.

python -m benchmarks.loop --size=128 --rounds=7
"""

import sys
import time
from collections.abc import Callable

import jax
import numpy as np
import optax
from absl import app, flags

import dip_jax
from dip_jax.app.device import choose_device
from dip_jax.app.presets import find_preset

_SIZE = flags.DEFINE_integer("size", 128, "Height and width.", lower_bound=64)
_STEPS = flags.DEFINE_integer("steps", 20, "Steps in one measurement.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements of each; the median counts.")
_BACKEND = flags.DEFINE_enum("backend", "auto", ("auto", "cpu", "gpu", "tpu"), "Device.")
_DEVICE_LOOP = flags.DEFINE_bool("device_loop", False, "Also time the compiled loop.")


def main(argv: list[str]) -> None:
    """Prints one Markdown table."""
    del argv
    device = choose_device(_BACKEND.value)
    size, steps = _SIZE.value, _STEPS.value
    preset = find_preset("fast", "denoise")
    fit = dip_jax.dip(dip_jax.Skip(**dict(preset.options)), optax.adam(0.01))
    fit = dip_jax.backtrack(dip_jax.measured(dip_jax.average(fit)))
    y = jax.random.uniform(jax.random.key(1), (size, size, 3))
    task = dip_jax.denoise(y, reference=y)
    z = dip_jax.inputs.uniform(jax.random.key(2), size, size, preset.depth)
    step = jax.jit(
        fit.step,
        donate_argnums=0,
        compiler_options=dip_jax.loop.compiler_options(jax.default_backend()),
    )

    def bare(state: dip_jax.base.State) -> dip_jax.base.State:
        for _ in range(steps):
            state, info = step(state, task)
        jax.block_until_ready(info.loss)
        return state

    def looped(device_loop: bool) -> Callable:
        def run(state: dip_jax.base.State) -> dip_jax.base.State:
            return dip_jax.advance(
                fit, state, task, steps=steps, every=10, device_loop=device_loop
            )[0]

        return run

    kinds = {"bare jitted step": bare, "run, loop on the host": looped(False)}
    if _DEVICE_LOOP.value:
        kinds["run, loop on the device"] = looped(True)
    states = {}
    for name, kind in kinds.items():  # compiles
        start, _ = dip_jax.run(fit, jax.random.key(0), task, z, steps=0)
        states[name] = kind(start)
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(_ROUNDS.value):
        for name, kind in kinds.items():
            start = time.perf_counter()
            states[name] = kind(states[name])
            times[name].append((time.perf_counter() - start) / steps)
    base = np.median(times["bare jitted step"])
    print(f"fast preset, {size}x{size}, {device}, jax {jax.__version__}, "
          f"median of {_ROUNDS.value} x {steps} steps: {' '.join(sys.argv[1:])}\n")  # fmt: skip
    print("| | seconds a step | ratio |\n|---|---|---|")
    for name, values in times.items():
        print(f"| {name} | {np.median(values):.4f} | {np.median(values) / base:.3f} |")


if __name__ == "__main__":
    app.run(main)
