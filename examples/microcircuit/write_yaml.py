"""Write graph.yaml, the network of network.py as a graph file: ``python write_yaml.py [--scale 1.0] [--output FILE]``.

Both compile to the same Program, byte for byte.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from textwrap import wrap

from network import (
    BACKGROUND_HZ,
    CAPACITANCE,
    DELAYS_MS,
    EXTERNAL,
    GRID,
    POPULATIONS,
    T_REF,
    TAU_M,
    TAU_SYN,
    V0_MEAN,
    V0_SD,
    WEIGHT,
    WEIGHT_SD,
    least_delay,
    lost_input,
    mean_weight,
    population_sizes,
    potential_seed,
    synapse_numbers,
)

HEAD = """\
# yaml-language-server: $schema=../../docs/reference/procgraph.schema.json
# Written by write_yaml.py from network.py. The cortical microcircuit of Potjans & Diesmann (2014), scale {scale:g}:
# {neurons:,} neurons, {synapses:,} synapses. Times in ms, potentials in mV, currents in nA.
procgraph: 1
dt: {dt}
seed: {seed}

processes:
"""
NEURON = (
    f"type: ExpLIF, tau_m: {TAU_M}, tau_syn: {TAU_SYN}, r_m: {TAU_M / CAPACITANCE * 1e3}, v_th: -50.0, v_rest: -65.0, "
    f"v_reset: -65.0, t_ref: {T_REF}"
)


def text(scale: float = 1.0, dt: float = 0.1, seed: int = 1) -> str:
    """The graph file."""
    sizes, numbers = population_sizes(scale), synapse_numbers(scale)
    grow = 1 / math.sqrt(scale)
    lines = []
    for i, name in enumerate(POPULATIONS):
        kind = f"&neuron {{{NEURON}" if i == 0 else "{<<: *neuron"
        bias = f", bias: {lost_input(i, scale)!r}" if scale < 1 else ""
        v = f"{{normal: [{V0_MEAN[i]}, {V0_SD[i]}], shape: {sizes[i]}, seed: {potential_seed(seed, i)}}}"
        lines.append(f"{name}: {kind}, shape: {sizes[i]}{bias}, v: {v}}}")
    lines.append("")
    for i, name in enumerate(POPULATIONS):
        rate = float(BACKGROUND_HZ * EXTERNAL[i] * scale)
        lines.append(f"{name}_background: {{type: PoissonSource, shape: {sizes[i]}, rate: {rate}}}")
        lines.append(f"{name}_drive: {{type: OneToOne, weights: {WEIGHT * grow!r}, delay: 0}}")
    channels = [
        f"{name}_{ports}"
        for name in POPULATIONS
        for ports in (f"background.s_out -> {name}_drive.s_in", f"drive.a_out -> {name}.a_in")
    ]
    anchors: dict[str, str] = {}
    for t, target in enumerate(POPULATIONS):
        lines.append("")
        for s, source in enumerate(POPULATIONS):
            if numbers[t, s]:
                lines.append(f"{source}_to_{target}: {_projection(source, target, numbers[t, s], grow, dt, anchors)}")
                channels.append(f"{source}.s_out -> {source}_to_{target}.s_in")
                channels.append(f"{source}_to_{target}.a_out -> {target}.a_in")
    head = HEAD.format(scale=scale, neurons=sizes.sum(), synapses=numbers.sum(), dt=dt, seed=seed)
    body = "".join(f"  {part}".rstrip() + "\n" for line in lines for part in _wrapped(line))
    return head + body + "\nchannels:\n" + "".join(f"  - {c}\n" for c in channels) + "\nrun: {seconds: 1}\n"


def _wrapped(line: str) -> list[str]:
    """Parts that break after commas only."""
    parts = wrap(
        line.replace(": ", ":\0"), 118, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return [part.replace(":\0", ": ") for part in parts] or [""]


def _projection(source: str, target: str, count: int, grow: float, dt: float, anchors: dict[str, str]) -> str:
    kind, mean = source[-1], mean_weight(source, target, grow)
    limit = "high" if kind == "I" else "low"
    weights = f"{{normal: {{mean: {mean!r}, sd: {abs(mean) * WEIGHT_SD!r}, {limit}: 0, grid: {GRID!r}}}}}"
    centre, spread = DELAYS_MS[kind]
    delay = f"{{normal: {{mean: {centre}, sd: {spread}, low: {least_delay(dt)!r}}}}}"
    name = "strong" if (source, target) == ("L4E", "L23E") else kind
    shared = _once(f"w{name}", weights, anchors), _once(f"d{kind}", delay, anchors)
    return f"{{type: Sparse, rule: fixed_total, count: {count}, weights: {shared[0]}, delay: {shared[1]}}}"


def _once(name: str, value: str, anchors: dict[str, str]) -> str:
    """A value with an anchor at its first place, an alias at the others."""
    first = name not in anchors
    if anchors.setdefault(name, value) != value:
        raise ValueError(f"{name} is {anchors[name]} and {value}")
    return f"&{name} {value}" if first else f"*{name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "graph.yaml")
    arguments = parser.parse_args()
    arguments.output.write_text(text(arguments.scale), encoding="utf-8")


if __name__ == "__main__":
    main()
