"""What a run computes on: devices, memory, compiled programs, other machines."""

from dip_jax.app.machine.cluster import Cluster, Place, find_place
from dip_jax.app.machine.device import Devices, choose_device, choose_devices
from dip_jax.app.machine.memory import available_bytes, largest_tile, may_not_fit, used_bytes
from dip_jax.app.machine.programs import cached_program, compilations

__all__ = [
    "Cluster",
    "Devices",
    "Place",
    "available_bytes",
    "cached_program",
    "choose_device",
    "choose_devices",
    "compilations",
    "find_place",
    "largest_tile",
    "may_not_fit",
    "used_bytes",
]
