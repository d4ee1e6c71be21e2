"""The application: pictures in, restored pictures out, in a notebook or on a command line."""

from dip_jax.app.errors import UserError
from dip_jax.app.fitting import Restoration, restore

__all__ = ["Restoration", "UserError", "restore"]
