"""Arrays in, a :class:`Restoration` out."""

from dip_jax.app.restore.result import Restoration
from dip_jax.app.restore.run import WarmStart, restore
from dip_jax.app.restore.watch import Chunk, Outline, Progress, Watch

__all__ = ["Chunk", "Outline", "Progress", "Restoration", "WarmStart", "Watch", "restore"]
