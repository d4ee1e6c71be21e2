"""Traces: one value a step, of several fits one after the other."""

import numpy as np

Trace = dict[str, np.ndarray]


def concatenate_traces(traces: list[Trace], name: str) -> Trace:
    """Returns traces one after the other, with their numbers as ``name``."""
    numbers = np.concatenate([np.full(len(t["loss"]), i) for i, t in enumerate(traces)])
    return {name: numbers} | {key: np.concatenate([t[key] for t in traces]) for key in traces[0]}


def number_steps(trace: Trace) -> np.ndarray:
    """Returns the number of each row's step, from 1 on in every member of every tile."""
    length = len(trace["loss"])
    first = np.arange(length) == 0
    for name in ("tile", "member"):
        if name in trace:
            first[1:] |= np.diff(trace[name]) != 0
    begins = np.flatnonzero(first)
    return np.arange(length) - np.repeat(begins, np.diff(begins, append=length)) + 1


def final_values(trace: Trace, name: str) -> list[int]:
    """Returns the last value of ``name`` in each fit's part of a trace; none if it has none."""
    if name not in trace:
        return []
    ends = np.append(number_steps(trace)[1:] == 1, True)
    return [int(value) for value in trace[name][ends]]
