"""Known noise added to clean pictures: are kind, level and correlation found?

  DIP_JAX_DATA=... python -m experiments.quality.known_noise_table --backend=cpu

The pictures are the colour pictures of the paper's denoising table and scikit-image's, at half
their size by means of 2x2 pixels, which reduces their own noise. The truth is the difference of
the noisy and the clean picture: its root mean square in 8-bit levels, and its correlation between
neighbours in a row or column. A kind may have two right answers: JPEG 95 leaves white noise almost
white, and photons on a picture of one brightness are white noise.

The last table asks whether texture is taken for noise: parts of 256x256 pixels of scikit-image's
pictures and textures at their full size, from the corners and the middle.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from dip_jax.app import UserError
from dip_jax.app.files import read_picture
from dip_jax.app.machine import choose_device
from dip_jax.app.recipe.degrade import jpeg
from dip_jax.noise import identify_noise
from experiments.program import Table, define_common, publish, run_program
from experiments.quality.denoising_table import PICTURES
from experiments.quality.tables import define_pictures, round_to_8_bits

NAME = "known_noise_table"
BUNDLED = ("astronaut", "coffee", "chelsea", "rocket")
TEXTURED = (*BUNDLED, "brick", "grass", "gravel", "camera", "coins", "immunohistochemistry")
SIDE = 256  # pixels of a part


class Noise(NamedTuple):
    """A kind of noise, and the right answers for it."""

    add: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    kinds: tuple[str, ...]
    measured: bool = True
    """Whether its level and correlation are scored."""


def _white(sigma: float, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image + sigma / 255 * rng.normal(size=image.shape)


def _photons(gain: float, sigma: float, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    counts = rng.poisson(image * 255 / gain) * gain / 255
    return counts + sigma / 255 * rng.normal(size=image.shape)


def _filtered(spread: float, sigma: float, image: np.ndarray, rng: np.random.Generator):
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.normal(size=image.shape), (spread, spread, 0), mode="wrap")
    return image + sigma / 255 * noise / noise.std()


def _demosaicked(sigma: float, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise on a Bayer mosaic (RGGB), then bilinear interpolation of each channel."""
    from scipy.ndimage import convolve

    noise = sigma / 255 * rng.normal(size=image.shape)
    sampled = np.zeros(image.shape)
    sampled[::2, ::2, 0] = sampled[1::2, 1::2, 2] = 1
    sampled[::2, 1::2, 1] = sampled[1::2, ::2, 1] = 1
    taps = np.outer([1, 2, 1], [1, 2, 1]) / 4
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    planes = [convolve(noise[..., c] * sampled[..., c], taps, mode="mirror") for c in range(3)]
    planes[1] = convolve(noise[..., 1] * sampled[..., 1], cross, mode="mirror")
    return image + np.stack(planes, axis=2)


def _compressed(quality: int, sigma: float, image: np.ndarray, rng: np.random.Generator):
    return jpeg(round_to_8_bits(_white(sigma, image, rng)), quality)


