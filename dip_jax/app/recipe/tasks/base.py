"""The base class of tasks: data, damage, loss and finishing."""

import abc
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import jax.numpy as jnp
import numpy as np

import dip_jax
from dip_jax.app.errors import UserError
from dip_jax.app.files.pictures import Picture
from dip_jax.app.recipe.records import Record
from dip_jax.base import Array, Image, Task
from dip_jax.noise import NoiseModel
from dip_jax.non_local import PATCH

Options = Mapping[str, Any]
"""The values of a task's flags, by name."""
Arrays = dict[str, np.ndarray]
"""A task's data by name, each as its ``check_data`` returns it."""


class Flag(NamedTuple):
    """A flag of the command."""

    name: str
    kind: Any
    """``str``, ``int``, ``float``, ``bool``, or a tuple of choices."""
    default: Any
    help: str


class Data(NamedTuple):
    """An array that a task needs beside the picture.

    The flag, the partners by name in a folder and the digest for ``--resume`` follow from it.
    """

    flag: Flag
    read: Callable[[str | None, Picture, Options], tuple[np.ndarray | None, list[str]]]
    """``(value of the flag, the picture, the flags) -> the array, remarks to the user``. The value
    may be None; the array is None if other flags and the picture do not give it either."""
    check: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """``(array, picture) -> the array as the task needs it``, or a UserError."""
    hint: str
    """What to do if it is missing."""
    per_pixel: bool = True
    """Whether it is ``[h, w, c]`` like the picture, so that tiles take their part of it, and a
    folder may hold one for each picture."""
    in_picture: bool = False
    """Whether the picture or other flags may give it, so that its own flag may be left out."""

    @property
    def name(self) -> str:
        """The name of the flag and of the argument."""
        return self.flag.name


class Degraded(NamedTuple):
    """A clean picture, damaged for a demonstration."""

    observed: np.ndarray
    reference: np.ndarray
    """The clean picture, perhaps cropped at its right and bottom."""
    damage: str
    """What was done, in words."""
    data: Arrays = {}  # noqa: RUF012
    noise: NoiseModel | None = None
    """The noise that was added."""


class Measured(NamedTuple):
    """What is known of a picture when its fits have ended, on the canvas."""

    y: np.ndarray
    """The measurement, ``[h, w, c]``."""
    known: np.ndarray
    """``[h, w, 1]``, 1 where it was measured."""
    noise: NoiseModel | None
    """Its noise, if known."""
    data: Arrays
    """The task's arrays."""
    region: np.ndarray
    """``[h, w, 1]``, 1 where the picture lies, 0 in the margins."""


NOISE = Flag(
    "noise",
    ("auto", "camera", "gaussian", "poisson"),
    "auto",
    "The kind of noise. auto finds it: none, impulses, white, or dependent on brightness and "
    "correlated between pixels, as in photographs. camera, for a photograph that shows grain, "
    "assumes 3.5 levels at most where auto finds none; with --sigma, that level.",
)
SIGMA = Flag(
    "sigma",
    float,
    None,
    "Level of Gaussian or a camera's noise in 8-bit levels, if known; in a demonstration, of the "
    "noise added.",
)
GAIN = Flag(
    "gain",
    float,
    None,
    "Poisson noise: 8-bit levels per photon, if known; in a demonstration, of the noise added [5].",
)
NOISE_FROM = Flag(
    "noise_from",
    str,
    None,
    "Where to measure the noise: a picture of something flat by the same camera and settings, or "
    "X,Y,WIDTH,HEIGHT, a flat part of the picture; 48x48 pixels at least.",
)
REFINE = Flag(
    "refine",
    bool,
    None,
    "For denoise and deblur, and for inpaint except where holes are wide: refine the fit's result "
    "by combining similar patches, which usually gains 0.2 to 2 dB. It takes seconds; for 256x256 "
    "pixels half a minute to inpaint, a minute to deblur [on; off for paper, and for denoise with "
    "--hide or a decoder].",
)
KEEP_KNOWN = Flag(
    "keep_known",
    bool,
    None,
    "For inpaint: put known pixels back into the result, and blend the filled holes into them. "
    "For super_resolve: make the result agree with the picture when downsampled again; turn off "
    "if the picture is noisy, or was made by skipping pixels [on; off to enlarge a JPEG file of a "
    "quality below 95].",
)


