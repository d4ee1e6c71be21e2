"""The application: pictures in, restored pictures out, in a notebook or on a command line.

Its rooms, from the ground up: ``files`` (bytes on disk), ``recipe`` (what a run is, as records),
``machine`` (devices, memory, programs), ``restore`` (arrays in, a restoration out), ``cli`` (the
command; absl lives only there).
"""

from dip_jax.app.errors import UserError
from dip_jax.app.restore import Restoration, restore

__all__ = ["Restoration", "UserError", "restore"]
