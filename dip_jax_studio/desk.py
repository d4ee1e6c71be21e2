"""The process that reads and writes pictures, by the same code as the command.

It reads orders as lines of JSON on stdin and answers each with a line on stdout. So a picture that
makes a decoder crash or hang takes this process along, and the page goes on with a new one.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dip_jax.app.cli.report import told_settings
from dip_jax.app.errors import UserError, printable
from dip_jax.app.files import MAX_PIXELS, Marks, Origin, find_mask, read_picture, write_picture
from dip_jax.app.files.formats import SUFFIXES
from dip_jax.app.files.pictures import Picture, shown_channels, write_pixels
from dip_jax.metrics import to_uint8

_SHOWN = 4096  # pixels a side that the page shows of a larger picture
_PAINTED = 64  # of 255: from this opacity on, a pixel of the page's brush counts
_HEAT = (255, 80, 0)  # the colour in which uncertainty is laid over a picture
_PAINT = (255, 0, 200)  # of the brush
_LEVELS = 255


def look(order: dict[str, Any]) -> dict[str, Any]:
    """Reads an upload and shows it: writes a PNG of 8 bits, and tells what the page needs."""
    picture = read_picture(order["path"])
    _show(picture.image, picture.alpha, order["shown"])
    height, width, channels = picture.image.shape
    erased = picture.alpha is not None and bool((picture.alpha == 0).any())
    target = picture.origin.format if picture.origin.format.save is not None else None
    return {
        "width": width,
        "height": height,
        "channels": channels,
        "depth": str(picture.origin.dtype),
        "format": picture.origin.format.name,
        "suffix": ".png" if target is None else target.suffixes[0],
        "erased": erased,
        "holes": picture.holes is not None,
        "remarks": [_bare(remark, order["path"]) for remark in picture.remarks],
    }


def paint(order: dict[str, Any]) -> dict[str, Any]:
    """Makes a mask of what was painted in the page: black is filled, as the command has it.

    Where nothing is painted there is none, and one made before is removed.
    """
    painted = read_picture(order["path"], flag="the painted mask")
    height, width = painted.image.shape[:2]
    if (width, height) != (order["width"], order["height"]):
        problem = f"is {width}x{height}, the picture {order['width']}x{order['height']}"
        raise UserError("the painted mask", "", problem)
    opacity = np.full((height, width), 255) if painted.alpha is None else painted.alpha
    fill = opacity >= _PAINTED
    share = float(fill.mean())
    if share == 0:
        Path(order["out"]).unlink(missing_ok=True)
    if order["used"] and share in (0, 1):
        problem = "nothing is painted" if share == 0 else "all is painted, so that nothing is known"
        raise UserError("", "", f"{problem}; paint what is damaged, and only that")
    if share > 0:
        write_pixels(order["out"], np.where(fill, 0, 255).astype(np.uint8)[:, :, None])
    return {"share": share}


def mark(order: dict[str, Any]) -> dict[str, Any]:
    """Finds what a mask file, a colour or transparency marks; writes it as paint of the page."""
    picture = read_picture(order["picture"])
    marks = Marks(
        path=order.get("mask"),
        invert=bool(order.get("invert")),
        color=order.get("color"),
        tolerance=order.get("tolerance"),
    )
    known, lines = find_mask(picture, marks)
    if known is None:
        raise UserError(
            "", "", "nothing is transparent in the picture, so there is nothing to mark"
        )
    fill = known[:, :, 0] == 0
    write_pixels(order["out"], _as_paint(fill))
    named = order.get("mask") or order["picture"]
    return {"share": float(fill.mean()), "remarks": [_bare(line, named) for line in lines]}


def repaint(order: dict[str, Any]) -> dict[str, Any]:
    """Makes paint of the page of a mask, for a page that was reloaded."""
    write_pixels(order["out"], _as_paint(_filled(order["path"])))
    return {}


def show(order: dict[str, Any]) -> dict[str, Any]:
    """Writes a PNG of 8 bits of a picture, or of a part of it."""
    picture = read_picture(order["path"])
    image, alpha = picture.image, picture.alpha
    if order.get("box"):
        left, top, width, height = order["box"]
        part = np.s_[top : top + height, left : left + width]
        image, alpha = image[part], None if alpha is None else alpha[part]
    _show(image, alpha, order["out"])
    return {"width": image.shape[1], "height": image.shape[0]}


def heat(order: dict[str, Any]) -> dict[str, Any]:
    """Writes an uncertainty map as a colour to lay over the picture; tells its largest value."""
    values = np.load(order["path"], allow_pickle=False)
    most = float(values.max())
    opacity = values / most if most else values
    layer = np.empty((*values.shape, 4), np.uint8)
    layer[:, :, :3] = _HEAT
    layer[:, :, 3] = np.rint(255 * np.sqrt(opacity))
    write_pixels(order["out"], _smaller(layer))
    return {"most": _LEVELS * most}


def export(order: dict[str, Any]) -> dict[str, Any]:
    """Writes a result in the form of its picture's file, with a part of the change if so wanted."""
    given = read_picture(order["given"])
    restored = read_picture(order["restored"], like=given.origin)
    out, image = Path(order["out"]), restored.image
    strength = order["strength"]
    if strength < 100:
        before = given.image
        if order.get("box"):
            left, top, width, height = order["box"]
            before = before[top : top + height, left : left + width]
        if before.shape != image.shape:
            problem = "can't be applied to this result, which is of another size"
            raise UserError("strength", strength, problem)
        image = before + np.float32(strength / 100) * (image - before)
    origin = _with_settings(given, restored, order)
    notes = write_picture(out, image, restored.alpha, origin, strip=order["strip"])
    return {"remarks": [printable(note) for note in notes]}