def refine_fit(
    operator: Callable[[Image], Array],
    y: np.ndarray,
    image: np.ndarray,
    *,
    share: float = 0.7,
    **options: Any,
) -> np.ndarray:
    """Returns a mean of a fit and what :func:`dip_jax.refine_measured` makes of it.

    Args:
      operator: from the image to ``y``.
      y: the measurement.
      image: the fit ``[h, w, c]``, returned as it is if it is smaller than a patch.
      share: of what is made of it; the rest is the fit's, whose errors are others.
      **options: of ``refine_measured``.
    """
    if min(image.shape[:2]) < PATCH:
        return image
    refined = dip_jax.refine_measured(operator, y, image, **options)
    return np.float32(share) * np.asarray(refined) + np.float32(1 - share) * image


@dataclass(frozen=True)
class TaskSpec(Record, abc.ABC):
    """What is done to a picture. A record's fields are the task's settings."""

    data: ClassVar[tuple[Data, ...]] = ()
    """The arrays that it needs."""
    flags: ClassVar[tuple[Flag, ...]] = ()
    """Its flags, besides those of its data."""
    damage_flag: ClassVar[str] = ""
    """The name of the flag that asks for damage to a clean picture; see :meth:`degrade`."""
    default_rule: ClassVar[str] = "none"
    """The stopping rule that "auto" means."""
    takes_noise: ClassVar[bool] = False
    """Whether the picture has noise, whose kind and level may be given."""
    measures_pixels: ClassVar[bool] = True
    """Whether each measured value is one pixel's, so that the picture itself can be an input."""
    independent_pixels: ClassVar[bool] = True
    """Whether the damage is independent from pixel to pixel, so that held-out pixels can
    validate."""
    has_holes: ClassVar[bool] = False
    """Whether pixels are missing; its data then say where, see :meth:`known`."""
    on_canvas: ClassVar[bool] = True
    """Whether the picture lies on the generator's canvas. If not, it is compared with a crop."""
    filler: ClassVar[str] = ""
    """The name of the task that fills pixels that turn out to be unknown."""
    tiles: ClassVar[bool] = True
    """Whether a part of the picture can be restored by itself. Not so if the damage depends on the
    position in the picture."""
    shown_as: ClassVar[str] = "degraded"
    """The label of what the result is compared with."""
    raw_as: ClassVar[str] = ""
    """The label of the fit's own estimate in the scores, if finishing changes it much."""
    scores_luma: ClassVar[bool] = False
    """Whether the luma is scored too, without the border."""

    @property
    def needs_noise(self) -> bool:
        """Whether the noise's level is needed, and estimated if it is not given."""
        return False

    @property
    def filler_settings(self) -> Mapping[str, Any]:
        """Settings that the ``filler`` takes over, by name."""
        return {}

    @property
    def factor(self) -> int:
        """How many times larger the result is."""
        return 1

    @abc.abstractmethod
    def make(
        self,
        y: Array,
        known: Array,
        data: Arrays,
        reference: Image | None = None,
        region: Array | None = None,
    ) -> Task:
        """Returns the task for ``y``.

        Args:
          y: ``[h, w, c]``, on the canvas unless ``on_canvas`` is false.
          known: weights of its values.
          data: the task's arrays that are not ``per_pixel``.
          reference: the clean picture, of the canvas's size, for reports.
          region: ``[h, w, 1]``, where that counts.
        """

    def compare(self, y: Array, known: Array, data: Arrays) -> Task:
        """Returns the task that validates: :meth:`make`'s, unless that is not a plain error."""
        return self.make(y, known, data)

    def degrade(
        self, image: np.ndarray, options: Options, seed: int, *, demonstration: bool
    ) -> Degraded | None:
        """Damages a clean picture as the flags say; None if they say nothing.

        Args:
          image: ``[h, w, c]``.
          options: the task's flags.
          seed: decides random damage.
          demonstration: whether the user gave no picture, so that damage is needed.
        """
        del image, options, seed, demonstration
        return None

    def makes_data(self, options: Options) -> bool:
        """Whether the flags ask for damage, which brings the task's data with it."""
        return bool(self.damage_flag) and options[self.damage_flag] not in (None, False)

    def check_options(self, options: Options) -> None:
        """Checks flags before any file is read.

        Raises:
          UserError: for values out of range, or that do not go together.
        """
        del options

    def suit(self, *, feeds_noise: bool) -> Self:
        """Returns the task as suits a method; ``feeds_noise``: it needs the noise's level."""
        del feeds_noise
        return self

    def resolve(self, noise: NoiseModel | None) -> Self:
        """Returns the task for one picture, fully resolved."""
        del noise
        return self

    def suit_file(self, picture: Picture) -> Mapping[str, tuple[Any, str]]:
        """Returns settings that suit a picture's file, by name, each with a remark on the file.

        A flag that is given has precedence.
        """
        del picture
        return {}

    def check_picture(self, y: np.ndarray) -> None:
        """Raises a UserError if the task can't restore such a picture."""
        del y

    def check_data(self, y: np.ndarray, given: Mapping[str, np.ndarray | None]) -> Arrays:
        """Returns the arrays of the task for the picture ``y``, checked.

        Raises:
          UserError: for one that is missing or wrong.
        """
        arrays = {}
        for data in self.data:
            array = given.get(data.name)
            if array is None:
                raise UserError(data.name, None, f"is needed for {self.name}; {data.hint}")
            arrays[data.name] = data.check(array, y)
        return arrays

    def known(self, data: Arrays) -> np.ndarray | None:
        """Returns ``[h, w, 1]``, 1 where the picture is known; None if all is."""
        del data
        return None

    def count_window_steps(self, steps: int, measured: Measured) -> int:
        """Returns the steps of a fit to a window around holes; ``steps`` are a whole picture's."""
        del measured
        return steps

    def margin(self, data: Arrays) -> int:
        """Returns the pixels by which the canvas must exceed the picture on each side."""
        del data
        return 0

    def found_kernel(self, data: Arrays) -> np.ndarray | None:
        """Returns the kernel ``[k, l]`` that was found from the picture, to be saved; or None."""
        del data
        return None

    def enlarge(self, y: np.ndarray) -> np.ndarray:
        """Returns the picture at the size of the result."""
        return y

    def combine(self, images: list[np.ndarray], y: np.ndarray) -> np.ndarray:
        """Returns the fits of several members as one: their mean.

        Args:
          images: of the result's shape, one or more.
          y: the measurement.
        """
        del y
        return np.asarray(dip_jax.combine(jnp.stack(images), math.inf).image)

    def improve(self, image: np.ndarray, measured: Measured) -> np.ndarray:
        """Improves the fits' mean ``[h, w, c]`` by what was measured; both are on the canvas."""
        del measured
        return image

    def join(
        self,
        filled: np.ndarray,
        y: np.ndarray,
        known: np.ndarray,
        held: np.ndarray,
        *,
        hides_pixels: bool,
    ) -> np.ndarray:
        """Joins a fit's estimate, on the canvas, to the known pixels.

        Args:
          filled: ``[h, w, c]``.
          y: the measurement, of its shape.
          known: ``[h, w, 1]``, 1 where ``y`` was measured.
          held: ``[h, w, 1]``, 1 where the fit did not see a known value.
          hides_pixels: whether the method predicts pixels from their neighbours.
        """
        del y, known, held, hides_pixels
        return filled

    def finish_alpha(self, alpha: np.ndarray, data: Arrays) -> np.ndarray:
        """Returns the alpha channel ``[h, w]`` of the result, from the picture's."""
        del data
        return alpha

    def exact(self, data: Arrays) -> np.ndarray | None:
        """Returns ``[h, w, 1]``, 1 where it equals the picture bit for bit; None if nowhere."""
        del data
        return None

    def finish(
        self, image: np.ndarray, y: np.ndarray, data: Arrays, noise: NoiseModel | None
    ) -> np.ndarray:
        """Returns the whole restored picture, finished.

        Args:
          image: ``[h, w, c]``, the mean of members and tiles.
          y: the picture as measured.
          data: the task's arrays.
          noise: of the picture, if known.
        """
        del y, data, noise
        return image
