"""Which share of a folder this process takes, found through ``jax.distributed``.

A child process counts the processes once, at the start: it joins the cluster, prints its place and
exits. Nothing ties the processes to each other afterwards: one that dies takes no other with it,
and a coordinator that can't be reached (jax's client then aborts its process) ends only the child.
"""

import json
import os
import subprocess
import sys
from typing import NamedTuple

import jax

from dip_jax.app.errors import UserError

WAIT = 60  # seconds for all processes to start; a queue starts them together
_CHILD = """
import json, sys
from dip_jax.app.machine.cluster import report_place
report_place(*json.loads(sys.argv[1]))
"""


class Cluster(NamedTuple):
    """How this process finds the others."""

    distributed: bool = False
    """Whether SLURM, Open MPI or a TPU pod says so."""
    coordinator: str | None = None
    """Otherwise HOST:PORT of process 0."""
    processes: int | None = None
    """How many there are."""
    process: int | None = None
    """Which one this is, from 0 on."""

    @property
    def expected(self) -> bool:
        """Whether there are others."""
        return self.distributed or self.coordinator is not None


class Place(NamedTuple):
    """The place of this process among all."""

    index: int = 0
    count: int = 1
    devices: str | None = None
    """The local devices that are this process's, where a machine runs several; None for all."""


def find_place(cluster: Cluster) -> Place:
    """Returns this process's place; it is alone unless others are expected.

    To be called before any device is used.

    Raises:
      UserError: if the flags do not go together, there is no cluster, or it can't be reached.
    """
    explicit = (cluster.coordinator, cluster.processes, cluster.process)
    if not cluster.expected:
        for name in ("processes", "process"):
            value = getattr(cluster, name)
            if value is not None:
                raise UserError(f"--{name}", value, "needs a --coordinator")
        return Place()
    if cluster.coordinator is not None:
        _check(cluster)
    command = [sys.executable, "-c", _CHILD, json.dumps([*explicit, WAIT])]
    # On a CPU: counting processes needs no accelerator, and would keep it from the parent.
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=2 * WAIT, check=True, env=environment
        )
        place = Place(*json.loads(answer.stdout.splitlines()[-1]))
    except (subprocess.SubprocessError, ValueError, IndexError, TypeError) as error:
        if cluster.coordinator is None:
            mend = "finds no cluster; start under SLURM, Open MPI or on a TPU pod, or name a "
            raise UserError("--distributed", True, mend + "--coordinator") from error
        problem = f"was not joined by {cluster.processes} processes in time; check that "
        raise UserError(
            "--coordinator", cluster.coordinator, problem + "it can be reached and all were started"
        ) from error
    if place.devices is not None:
        jax.config.update("jax_cuda_visible_devices", place.devices)
        jax.config.update("jax_rocm_visible_devices", place.devices)
    return place


def _check(cluster: Cluster) -> None:
    host, _, port = str(cluster.coordinator).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError("--coordinator", cluster.coordinator, "must be HOST:PORT of process 0")
    if cluster.processes is None or cluster.process is None:
        raise UserError("--coordinator", cluster.coordinator, "needs --processes and --process")
    if cluster.processes < 1:
        raise UserError("--processes", cluster.processes, "must be at least 1")
    if not 0 <= cluster.process < cluster.processes:
        raise UserError(
            "--process",
            cluster.process,
            f"must be from 0 to {cluster.processes - 1}, --processes less 1",
        )


def report_place(
    coordinator: str | None, processes: int | None, process: int | None, wait: int
) -> None:
    """Joins the cluster, prints this process's place as JSON and exits."""
    jax.distributed.initialize(coordinator, processes, process, initialization_timeout=wait)
    visible = jax.config.values["jax_cuda_visible_devices"]  # set by the cluster's scheduler
    devices = None if visible == "all" else visible
    place = Place(jax.process_index(), jax.process_count(), devices)
    jax.distributed.shutdown()
    print(json.dumps(place))
