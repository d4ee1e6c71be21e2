"""What a run is, as records: presets of a task, a method, a network, a stopping rule."""

from dip_jax.app.recipe import degrade
from dip_jax.app.recipe.build import build_algorithm, build_generator, describe_program
from dip_jax.app.recipe.methods import (
    METHODS,
    BlindSpot,
    ByHoles,
    Method,
    Plain,
    Recorrupted,
    Sure,
)
from dip_jax.app.recipe.networks import NETWORKS, Network
from dip_jax.app.recipe.noise import AUTO_NOISE, CAMERA_NOISE, MOST_HIDDEN, given_noise
from dip_jax.app.recipe.optimizer import Adam
from dip_jax.app.recipe.preset import LEAST_TILE, Counts, Preset, change
from dip_jax.app.recipe.presets import CATALOGUE, PRESETS, find_preset, list_presets
from dip_jax.app.recipe.records import suggest
from dip_jax.app.recipe.rules import AUTO, RULES, Rule, Split, choose_rule, split
from dip_jax.app.recipe.tasks import (
    DEFAULT_TASK,
    TASKS,
    Arrays,
    Data,
    Denoise,
    Flag,
    Inpaint,
    Measured,
    Options,
    SuperResolve,
    TaskSpec,
)

__all__ = [
    "AUTO",
    "AUTO_NOISE",
    "CAMERA_NOISE",
    "CATALOGUE",
    "DEFAULT_TASK",
    "LEAST_TILE",
    "METHODS",
    "MOST_HIDDEN",
    "NETWORKS",
    "PRESETS",
    "RULES",
    "TASKS",
    "Adam",
    "Arrays",
    "BlindSpot",
    "ByHoles",
    "Counts",
    "Data",
    "Denoise",
    "Flag",
    "Inpaint",
    "Measured",
    "Method",
    "Network",
    "Options",
    "Plain",
    "Preset",
    "Recorrupted",
    "Rule",
    "Split",
    "SuperResolve",
    "Sure",
    "TaskSpec",
    "build_algorithm",
    "build_generator",
    "change",
    "choose_rule",
    "degrade",
    "describe_program",
    "find_preset",
    "given_noise",
    "list_presets",
    "split",
    "suggest",
]
