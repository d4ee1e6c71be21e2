"""The restorations of a picture's tiles, or of windows around its holes, as one."""

import numpy as np

from dip_jax.app.files.trace import concatenate_traces
from dip_jax.app.restore.result import Restoration
from dip_jax.operators import Crop
from dip_jax.tiling import blend


def join_tiles(parts: list[Restoration], crops: list[Crop], background: np.ndarray) -> Restoration:
    """Returns the restorations of tiles as one.

    Args:
      parts: of each tile.
      crops: their places in the result.
      background: ``[h, w, c]``, the result where no tile lies.
    """
    if len(parts) == 1 and parts[0].image.shape == background.shape:
        return parts[0]
    uncertain = [part.uncertainty for part in parts]
    uncertainty = None
    if all(map is not None for map in uncertain):
        maps = [map[:, :, None] for map in uncertain if map is not None]
        uncertainty = blend(maps, crops, np.zeros_like(background[:, :, :1]))[:, :, 0]
    return parts[0]._replace(
        image=blend([part.image for part in parts], crops, background),
        raw=blend([part.raw for part in parts], crops, background),
        trace=concatenate_traces([part.trace for part in parts], "tile"),
        uncertainty=uncertainty,
        members=min(part.members for part in parts),
        compile_seconds=parts[0].compile_seconds,
        fit_seconds=sum(part.compile_seconds + part.fit_seconds for part in parts)
        - parts[0].compile_seconds,
    )
