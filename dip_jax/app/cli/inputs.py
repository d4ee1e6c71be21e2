"""The pictures of a run: read from the files that flags name, or damaged for a demonstration."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dip_jax.app.cli.request import Files, Request
from dip_jax.app.errors import UserError, printable
from dip_jax.app.files import ORIGIN, Origin, read_picture
from dip_jax.app.files.alpha import spread_colors
from dip_jax.app.files.pictures import STREAM, Picture
from dip_jax.app.recipe import Arrays, TaskSpec, degrade
from dip_jax.noise import NoiseModel, measure_noise
from dip_jax.operators import Crop

_SIDE = 256  # of a preview of the middle
_PART = re.compile(r"(\d+),(\d+),(\d+),(\d+)")  # X,Y,WIDTH,HEIGHT


class Inputs(NamedTuple):
    """The pictures of a run."""

    name: str
    observed: np.ndarray
    alpha: np.ndarray | None
    data: Arrays
    """The task's arrays."""
    reference: np.ndarray | None
    noise: NoiseModel | None
    """As given, or as added."""
    origin: Origin
    """What the picture's file was like, for the result to be written alike."""
    damage: str
    """What was done to a clean picture, in words; empty for a real one."""
    given: np.ndarray
    """The picture as in its file, with its holes."""
    part: Crop | None = None
    """The part to restore; None for all."""
    settings: Mapping[str, Any] = {}
    """Settings of the task that follow from the picture's file."""

    @property
    def shown(self) -> "Inputs":
        """The same, cut to the part to restore; the task's arrays stay whole."""
        part, truth = self.part, self.reference
        if part is None:
            return self
        if truth is not None:
            factor = truth.shape[0] // self.observed.shape[0]
            truth = Crop(*(factor * value for value in part))(truth)
        return self._replace(
            observed=part(self.observed),
            alpha=None if self.alpha is None else part(self.alpha),
            reference=truth,
            given=part(self.given),
        )

    @property
    def arrays(self) -> dict[str, np.ndarray | None]:
        """All that distinguishes these inputs from others, by name."""
        measured = None if self.noise is None else self.noise.kernel
        return {
            "observed": self.observed,
            **self.data,
            **({} if measured is None else {"noise_kernel": np.asarray(measured)}),
            "reference": self.reference,
            "alpha_channel": self.alpha,
        }


def read_inputs(request: Request, files: Files) -> Inputs:
    """Reads and checks the pictures, and damages them if the request says so.

    Raises:
      UserError: for a bad file, or one that does not suit the flags.
    """
    task = request.task
    name, picture = _read_image(request, files)
    settings: dict[str, Any] = {}
    image, alpha = picture.image, picture.alpha
    degraded = task.degrade(image, request.options, request.seed, demonstration=files.image is None)
    if degraded is not None:
        if files.reference is not None:  # by a task without a ``damage_flag``
            problem = "can't go with a demonstration, where --image is the reference; drop it"
            raise UserError("reference", files.reference, problem)
        observed, reference, noise = degraded.observed, degraded.reference, degraded.noise
        data, damage = degraded.data, degraded.damage
        if alpha is not None:
            alpha = alpha[: reference.shape[0], : reference.shape[1]]
    else:
        data, damage = _read_data(request, files, picture), ""
        settings = _suit_file(request, files, picture)
        noise = _measure_noise(request.options.get("noise_from"), picture) or request.noise
        known = task.known(data)
        observed = image if known is None else image * known
        if task.factor > 1 and alpha is not None:
            observed = spread_colors(observed, alpha)
        reference = _read_reference(files, picture, task)
        alpha = None if alpha is None else task.finish_alpha(alpha, data)
    task.check_picture(observed)
    given = image if degraded is None else observed
    part = None if request.preview is None else _read_preview(request.preview, observed)
    if part is not None and not task.tiles:
        problem = f"can't be done: {task.name} needs the whole picture; drop it"
        raise UserError("preview", request.preview, problem)
    _check_part(request, part, data)
    return Inputs(
        name,
        observed,
        alpha,
        data,
        reference,
        noise,
        picture.origin,
        damage,
        given,
        part,
        settings,
    )


