"""Which pixels of a picture are to be filled, in all the ways in which people mark them.

A kind of mark is a function from the picture and the user's marks to a :class:`Part`, and a line in
``KINDS``. What several kinds mark is filled together.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dip_jax.app.errors import UserError, printable
from dip_jax.app.files.alpha import find_erased, full_opacity
from dip_jax.app.files.paint import color_distances, suggest_paint, usual_tolerance
from dip_jax.app.files.pictures import Picture, read_picture
from dip_jax.app.files.regions import fit_region, grow, neighbours_agree

_LUMA = np.array([[0.299], [0.587], [0.114]])
_DARK, _LIGHT = 0.1, 0.9  # beyond these, a mask is black or white and no grey
_FAINT = 0.02  # below it, the lighter of a mask's two values is the 1 of numbers 0 and 1
_RIM = 2  # pixels to either side of an edge in which grey is a soft rim
_SMEAR = 2  # pixels by which a lossy format carries a mark beyond its rim
_GREY = 0.05  # of a mask, from which on it is said to be grey
_PHOTO, _SHADES = 0.5, 32  # share and number of shades of grey from which a file is a photograph
_MIXED = 128  # levels up to which pixels beside paint are its rim
_MOST = 0.6  # of the picture: who fills more may have the mask the other way round
_COMPACT = 0.3  # correlation of neighbours, from which on holes are areas and no single pixels
_LEAST = 0.001  # of the picture
_BOX = re.compile(r"(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})")


class Marks(NamedTuple):
    """How the user marks what is to be filled."""

    path: str | None = None
    """A mask file."""
    invert: bool = False
    """Whether a mask's white is filled, not its black; of a colour, what does not have it."""
    grow: int = 0
    """Pixels by which all that is filled grows on all sides."""
    color: str | None = None
    """A colour, that of paint on the mask file, or on the picture if there is none."""
    tolerance: float | None = None
    """8-bit levels between that colour and a pixel's, in each channel; None for a usual one."""
    boxes: str | None = None
    """``X,Y,WIDTH,HEIGHT``, several with ``;`` between them."""

    @property
    def given(self) -> bool:
        """Whether anything is marked, beside what the picture itself may mark."""
        return self.path is not None or self.color is not None or self.boxes is not None


class Part(NamedTuple):
    """What one kind of mark says."""

    fill: np.ndarray
    """bool ``[h, w]``."""
    words: str
    """What is filled, after "filling 3 % of the picture:"."""
    flag: str = "--image"
    value: str | None = None
    """The flag that says so and its value, for errors."""
    remarks: tuple[str, ...] = ()
    """Lines to the user, each to follow the flag and its value."""
    swap: str = ""
    """The advice to one whose mark means the opposite."""


def find_mask(picture: Picture, marks: Marks) -> tuple[np.ndarray | None, list[str]]:
    """Returns what is known of a picture and what is to be filled.

    Args:
      picture: as read, upright.
      marks: the user's.

    Returns:
      float32 ``[h, w, 1]`` with 1 = known and 0 = to be filled, or None if nothing is marked; and
      lines to the user, the first of which says what is filled.

    Raises:
      UserError: for marks that can't be read or don't suit the picture, or if they leave nothing
        known or nothing to fill.
    """
    parts = [part for kind in KINDS if (part := kind(picture, marks)) is not None]
    if not parts:
        return None, []
    fill: np.ndarray = np.logical_or.reduce([part.fill for part in parts])
    if fill.all():
        first = parts[0]
        problem = f"leaves nothing known; {first.swap or 'mark less'}"
        raise UserError(first.flag, first.value, problem)
    fill = grow(fill, marks.grow)
    if fill.all():
        raise UserError("--grow_mask", marks.grow, "leaves nothing known; take less")
    share = float(fill.mean())
    words = " and ".join(part.words for part in parts)
    grown = f", grown by {marks.grow} pixel{'s' * (marks.grow > 1)}" * (marks.grow > 0)
    lines = [f"filling {100 * share:.3g} % of the picture: {words}{grown}"]
    for part in parts:
        remarks = list(part.remarks)
        if part.swap and share > _MOST and neighbours_agree(fill) > _COMPACT:
            remarks.append(f"has {100 * share:.1f} % of the picture filled: {part.swap}")
        if share < _LEAST and part.flag == "--mask":
            remarks.append(f"hides only {100 * share:.3f} % of the picture: is that meant?")
        head = part.flag if part.value is None else f"{part.flag}={part.value}"
        lines += [f"{head} {remark}" for remark in remarks]
    return (~fill[:, :, None]).astype(np.float32), [printable(line) for line in lines]


def parse_boxes(text: str) -> list[tuple[int, int, int, int]]:
    """Returns the boxes ``(x, y, width, height)`` that a text means.

    Raises:
      UserError: for another text, or a box without a pixel.
    """
    found = [_BOX.fullmatch(one) for one in re.split(r"\s*;\s*|\s+", text.strip(" ;"))]
    boxes = [tuple(map(int, box.groups())) for box in found if box is not None]
    if len(boxes) < len(found) or any(0 in box[2:] for box in boxes):
        problem = "is no rectangle: write X,Y,WIDTH,HEIGHT in whole pixels, several with ; between"
        raise UserError("mask_box", text, problem)
    return boxes  # type: ignore[return-value]


