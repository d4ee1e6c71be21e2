"""Filling holes."""

import numbers
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import dip_jax
from dip_jax import damage, filling, operators
from dip_jax.app.errors import UserError
from dip_jax.app.files.alpha import without_erased
from dip_jax.app.files.masks import Marks, find_mask, parse_boxes
from dip_jax.app.files.paint import parse_color, suggest_paint
from dip_jax.app.files.pictures import Picture
from dip_jax.app.recipe.records import check_at_least_0, check_boolean
from dip_jax.app.recipe.tasks.base import (
    KEEP_KNOWN,
    REFINE,
    Arrays,
    Data,
    Degraded,
    Flag,
    Measured,
    Options,
    TaskSpec,
    refine_fit,
)
from dip_jax.base import Array, Image, Task
from dip_jax.compilation import jit

_MOST_GROWTH = 1000  # pixels
_LEVELS = 256
_REFINING = (20.0, 5.0)  # 8-bit levels, from the first round to the last
_ROUNDS = 30
# Areas begin farther from the truth: see experiments/notes/quality.md.
_REFINING_AREAS, _ROUNDS_OF_AREAS = (40.0, 5.0), 120
_NEAR = 9  # pixels from a hole, beyond which nothing is refined
_DENSE = 0.5  # share of the picture that is near holes
_interpolate = jit(filling.interpolate)  # as one program


def _marks(path: str | None, options: Options) -> Marks:
    return Marks(
        path,
        invert=options["invert_mask"],
        grow=options["grow_mask"],
        color=options["mask_color"],
        tolerance=options["mask_tolerance"],
        boxes=options["mask_box"],
    )


def _read(
    path: str | None, picture: Picture, options: Options
) -> tuple[np.ndarray | None, list[str]]:
    mask, remarks = find_mask(picture, _marks(path, options))
    if mask is None and (advice := suggest_paint(picture)):
        raise UserError("mask", None, f"is needed for --task=inpaint; {advice}")
    return mask, remarks


def _are_scattered(measured: Measured) -> bool:
    """Whether single pixels are missing, not areas, where the picture lies on the canvas."""
    inside = measured.region[:, :, 0] > 0
    return filling.are_scattered(measured.known[np.ix_(inside.any(axis=1), inside.any(axis=0))])


