"""Arrays in, a :class:`Restoration` out."""

from dip_jax.app.restore.fit import Progress
from dip_jax.app.restore.result import Restoration
from dip_jax.app.restore.run import restore

__all__ = ["Progress", "Restoration", "restore"]
