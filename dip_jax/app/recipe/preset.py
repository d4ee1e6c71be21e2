"""The preset: everything that a fit needs besides the picture and its noise."""

import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dip_jax.app.errors import UserError
from dip_jax.app.recipe.methods import METHODS, BlindSpot, ByHoles, Method, Plain
from dip_jax.app.recipe.networks import NETWORKS, Network
from dip_jax.app.recipe.optimizer import Adam
from dip_jax.app.recipe.records import Record, check_at_least_0, check_integer, suggest
from dip_jax.app.recipe.rules import AUTO, check_rule
from dip_jax.app.recipe.tasks import TASKS, TaskSpec

LEAST_TILE = 64
_LARGE = 640_000  # pixels that are fitted at once
_SIDE = 256  # of the tiles of larger pictures
MAX_STEPS = 10**9
# Names of settings up to 0.3, and what they are called now.
RENAMED = {
    "alpha": "noise_share",
    "extra": "extra_noise",
    "decay": "average_decay",
    "lobes": "lanczos_lobes",
    "every": "chunk_steps",
    "b2": "adam_b2",
}


@dataclass(frozen=True)
class Counts(Record):
    """The numbers of steps, fits and tiles."""

    steps: int
    """Maximum number of optimisation steps."""
    chunk_steps: int = 10
    """Steps in a chunk, after which the display is updated."""
    members: int = 1
    """Fits with different seeds, whose mean is the result."""
    tile: int | None = None
    """Side in pixels of overlapping squares in which the picture is restored; 0: whole; None: whole
    unless it is large and the preset has ``later_steps``."""
    later_steps: int = 0
    """Steps of a fit that continues from an earlier one: of each tile after the first, and of a
    picture that is warm-started. 0: every tile is fitted from scratch."""

    def check(self) -> None:
        for name in ("steps", "chunk_steps", "members"):
            check_integer(name, getattr(self, name), 1, MAX_STEPS)
        check_integer("later_steps", self.later_steps, 0, MAX_STEPS)
        if self.tile is not None:
            check_integer("tile", self.tile, 0, MAX_STEPS)
            if 0 != self.tile < LEAST_TILE:
                raise UserError("tile", self.tile, f"must be 0, or at least {LEAST_TILE} pixels")

    def resolve(self, pixels: int, *, tiles: bool) -> "Counts":
        """Returns the counts for a picture of so many pixels; ``tiles`` is the task's."""
        if self.tile is not None:
            return self
        large = tiles and self.later_steps and pixels > _LARGE
        return self.replace(tile=_SIDE if large else 0)


@dataclass(frozen=True, kw_only=True)
class Preset(Record):
    """A recipe for one task."""

    name: str
    task: TaskSpec
    counts: Counts
    network: Network = field(default_factory=Network)
    method: Method = field(default_factory=Plain)
    optimizer: Adam = field(default_factory=Adam)
    stop: str = AUTO
    """When to stop: "auto" or a name of :data:`.rules.RULES`."""
    average_decay: float = 0.99
    """Decay of the exponential average of the outputs."""
    tv: float = 0.0
    """Weight of the picture's mean total variation in the loss."""
    strength: float = 100.0
    """How much of the change to the picture is applied, in percent."""

    def check(self) -> None:
        if not self.method.suits(self.task):
            problem = f"does not suit the task {self.task.name}"
            raise UserError("method", self.method.name, problem)
        feeds = self.method.feeds_picture
        check_rule(self.stop, self.task, feeds_picture=feeds, preset=self.name)
        check_at_least_0("tv", self.tv)
        if not (isinstance(self.strength, numbers.Real) and 0 <= self.strength <= 100):
            raise UserError("strength", self.strength, "must be a percentage from 0 to 100")
        if self.strength != 100 and (self.task.has_holes or self.task.factor != 1):
            problem = f"has no meaning for {self.task.name}; drop it"
            raise UserError("strength", self.strength, problem)
        if not 0 <= self.average_decay < 1:
            raise UserError("average_decay", self.average_decay, "must be at least 0 and below 1")