def _read_image(request: Request, files: Files) -> tuple[str, Picture]:
    """Returns the picture's name and the picture; prints remarks on its file."""
    task = request.task
    if files.image is not None:
        picture = read_picture(files.image, page=request.page, scale=request.scale)
        for remark in picture.remarks:
            request.voice.note(remark)
        if picture.holes is not None and (not task.has_holes or picture.holes.all()):
            share = f"{100 * picture.holes.mean():.3g} %"
            problem = f"holds no numbers (NaN, infinity) in {share} of its pixels"
            mend = "" if picture.holes.all() else "; --task=inpaint fills them"
            raise UserError("image", files.image, problem + mend)
        return "stdin" if files.image == STREAM else Path(files.image).stem, picture
    if request.scale is not None:
        raise UserError("range", request.flags["range"], "needs an --image")
    partners = {data.name: files.data[data.name] for data in task.data if data.per_pixel}
    for name, path in (partners | {"reference": files.reference}).items():
        if path is not None:
            raise UserError(name, path, "needs an --image")
    return "astronaut", Picture(degrade.demonstration_picture(), None, None, ORIGIN)


def _read_data(request: Request, files: Files, picture: Picture) -> Arrays:
    """Returns the task's arrays; prints remarks on possible mistakes."""
    arrays = {}
    for data in request.task.data:
        array, remarks = data.read(files.data[data.name], picture, request.options)
        if array is None:
            problem = f"is needed for --task={request.task.name}; {data.hint}"
            raise UserError(data.name, None, problem)
        arrays[data.name] = array
        for remark in remarks:
            request.voice.note(remark)
    return arrays


def _suit_file(request: Request, files: Files, picture: Picture) -> dict[str, Any]:
    """Returns settings that suit the picture's file, unless flags give them; prints why."""
    settings = {}
    for name, (value, remark) in request.task.suit_file(picture).items():
        if name not in request.given:
            settings[name] = value
            request.voice.note(printable(f"--image={files.image} {remark}"))
    return settings


def _check_part(request: Request, part: Crop | None, data: Arrays) -> None:
    """Raises a UserError for a part with nothing known, or nothing to restore."""
    known, exact = request.task.known(data), request.task.exact(data)
    if part is None:
        return
    if known is not None and not part(known).any():
        problem = "lies in a hole, with no known pixel; take another part"
        raise UserError("preview", request.preview, problem)
    if exact is not None and part(exact).all():
        raise UserError("preview", request.preview, "has nothing to fill; take another part")


def _read_preview(where: str, image: np.ndarray) -> Crop:
    """Returns the part that ``--preview`` names."""
    height, width, _ = image.shape
    if where in ("center", "centre"):
        side = min(_SIDE, height, width)
        return Crop((height - side) // 2, (width - side) // 2, side, side)
    return _read_part("preview", where, image)


def _read_part(flag: str, where: str, image: np.ndarray) -> Crop:
    """Returns the part of a picture that a flag names."""
    corners = _PART.fullmatch(where)
    if corners is None:
        problem = (
            "is not a rectangle: write X,Y,WIDTH,HEIGHT in whole pixels from 0, without spaces"
        )
        raise UserError(flag, where, problem + (", or center" if flag == "preview" else ""))
    left, top, width, height = map(int, corners.groups())
    part = Crop(top, left, height, width)
    if 0 in (width, height) or part(image).shape[:2] != (height, width):
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise UserError(flag, where, f"is not inside the picture, which is {size}")
    return part


def _measure_noise(where: str | None, picture: Picture) -> NoiseModel | None:
    """Returns the noise that ``--noise_from`` names; None if it names none."""
    if where is None:
        return None
    image = picture.image
    if not re.search(r"[^\d,. -]", where):
        part = _read_part("noise_from", where, image)(image)
    else:
        part = read_picture(where, flag="--noise_from", like=picture.origin).image
        if part.shape[2] != image.shape[2]:
            problem = f"has {part.shape[2]} channels, the picture has {image.shape[2]}"
            raise UserError("noise_from", where, problem)
    try:
        return measure_noise(part)
    except ValueError as error:
        raise UserError("noise_from", where, str(error)) from error


def _read_reference(files: Files, picture: Picture, task: TaskSpec) -> np.ndarray | None:
    if files.reference is None:
        return None
    image = picture.image
    reference = read_picture(files.reference, flag="--reference", like=picture.origin).image
    wanted = (image.shape[0] * task.factor, image.shape[1] * task.factor, image.shape[2])
    if reference.shape != wanted:
        size = "{1}x{0} with {2} channels".format
        raise UserError(
            "reference",
            files.reference,
            f"is {size(*reference.shape)}; the result will be {size(*wanted)}",
        )
    return reference
