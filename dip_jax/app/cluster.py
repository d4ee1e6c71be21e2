"""Which share of a folder this process takes: asked of ``jax.distributed``.

The processes are counted once, at the start, by a child process that joins the cluster, tells
its place and leaves. So nothing ties the processes to each other afterwards: one that dies
takes none with it, and a coordinator that can't be reached (at which jax's client aborts its
process) ends the child alone. Run as a program this module is that child.
"""

import json
import os
import subprocess
import sys
from typing import NamedTuple

import jax
from absl import flags

from dip_jax.app.errors import UserError

WAIT = 60  # seconds for all processes to start; a queue starts them together


class Place(NamedTuple):
    """Of this process among all."""

    index: int = 0
    count: int = 1
    devices: str | None = None
    """The local devices that are this process's, where a machine runs several; None for all."""


def find_place(values: flags.FlagValues) -> Place:
    """This process's place, alone without ``--distributed`` and ``--coordinator``.

    To be called before any device is used.

    Raises:
      UserError: if the flags do not go together, there is no cluster, or it can't be reached.
    """
    explicit = (values.coordinator, values.processes, values.process)
    if values.coordinator is None and not values.distributed:
        for name in ("processes", "process"):
            if values[name].value is not None:
                raise UserError(f"--{name}", values[name].value, "needs a --coordinator")
        return Place()
    if values.coordinator is not None:
        _check(values)
    command = [sys.executable, "-m", "dip_jax.app.cluster", json.dumps([*explicit, WAIT])]
    # On a CPU: to count processes takes no accelerator, and would keep it from the parent.
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=2 * WAIT, check=True, env=environment
        )
        place = Place(*json.loads(told.stdout.splitlines()[-1]))
    except (subprocess.SubprocessError, ValueError, IndexError, TypeError) as error:
        if values.coordinator is None:
            mend = "finds no cluster; start under SLURM, Open MPI or on a TPU pod, or name a "
            raise UserError("--distributed", True, mend + "--coordinator") from error
        problem = f"was not joined by {values.processes} processes in time; check that "
        raise UserError(
            "--coordinator", values.coordinator, problem + "it can be reached and all were started"
        ) from error
    if place.devices is not None:
        jax.config.update("jax_cuda_visible_devices", place.devices)
        jax.config.update("jax_rocm_visible_devices", place.devices)
    return place


def _check(values: flags.FlagValues) -> None:
    host, _, port = values.coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError("--coordinator", values.coordinator, "must be HOST:PORT of process 0")
    if values.processes is None or values.process is None:
        raise UserError("--coordinator", values.coordinator, "needs --processes and --process")
    if values.processes < 1:
        raise UserError("--processes", values.processes, "must be at least 1")
    if not 0 <= values.process < values.processes:
        raise UserError(
            "--process",
            values.process,
            f"must be from 0 to {values.processes - 1}, --processes less 1",
        )


def _main(coordinator: str | None, processes: int | None, process: int | None, wait: int) -> None:
    jax.distributed.initialize(coordinator, processes, process, initialization_timeout=wait)
    visible = jax.config.values["jax_cuda_visible_devices"]  # as the cluster's scheduler says
    devices = None if visible == "all" else visible
    place = Place(jax.process_index(), jax.process_count(), devices)
    jax.distributed.shutdown()
    print(json.dumps(place))


if __name__ == "__main__":
    _main(*json.loads(sys.argv[1]))