def _from_file(picture: Picture, marks: Marks) -> Part | None:
    """The black part of a mask, or the white one."""
    if marks.path is None or marks.color is not None:
        return None
    path = marks.path
    mask = read_picture(path, flag="--mask")
    image, alpha = mask.image, mask.alpha
    coloured = image.shape[2] == 3
    # Rounded, so that a grey of exactly a half stays a half in all three channels.
    luma = (image @ _LUMA).round(6)[:, :, 0] if coloured else image.mean(axis=2)
    name, remarks = Path(path).name, []
    lightest = float(luma.max())
    if 0 < lightest < _FAINT and np.isin(luma, (0, lightest)).all():
        luma = luma / lightest
        remarks.append("is of zeros and ones: 1 is taken as white")
    fill = (luma < 0.5) != marks.invert
    edge = grow(fill, _RIM) & grow(~fill, _RIM)
    grey = (luma > _DARK) & (luma < _LIGHT)
    broad = grey & ~edge
    share = float(broad.mean())
    # No mask, but a picture on which something is marked.
    if share > _PHOTO and len(np.unique(luma[broad])) > _SHADES:
        if alpha is not None and (alpha == 0).any():
            fitted, said = fit_region(path, find_erased(alpha), picture)
            return Part(fitted, f"the transparent part of {name}", "--mask", path, said)
        if advice := suggest_paint(mask):
            raise UserError("--mask", path, f"is a picture, neither black nor white; {advice}")
    filled, known = ("white", "black") if marks.invert else ("black", "white")
    if fill.all() or not fill.any():
        state = "known" if fill.any() else "to fill"
        habit = f"here {known} is known and {filled} is filled"
        mend = suggest_paint(mask) or "paint both, or see --invert_mask"
        raise UserError("--mask", path, f"leaves nothing {state}: {habit}; {mend}")
    if share > _GREY:
        remarks.append(f"is grey in {100 * share:.1f} % of its pixels: they are cut at half")
        if advice := suggest_paint(mask):
            remarks.append(advice.removeprefix("it "))
    else:
        rim = ~fill & edge & ((luma > _DARK) if marks.invert else (luma < _LIGHT))
        fill |= rim
        if rim.any():
            smeared = mask.origin.format.lossy or picture.origin.format.lossy
            more = f", and {_SMEAR} pixels more, which a JPEG smears" * smeared
            fill = grow(fill, _SMEAR * smeared)
            remarks.append(f"has a soft rim: it is filled too{more}")
    if alpha is not None and (alpha < full_opacity(alpha)).any():
        remarks.append("is transparent in places: only its colours count")
    fitted, said = fit_region(path, fill, picture)
    swap = "black should be filled, drop" if marks.invert else "white should be filled, pass"
    swap = f"if {swap} --invert_mask"
    return Part(fitted, f"the {filled} part of {name}", "--mask", path, (*said, *remarks), swap)


def _from_color(picture: Picture, marks: Marks) -> Part | None:
    """What is painted in a colour, on the mask file or on the picture."""
    if marks.color is None:
        return None
    given = marks.path is not None
    painted = read_picture(str(marks.path), flag="--mask") if given else picture
    where = Path(str(marks.path)).name if given else "the picture"
    distance = color_distances(painted, marks.color)
    lossy = painted.origin.format.lossy
    tolerance = usual_tolerance(painted) if marks.tolerance is None else marks.tolerance
    fill = distance <= tolerance
    if not fill.any():
        problem = f"is nowhere on {where}; the nearest colour is {distance.min():.0f} of 255 away"
        mend = "name the colour of the paint, or give a larger --mask_tolerance"
        raise UserError("--mask_color", marks.color, f"{problem}: {mend}")
    # A brush's rim is a mixture of the paint and the picture.
    for _ in range(_RIM + 1 if lossy else 1):
        fill = fill | (grow(fill, 1) & (distance <= max(_MIXED, tolerance)))
    fill = grow(fill, _SMEAR if lossy else 1)
    words = f"what is painted {marks.color} on {where}"
    if marks.invert:
        fill, words = ~fill, f"all but {words}"
    if fill.all() or not fill.any():
        state = "known; mark less" if fill.any() else "to fill; mark more"
        raise UserError("--mask_color", marks.color, f"leaves nothing {state}")
    said: tuple[str, ...] = ()
    if given:
        fill, said = fit_region(str(marks.path), fill, picture)
    swap = "if the rest should be filled, " + ("drop" if marks.invert else "pass")
    return Part(fill, words, "--mask_color", marks.color, said, f"{swap} --invert_mask")


def _from_boxes(picture: Picture, marks: Marks) -> Part | None:
    """Rectangles."""
    if marks.boxes is None:
        return None
    rows, columns = picture.image.shape[:2]
    fill = np.zeros((rows, columns), bool)
    boxes = parse_boxes(marks.boxes)
    for x, y, width, height in boxes:
        part = fill[y : y + height, x : x + width]
        if not part.size:
            problem = f"lies outside the picture, which is {columns}x{rows}"
            raise UserError("--mask_box", f"{x},{y},{width},{height}", problem)
        part[:] = True
    words = "the box" if len(boxes) == 1 else f"{len(boxes)} boxes"
    return Part(fill, f"{words} {marks.boxes}", "--mask_box", marks.boxes)


def _from_alpha(picture: Picture, marks: Marks) -> Part | None:
    """What is transparent in the picture, where nothing else is marked."""
    if marks.given or picture.alpha is None or not (picture.alpha == 0).any():
        return None
    remark = "has transparent pixels: they are filled, and opaque in the result"
    return Part(find_erased(picture.alpha), "its transparent pixels", remarks=(remark,))


def _from_numbers(picture: Picture, marks: Marks) -> Part | None:
    """What the file holds no numbers for."""
    del marks
    if picture.holes is None:
        return None
    return Part(picture.holes, "what is not numbers")


KINDS: tuple[Callable[[Picture, Marks], Part | None], ...] = (
    _from_file,
    _from_color,
    _from_boxes,
    _from_alpha,
    _from_numbers,
)
