"""The application: pictures in, restored pictures out, in a notebook or on a command line."""

from dip_jax.app.errors import UserError
from dip_jax.app.fitting import restore
from dip_jax.app.restoration import Restoration

__all__ = ["Restoration", "UserError", "restore"]