def change(preset: Preset, **settings: Any) -> Preset:
    """Returns the preset with some settings changed.

    A setting goes to the record that has a field of that name: ``steps`` to the counts,
    ``learning_rate`` to the optimiser, ``factor`` to the task. A setting of another method than the
    preset's selects that method: ``hide=0.5`` means ``method=BlindSpot(hide=0.5)``, and
    ``hide=0`` the preset's method without hidden pixels. A generator brings its own options and
    learning rate, unless these are given too. Whole records may be given as well.

    Raises:
      UserError: for an unknown setting, one that means nothing for this task or method, or a
        value out of range.
    """
    for name, value in settings.items():
        if name in RENAMED:
            raise UserError(name, value, f"is now called {RENAMED[name]}")
    original = preset
    if "generator" in settings:
        preset = _with_generator(preset, settings)
    changes: dict[str, dict[str, Any]] = {"": {}}
    methods: dict[str, Any] = {}
    for name, value in settings.items():
        if name in ("generator", "options"):
            continue
        if any(name in method.fields() for method in METHODS):
            methods[name] = value
        else:
            changes.setdefault(_owner(preset, name, value), {})[name] = value
    for owner, fields in changes.items():
        if owner:
            record = changes[""].get(owner, getattr(preset, owner))
            changes[""][owner] = record.replace(**fields)
    if methods:
        method = changes[""].get("method", preset.method)
        changes[""]["method"] = _with_method(preset, method, methods)
    if "options" in settings and "generator" not in settings:
        changes[""]["network"] = preset.network.replace(options=settings["options"])
    preset = preset.replace(**changes[""])
    same = type(preset.method) is type(original.method)
    return preset if same else _adapt(preset, settings)


def _adapt(preset: Preset, settings: Mapping[str, Any]) -> Preset:
    """Returns a preset that has another method without what suits its own only, unless given."""
    if not {"later_steps", "counts"} & {*settings}:
        preset = preset.replace(counts=preset.counts.replace(later_steps=0))
    if not {"task", *preset.task.fields()} & {*settings}:
        preset = preset.replace(task=preset.task.suit(feeds_noise=preset.method.feeds_noise))
    return preset


_RECORDS = ("task", "counts", "optimizer")


def _owner(preset: Preset, name: str, value: Any) -> str:
    """Returns the preset's record with that setting, "" for the preset itself."""
    if name in Preset.fields() and name not in ("name", "task"):
        return ""
    for owner in _RECORDS:
        if name in getattr(preset, owner).fields():
            return owner
    owners = [task.name for task in TASKS.values() if name in task.fields()]
    if owners:
        problem = f"has no meaning for {preset.task.name}; it belongs to {' and '.join(owners)}"
        raise UserError(name, value, problem)
    raise UserError(name, value, "is not a setting; " + suggest(name, setting_names()))


def setting_names() -> list[str]:
    """Returns the names of all settings that :func:`change` takes."""
    records = [Preset, Counts, Adam, Network, *METHODS, *TASKS.values()]
    names = [name for record in records for name in record.fields()]
    return [name for name in dict.fromkeys(names) if name not in ("name", "task")]


def _with_generator(preset: Preset, settings: Mapping[str, Any]) -> Preset:
    """Returns the preset with another network and what comes with it."""
    network = Network(settings["generator"])
    kind = NETWORKS[network.generator]
    if network.generator == preset.network.generator:
        options = settings.get("options", preset.network.options)
        return preset.replace(network=network.replace(options=options))
    network = network.replace(options=settings.get("options", kind.options))
    rates = {name: value for name, value in kind.settings.items() if name in Adam.fields()}
    changes: dict[str, Any] = {"network": network, "optimizer": preset.optimizer.replace(**rates)}
    if "fixed_input" in kind.settings:
        changes["method"] = Plain(**kind.settings["fixed_input"])
    return preset.replace(**changes)


def _with_method(preset: Preset, method: Method, settings: Mapping[str, Any]) -> Method:
    """Returns the method that the settings of methods select."""
    settings = dict(settings)
    hide = settings.pop("hide", None)
    if hide is not None and hide != 0:
        fill_first = settings.pop("fill_first", preset.task.has_holes)
        if settings:
            name, value = next(iter(settings.items()))
            raise UserError(name, value, _fed("drop it, or take hide=0"))
        if not BlindSpot().suits(preset.task):
            raise UserError("hide", hide, f"must be 0 for the task {preset.task.name}")
        return BlindSpot(hide=hide, fill_first=fill_first)
    if hide is not None and isinstance(method, ByHoles):
        method = method.replace(scattered=method.areas)
    if hide is not None and isinstance(method, BlindSpot):
        method = Plain()
    if isinstance(method, ByHoles) and settings.keys() <= {*Plain.fields()}:
        # Scattered pixels have this method too if nothing is to be hidden.
        given = {
            name: _with_method(preset, part, settings)
            for name in ("scattered", "areas", "wide")
            if isinstance(part := getattr(method, name), Plain)
        }
        return method.replace(**given)
    for name, value in settings.items():
        if name in method.fields():
            continue
        if name in Plain.fields():
            Plain(**{name: value})  # a bad value is the first mistake
            raise UserError(name, value, _fed("drop it, or take preset=paper"))
        method = next(other for other in METHODS if name in other.fields())()
        if not method.suits(preset.task):
            raise UserError(name, value, f"has no meaning for {preset.task.name}")
        for other in settings:
            if other not in method.fields():
                raise UserError(name, value, f"does not go with {other}; drop one of them")
    return method.replace(**settings)


def _fed(mend: str) -> str:
    return f"has no meaning where the network is fed the picture; {mend}"
