"""What a run computes on: devices, memory, compiled programs, other machines."""

from dip_jax.app.machine.cluster import Cluster, find_place
from dip_jax.app.machine.device import Devices, choose_device, choose_devices
from dip_jax.app.machine.memory import available_bytes, used_bytes
from dip_jax.app.machine.programs import compilations

__all__ = [
    "Cluster",
    "Devices",
    "available_bytes",
    "choose_device",
    "choose_devices",
    "compilations",
    "find_place",
    "used_bytes",
]