def _check(mask: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Returns float32 ``[h, w, 1]`` of zeros and ones, or raises a UserError."""
    mask = np.asarray(mask)
    if mask.ndim == 2:
        mask = mask[:, :, None]
    wanted = (*picture.shape[:2], 1)
    if mask.shape != wanted:
        raise UserError("mask", f"array of shape {mask.shape}", f"must be {wanted}")
    if not np.isin(mask, (0, 1)).all():
        raise UserError(
            "mask",
            f"array of {mask.dtype}",
            "must hold 0 (fill) and 1 (known) only; of a picture, mask > 127",
        )
    mask = mask.astype(np.float32)
    if mask.min() == mask.max():
        state = "missing" if mask.max() else "known"
        raise UserError("mask", f"all {mask.max():g}", f"nothing is {state}; 1 is known, 0 fill")
    return mask


MASK = Data(
    Flag(
        "mask",
        str,
        None,
        "For inpaint: a picture of the same size or shape, white where the image is known, black "
        "where it is to be filled. With many pictures, one for all, or a folder with one of the "
        "same name (or name_mask) for each [transparent pixels of the picture are filled].",
    ),
    _read,
    _check,
    "give it, or a --mask_color or a --mask_box, or erase the damage to transparency; or hide "
    "pixels with --missing",
    in_picture=True,
)


@dataclass(frozen=True)
class Inpaint(TaskSpec):
    """Fits the known pixels; the network's output fills the holes."""

    name = "inpaint"
    default_rule = "held_out"
    has_holes = True
    raw_as = "restored, known pixels not put back"
    data = (MASK,)
    damage_flag = "missing"
    flags = (
        Flag("invert_mask", bool, False, "Black is known, white is to be filled."),
        Flag(
            "mask_color",
            str,
            None,
            "Fill what is painted in this colour, such as red or '#ff0000', on the --mask, or on "
            "the picture itself.",
        ),
        Flag(
            "mask_tolerance",
            float,
            None,
            "How far a painted pixel may be from --mask_color, in 8-bit levels [16; 48 in a JPEG].",
        ),
        Flag(
            "mask_box",
            str,
            None,
            "Fill a rectangle: X,Y,WIDTH,HEIGHT in pixels; several with ; between them, in quotes.",
        ),
        Flag(
            "grow_mask",
            int,
            0,
            "Enlarge the holes by N pixels, for a mask that leaves out the rim of the damage.",
        ),
        KEEP_KNOWN,
        REFINE,
        Flag(
            "missing", float, None, "Demonstration: hide this percentage of --image's pixels first."
        ),
    )

    missing: float = 50.0
    """Percentage of pixels that a demonstration hides."""
    keep_known: bool = True
    """Whether known pixels are put back into the result, and the filled holes blended into them."""
    anchor: float = 0.0
    """Pull of a smooth guess on the middle of wide holes; see :func:`dip_jax.filling.anchor`."""
    refine: bool = False
    """Whether holes that are not wide are refined by :func:`dip_jax.refine_measured`."""
    window_share: float = 1.0
    """Share of the steps that a window around areas takes if it is refined."""

    def check(self) -> None:
        if not isinstance(self.missing, numbers.Real) or not 0 < self.missing < 100:
            raise UserError("missing", self.missing, "must be a percentage between 0 and 100")
        check_at_least_0("anchor", self.anchor)
        check_boolean("refine", self.refine)
        if not (isinstance(self.window_share, numbers.Real) and 0 < self.window_share <= 1):
            problem = "must be a share of the steps, above 0 and up to 1"
            raise UserError("window_share", self.window_share, problem)

    def check_options(self, options: Options) -> None:
        grow = options["grow_mask"]
        if not 0 <= grow <= _MOST_GROWTH:
            raise UserError("grow_mask", grow, f"must be from 0 to {_MOST_GROWTH} pixels")
        tolerance = options["mask_tolerance"]
        if tolerance is not None and not 0 <= tolerance < _LEVELS:
            raise UserError("mask_tolerance", tolerance, f"must be from 0 to below {_LEVELS}")
        if options["mask_color"] is not None:
            parse_color(options["mask_color"])
        elif tolerance is not None:
            raise UserError("mask_tolerance", tolerance, "needs a --mask_color")
        if options["mask_box"] is not None:
            parse_boxes(options["mask_box"])
        for name in ("mask", "mask_color", "mask_box", "grow_mask"):
            if options[name] and options["missing"] is not None:
                problem = f"can't go with --{name}; drop one of them"
                raise UserError("missing", options["missing"], problem)
        if options["invert_mask"] and not (options["mask"] or options["mask_color"]):
            raise UserError("invert_mask", True, "needs a --mask or a --mask_color")

    def make(
        self,
        y: Array,
        known: Array,
        data: Arrays,
        reference: Image | None = None,
        region: Array | None = None,
    ) -> Task:
        del data
        inside = 1.0 if region is None else region  # margins are no holes
        if self.anchor and (filling.far_inside(known) & (jnp.asarray(inside) > 0)).any():
            y, known = filling.anchor(y, known, self.anchor, inside)
        return dip_jax.denoise(y, known=known, reference=reference, region=region)

    def compare(self, y: Array, known: Array, data: Arrays) -> Task:
        del data
        return dip_jax.denoise(y, known=known)

    def degrade(
        self, image: np.ndarray, options: Options, seed: int, *, demonstration: bool
    ) -> Degraded | None:
        if options["missing"] is None and not demonstration:
            return None
        for name in ("mask_color", "mask_box", "grow_mask"):
            if options[name]:
                raise UserError(name, options[name], "needs an --image")
        mask = damage.random_mask(image.shape[:2], self.missing / 100, seed)
        if mask.min() == mask.max():
            problem = "leaves the picture whole or empty; change it"
            raise UserError("missing", self.missing, problem)
        words = f"with {self.missing:g} % of its pixels hidden"
        return Degraded(image * mask, image, words, {"mask": mask})

    def known(self, data: Arrays) -> np.ndarray | None:
        return data["mask"]

    def improve(self, image: np.ndarray, measured: Measured) -> np.ndarray:
        if not self._refines(measured):
            return image
        from scipy import ndimage

        y, known = np.asarray(measured.y), np.asarray(measured.known)
        seen = Partial(operators.mask, known=jnp.asarray(known))
        if _are_scattered(measured):
            options = {"levels": _REFINING, "rounds": _ROUNDS}
            return refine_fit(seen, known * y, image, sigma=0.0, **options)
        # A fit and a smooth guess err in different ways. Both are far behind what is made of them.
        start = (image + np.asarray(_interpolate(y, known))) / 2
        inside = np.asarray(measured.region)[:, :, 0] > 0
        needed = ndimage.binary_dilation(inside & (known[:, :, 0] == 0), iterations=_NEAR) & inside
        # All over the picture, as writing is, more rounds would take long and gain nothing.
        sparse = needed.sum() < _DENSE * inside.sum()
        return refine_fit(
            seen,
            known * y,
            start,
            share=1.0,
            sigma=0.0,
            needed=needed,
            levels=_REFINING_AREAS if sparse else _REFINING,
            rounds=_ROUNDS_OF_AREAS if sparse else _ROUNDS,
        )

    def count_window_steps(self, steps: int, measured: Measured) -> int:
        # Refining finds what the other steps would: see experiments/notes/quality.md.
        fewer = self._refines(measured) and not _are_scattered(measured)
        return max(1, round(self.window_share * steps)) if fewer else steps

    def _refines(self, measured: Measured) -> bool:
        if not (self.refine and self.keep_known and measured.noise is None):
            return False
        # The middle of a wide hole is not known well enough to find patches like it.
        wide = filling.far_inside(measured.known) & (jnp.asarray(measured.region) > 0)
        return not wide.any()

    def join(
        self,
        filled: np.ndarray,
        y: np.ndarray,
        known: np.ndarray,
        held: np.ndarray,
        *,
        hides_pixels: bool,
    ) -> np.ndarray:
        if not self.keep_known:
            return filled
        return filling.join_known(filled, y, known, held, predicted=hides_pixels)

    def finish_alpha(self, alpha: np.ndarray, data: Arrays) -> np.ndarray:
        return without_erased(alpha, data["mask"][:, :, 0] == 0)

    def exact(self, data: Arrays) -> np.ndarray | None:
        return data["mask"] if self.keep_known else None
