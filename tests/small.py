"""The presets made small, here and in processes of their own."""

import dip_jax
from dip_jax import Skip
from dip_jax.app.recipe import NETWORKS, ByHoles, presets
from tests.toy import Convolutions


def use_small_presets(patch):
    """Gives all presets one scale of width 4."""
    entries = tuple(entry._replace(preset=_shrink(entry.preset)) for entry in presets.CATALOGUE)
    patch.setattr(presets, "CATALOGUE", entries)
    patch.setattr(presets, "PRESETS", tuple(entry.preset for entry in entries))


def use_tiny_presets(patch):
    """Gives all presets two convolutions for a network."""
    use_small_presets(patch)
    patch.setitem(NETWORKS, "skip", NETWORKS["skip"]._replace(build=_build))


def use_convolutions(patch):
    """Gives who asks ``dip_jax`` for a skip network two convolutions, if its options are right."""
    patch.setattr(dip_jax, "Skip", _build)


def _build(channels=3, **options):
    return Convolutions(channels, stride=Skip(channels=channels, **options).stride)


def _shrink(preset):
    network = preset.network.replace(options=_narrow(preset.network.options))
    # Refining is a program for each size: tests of it ask for it.
    task = preset.task.replace(refine=False) if "refine" in preset.task.fields() else preset.task
    # Presets that differ in this alone share programs.
    optimizer = preset.optimizer.replace(decay_steps=400)
    method = _shallow(preset.method)
    return preset.replace(network=network, method=method, task=task, optimizer=optimizer)


def _narrow(options):
    values = dict(options)
    if "widths" in values:
        values["widths"] = (4,)
    if isinstance(values.get("skip_widths"), tuple):
        values["skip_widths"] = values["skip_widths"][-1:]
    elif "skip_widths" in values:
        values["skip_widths"] = min(values["skip_widths"], 4)
    return tuple(values.items())


def _shallow(method):
    if isinstance(method, ByHoles):
        return method.replace(areas=_shallow(method.areas), wide=_shallow(method.wide))
    return method.replace(depth=4) if getattr(method, "depth", 0) > 4 else method
