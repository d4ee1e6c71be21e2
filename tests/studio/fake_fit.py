"""Stands for the command: reports steps, pauses and resumes as it does, without jax.

Its result is the picture's negative. ``--seed`` says what else it does: see ``main``.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from PIL import Image, ImageOps

RECORD = {
    "settings": {"counts": {"steps": 5}, "strength": 100.0},
    "picture": {"noise": None},
    "versions": {"dip_jax": "0"},
    "flags": {"seed": 0, "settings": True},
}
FAILS, CRASHES, NEVER_STEPS = 13, 14, 15


def main(argv):
    flags = dict(word.removeprefix("--").partition("=")[::2] for word in argv)
    seed, steps = int(flags.get("seed", 0)), int(flags.get("steps", 5))
    picture, out = flags["image"], Path(flags["out"])
    preview = "preview" in flags
    if preview:
        out = out.with_stem(out.stem + "_preview")

    def tell(event, **fields):
        print(json.dumps({"event": event, "picture": picture} | fields), flush=True)

    if seed == FAILS:
        tell("failed", problem="--image: is too sad to be restored; cheer it up")
        return 2
    if seed == CRASHES:
        raise ZeroDivisionError("as planned")
    print(f"dip-jax: note: filling 3.{1 + seed} % of the picture", file=sys.stderr, flush=True)
    with Image.open(picture) as given:
        image = given.convert("RGB")
    if preview:
        left, top, width, height = map(int, flags["preview"].split(","))
        image = image.crop((left, top, left + width, top + height))
    size = {"width": image.width, "height": image.height, "channels": 3}
    tell("start", schema=1, task=flags["task"], steps=steps, members=1, device="none", **size)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    kept = out / ".steps" if not preview else None
    step = int(kept.read_text()) if kept is not None and kept.exists() else 0
    if step >= steps:
        tell("skipped")
        return 0
    while seed == NEVER_STEPS:
        time.sleep(0.05)
    while step < steps and not ended:
        time.sleep(0.05)
        step += 1
        ImageOps.invert(image).save(".now.png")
        os.replace(".now.png", flags["snapshot"])
        tell(
            "step",
            fit=1,
            fits=1,
            step=step,
            steps=steps,
            percent=100 * step / steps,
            loss=1 / step,
            psnr=None,
            seconds_left=0.05 * (steps - step),
        )
    result = out if preview else out / "restored.png"
    ImageOps.invert(image).save(result)
    if kept is not None:
        kept.write_text(str(step))
        (out / "run.json").write_text(json.dumps(RECORD | {"steps": step}))
    tell(
        "done",
        files=[str(result)],
        steps=step,
        seconds=1.0,
        interrupted=step < steps,
        verdict=None,
        scores={},
    )
    return 130 if step < steps else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