def _striped(sigma: float, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image + sigma / 255 * rng.normal(size=(1, *image.shape[1:]))


def _salted(share: float, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    place = rng.random((*image.shape[:2], 1))
    return np.where(place < share / 2, 0.0, np.where(place > 1 - share / 2, 1.0, image))


def _nothing(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    del rng
    return image


NOISES = {
    "none": Noise(_nothing, ("none",), measured=False),
    "none, JPEG 90": Noise(lambda image, _: jpeg(image, 90), ("none",), measured=False),
    "white 5": Noise(functools.partial(_white, 5), ("white",)),
    "white 15": Noise(functools.partial(_white, 15), ("white",)),
    "white 25": Noise(functools.partial(_white, 25), ("white",)),
    "white 50": Noise(functools.partial(_white, 50), ("white",)),
    "photons 4, sigma 3": Noise(functools.partial(_photons, 4, 3), ("signal-dependent",)),
    "photons 10, sigma 5": Noise(functools.partial(_photons, 10, 5), ("signal-dependent",)),
    "photons 6": Noise(functools.partial(_photons, 6, 0), ("signal-dependent",)),
    "Gaussian-filtered 0.7, 10": Noise(functools.partial(_filtered, 0.7, 10), ("correlated",)),
    "Gaussian-filtered 1.5, 15": Noise(functools.partial(_filtered, 1.5, 15), ("correlated",)),
    "demosaicked 15": Noise(functools.partial(_demosaicked, 15), ("correlated",)),
    "JPEG 95 of white 15": Noise(functools.partial(_compressed, 95, 15), ("correlated", "white")),
    "JPEG 85 of white 15": Noise(functools.partial(_compressed, 85, 15), ("correlated",)),
    "JPEG 75 of white 15": Noise(functools.partial(_compressed, 75, 15), ("correlated",)),
    "columns 12": Noise(functools.partial(_striped, 12), ("correlated",)),
    "salt and pepper 2 %": Noise(functools.partial(_salted, 0.02), ("impulses",), measured=False),
    "salt and pepper 10 %": Noise(functools.partial(_salted, 0.1), ("impulses",), measured=False),
}


class Finding(NamedTuple):
    """What was found in one noisy picture, and the truth."""

    kind: str
    level: float
    true_level: float
    correlation: float
    true_correlation: float


def define(values: flags.FlagValues) -> None:
    """Defines the program's flags."""
    define_pictures(values, [*PICTURES, *BUNDLED])
    text = {"flag_values": values}
    flags.DEFINE_list("noises", list(NOISES), "Some of the table's noises.", **text)
    define_common(values)


def main(argv: list[str]) -> int:
    """Runs with ``argv``; returns the exit code."""
    return run_program(NAME, __doc__ or "", define, functools.partial(_run, argv), argv)


def _run(argv: list[str], values: flags.FlagValues) -> None:
    for name in values.noises:
        if name not in NOISES:
            raise UserError("--noises", name, f"is unknown; there are {'; '.join(NOISES)}")
    clean = {name: load_half(values.data, name) for name in values.pictures}
    device = choose_device(values.backend)
    lines, wrong = [], []
    for label in values.noises:
        found = {name: examine(NOISES[label], image) for name, image in clean.items()}
        lines.append([label, *summarise(NOISES[label], list(found.values()))])
        for name, one in found.items():
            if one.kind not in NOISES[label].kinds:
                level = f"{one.level:.1f}, truly {one.true_level:.1f}"
                wrong.append([label, name, one.kind, level])
    columns = ["noise", "kind right", "level error", "within 15 %", "correlation error"]
    note = (
        f"{len(clean)} pictures. Errors: mean of the absolute error; of the level, in percent of "
        "the true one."
    )
    tables = [
        Table("Known noises", [*columns, "within 0.1"], lines, note),
        Table("Wrong kinds", ["noise", "picture", "kind", "level"], wrong),
        Table("Parts without noise", ["picture", "none", "others"], examine_parts()),
    ]
    publish(tables, f"experiments.quality.{NAME}", argv, device, values.out)


def load_half(data: str | None, name: str) -> np.ndarray:
    """Returns a picture at half its size, float32 ``[h, w, 3]`` in [0, 1].

    Raises:
      UserError: if there is no picture of that name.
    """
    if name in BUNDLED:
        from skimage import data as bundled

        whole = getattr(bundled, name)().astype(np.float32) / 255
    elif data and (path := Path(data) / "set9" / f"{name}.png").exists():
        whole = read_picture(str(path)).image
    else:
        raise UserError("--pictures", name, "is in no folder set9 of --data (DIP_JAX_DATA)")
    height, width = (side // 2 for side in whole.shape[:2])
    return whole[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).mean(axis=(1, 3))


def examine(noise: Noise, clean: np.ndarray) -> Finding:
    """Adds noise to a picture, rounds to 8 bits, and identifies the noise."""
    noisy = round_to_8_bits(noise.add(clean, np.random.default_rng(0)))
    verdict = identify_noise(noisy)
    rest = noisy - clean
    return Finding(
        verdict.kind,
        verdict.noise.level,
        255 * float(np.sqrt(np.mean(rest**2))),
        0.0 if verdict.noise.kernel is None else correlate_kernel(verdict.noise.kernel),
        correlate_neighbours(rest),
    )


def examine_parts() -> list[list[str]]:
    """Returns a row for each of ``TEXTURED``: how many of its parts are said to have no noise."""
    from skimage import data as bundled

    rows = []
    for name in TEXTURED:
        whole = np.atleast_3d(getattr(bundled, name)()).astype(np.float32) / 255
        verdicts = [identify_noise(part) for part in cut_parts(whole)]
        others = [f"{one.kind} {one.noise.level:.1f}" for one in verdicts if one.kind != "none"]
        right = f"{len(verdicts) - len(others)} of {len(verdicts)}"
        rows.append([name, right, ", ".join(others) or "-"])
    return rows


def cut_parts(image: np.ndarray) -> list[np.ndarray]:
    """Returns the corners and the middle of a picture, ``[SIDE, SIDE, c]`` each."""
    down, right = (size - SIDE for size in image.shape[:2])
    places = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    return [image[row : row + SIDE, column : column + SIDE] for row, column in places]


def correlate_neighbours(noise: np.ndarray) -> float:
    """The correlation of ``[h, w, c]`` between neighbours, mean of rows and columns."""
    noise = noise - noise.mean(axis=(0, 1))
    pairs = ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]))
    return float(np.mean([(one * other).mean() for one, other in pairs]) / (noise**2).mean())


def correlate_kernel(kernel: np.ndarray) -> float:
    """The correlation between neighbours of the noise that a filter ``[k, l, c, c]`` makes."""
    size = 4 * len(kernel)  # which wraps around; so the filter must not
    spectrum = np.fft.fft2(kernel, (size, size), axes=(0, 1))
    power = (np.abs(spectrum) ** 2).sum(axis=(2, 3))
    cosine = np.cos(2 * np.pi * np.arange(size) / size)
    return float((power * (cosine + cosine[:, None])).sum() / (2 * power.sum()))


def summarise(noise: Noise, found: list[Finding]) -> list[str]:
    """Formats how often and how far the findings are right."""
    right = f"{sum(one.kind in noise.kinds for one in found)} of {len(found)}"
    if not noise.measured:
        return [right, "-", "-", "-", "-"]
    level = np.array([abs(one.level / one.true_level - 1) for one in found])
    correlation = np.array([abs(one.correlation - one.true_correlation) for one in found])
    return [
        right,
        f"{100 * level.mean():.0f} %",
        f"{(level <= 0.15).sum()} of {len(found)}",
        f"{correlation.mean():.2f}",
        f"{(correlation <= 0.1).sum()} of {len(found)}",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