def about(order: dict[str, Any]) -> dict[str, Any]:
    """Tells what can be read."""
    del order
    return {"suffixes": SUFFIXES, "most_pixels": MAX_PIXELS}


ORDERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "about": about,
    "look": look,
    "paint": paint,
    "mark": mark,
    "repaint": repaint,
    "show": show,
    "heat": heat,
    "export": export,
}


def _with_settings(given: Picture, restored: Picture, order: dict[str, Any]) -> Origin:
    """Returns how to store a result: like the picture, with the settings that made it."""
    if order.get("record") is None:  # of a preview, whose file says what there is to say
        return given.origin._replace(metadata=restored.origin.metadata)
    record = json.loads(Path(order["record"]).read_text(encoding="utf-8"))
    told = told_settings(record)
    told["settings"]["strength"] = order["strength"] * told["settings"]["strength"] / 100
    settings = json.dumps(told) if record["flags"]["settings"] else None
    metadata = given.origin.metadata._replace(factor=order["factor"], settings=settings)
    return given.origin._replace(metadata=metadata)


def _show(image: np.ndarray, alpha: np.ndarray | None, path: str) -> None:
    pixels = to_uint8(shown_channels(image))
    if alpha is not None and (alpha < alpha.max()).any():
        opacity = np.rint(255 * (alpha / max(float(alpha.max()), 1e-9))).astype(np.uint8)
        pixels = np.concatenate([pixels, opacity[:, :, None]], axis=2)
    write_pixels(path, _smaller(pixels))


def _smaller(pixels: np.ndarray) -> np.ndarray:
    """Returns pixels ``[h, w, c]`` with fewer, if they are more than the page shows."""
    step = -(-max(pixels.shape[:2]) // _SHOWN)
    return np.ascontiguousarray(pixels[::step, ::step])


def _filled(path: str) -> np.ndarray:
    """Returns bool ``[h, w]``: what a mask of the page marks."""
    with Image.open(path) as mask:
        return np.asarray(mask.convert("L")) < 128


def _as_paint(fill: np.ndarray) -> np.ndarray:
    layer = np.zeros((*fill.shape, 4), np.uint8)
    layer[fill] = (*_PAINT, 255)
    return layer


def _bare(line: str, path: str) -> str:
    """Returns a remark without the flag and the name under which the file is kept."""
    for head in (f"--image={path} ", f"--mask={path} ", f"--image={path}: ", f"--mask={path}: "):
        line = line.removeprefix(head)
    return line.replace(path, "the file").replace(os.path.basename(path), "the file")


def answer(line: str) -> dict[str, Any]:
    """Returns the answer to an order: what it tells, or ``problem`` in one line."""
    order = json.loads(line)
    try:
        return ORDERS[order["order"]](order)
    except UserError as error:
        path = str(order.get("mask") or order.get("path") or order.get("picture") or "")
        return {"problem": _bare(str(error), path) if path else str(error)}
    except OSError as error:  # a full disk, or a folder that was removed meanwhile
        reason = error.strerror or "damaged"
        problem = f"a file of the studio can't be read or written ({reason})"
        return {"problem": f"{problem}; free some space, or reload the page"}
    except MemoryError:
        return {"problem": "the picture is too large for the memory; scale it down or crop it"}


def main() -> None:
    """Answers orders until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a decoder prints is no answer
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    for line in sys.stdin:
        answers.write(json.dumps(answer(line)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
