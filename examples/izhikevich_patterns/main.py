"""Twenty Izhikevich neurons in one population, with their own parameters and inputs: the patterns of the 2004 paper.

python examples/izhikevich_patterns/main.py [FIGURE.png]        the figure needs matplotlib
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import procgraph as pg
from procgraph.processes import CurrentSource, GeneralIzhikevich

_spec = importlib.util.spec_from_file_location("izhikevich_patterns_list", Path(__file__).with_name("patterns.py"))
assert _spec is not None and _spec.loader is not None
patterns = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = patterns
_spec.loader.exec_module(patterns)


def build() -> tuple[pg.Graph, GeneralIzhikevich, NDArray[np.float64]]:
    """The graph, its population, and the input (steps, neurons), zero beyond the end of a pattern."""
    found = patterns.PATTERNS
    longest = max(round(x.length / patterns.DT) for x in found)
    current = np.zeros((longest, len(found)))
    for i, x in enumerate(found):
        given = x.current()
        current[: len(given), i] = given
    params = {k: [getattr(x, k) for x in found] for k in ("a", "b", "c", "d", "slope", "offset", "v_u", "leak", "v")}
    start = [x.b * x.v if x.u is None else x.u for x in found]
    neurons = GeneralIzhikevich(shape=len(found), u=start, name="neurons", **params)
    CurrentSource(current, shape=len(found), name="input") >> neurons
    return pg.Graph(neurons, dt=patterns.DT), neurons, current


def run(
    devices: str = "auto",
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Input, potential (30 mV at a spike) and spike times in ms of every pattern."""
    graph, neurons, current = build()
    with pg.compile(graph, devices=devices) as rt:
        potential, spikes = rt.probe(neurons.v), rt.probe(neurons.s_out)
        rt.run(steps=len(current))
        v, events = np.array(potential.data, dtype=np.float64), spikes.events
    v[events["step"], events["index"]] = 30.0
    steps = [round(x.length / patterns.DT) for x in patterns.PATTERNS]
    times = [events["step"][(events["index"] == i) & (events["step"] < n)] * patterns.DT for i, n in enumerate(steps)]
    return [current[:n, i] for i, n in enumerate(steps)], [v[:n, i] for i, n in enumerate(steps)], times


def draw(path: Path, inputs: list[Any], potentials: list[Any]) -> None:
    """A panel for each pattern, with the input below the potential."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(5, 4, figsize=(13, 11), layout="constrained")
    for panel, pattern, given, v in zip(axes.flat, patterns.PATTERNS, inputs, potentials, strict=True):
        t = np.arange(len(v)) * patterns.DT
        height = np.ptp(given) or 1.0
        panel.plot(t, v, color="#1b4f8a", linewidth=0.8)
        panel.plot(t, -105 + 12 * (given - given.min()) / height, color="#b4552d", linewidth=0.9)
        panel.plot([t[-1] - 20, t[-1]], [-115, -115], color="black", linewidth=1.5)
        panel.set_title(pattern.title, fontsize=10)
        panel.set_ylim(-122, 36)
        panel.axis("off")
    figure.suptitle("Izhikevich (2004), figure 1: potential (blue) and input (orange); bar: 20 ms", fontsize=11)
    figure.savefig(path, dpi=90)


def main() -> None:
    inputs, potentials, times = run()
    for pattern, spikes in zip(patterns.PATTERNS, times, strict=True):
        print(f"{pattern.title:34} {len(spikes):3} spikes, first intervals {np.round(np.diff(spikes[:7]), 1).tolist()}")
    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]), inputs, potentials)


if __name__ == "__main__":
    main()
