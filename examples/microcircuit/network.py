"""The cortical microcircuit of Potjans & Diesmann (2014), Cerebral Cortex 24:785, doi 10.1093/cercor/bhs358.

Eight populations, 77,169 neurons and 299 million synapses at full scale, below 1 mm2 of cortex. ``scale`` shrinks neurons and in-degrees; weights then
grow by 1/sqrt(scale) and a constant current replaces the mean input that is lost (van Albada, Helias & Diesmann 2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

import procgraph as pg
from procgraph.processes import ExpLIF, OneToOne, PoissonSource, Sparse

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
# Probability that at least one synapse joins a pair: row is the target, column the source.
PROBABILITIES = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
EXTERNAL = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])  # background synapses of a neuron
BACKGROUND_HZ = 8.0
# Mean rates of the full-scale network in Hz, as published with the model's reference implementation.
PUBLISHED_HZ = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])
V0_MEAN = np.array([-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43])  # mV
V0_SD = np.array([5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48])

TAU_M, TAU_SYN, T_REF, CAPACITANCE = 10.0, 0.5, 2.0, 250.0  # ms, ms, ms, pF
WEIGHT, WEIGHT_SD, INHIBITION = 0.0878, 0.1, -4.0  # nA, relative, relative
GRID = 2.0**-14  # nA; weights are multiples of it, which is 0.07 % of the mean weight
DELAYS_MS = {"E": (1.5, 0.75), "I": (0.75, 0.375)}


def population_sizes(scale: float) -> np.ndarray:
    """Neurons of each population."""
    return np.maximum(1, np.rint(SIZES * scale)).astype(int)


def potential_seed(seed: int, population: int) -> int:
    """Seed of the initial potentials of one population."""
    return len(POPULATIONS) * seed + population


def synapse_numbers(scale: float) -> np.ndarray:
    """Synapses of each projection (target, source): as many draws with repetition as give the published probabilities."""
    pairs = np.outer(SIZES, SIZES).astype(float)
    full = np.log(1 - PROBABILITIES) / np.log(1 - 1 / pairs)
    return np.rint(full * scale * scale).astype(int)


@dataclass
class Microcircuit:
    """The graph, its populations by name, and the numbers of neurons and synapses."""

    graph: pg.Graph
    populations: dict[str, ExpLIF] = field(default_factory=dict)
    neurons: int = 0
    synapses: int = 0


def build(scale: float = 1.0, dt: float = 0.1, seed: int = 1) -> Microcircuit:
    """Declare the network; nothing is expanded here."""
    sizes = population_sizes(scale)
    numbers = synapse_numbers(scale)
    grow = 1 / math.sqrt(scale)
    populations: dict[str, ExpLIF] = {}
    for i, name in enumerate(POPULATIONS):
        bias = lost_input(i, scale) if scale < 1 else 0.0
        populations[name] = ExpLIF(
            name=name,
            shape=int(sizes[i]),
            tau_m=TAU_M,
            tau_syn=TAU_SYN,
            r_m=TAU_M / CAPACITANCE * 1e3,
            v_th=-50.0,
            v_rest=-65.0,
            v_reset=-65.0,
            t_ref=T_REF,
            bias=bias,
            v=np.random.default_rng(potential_seed(seed, i)).normal(V0_MEAN[i], V0_SD[i], sizes[i]),
        )
        drive = PoissonSource(
            name=f"{name}_background", shape=int(sizes[i]), rate=float(BACKGROUND_HZ * EXTERNAL[i] * scale)
        )
        drive >> OneToOne(WEIGHT * grow, delay=0, name=f"{name}_drive") >> populations[name]
    for t, target in enumerate(POPULATIONS):
        for s, source in enumerate(POPULATIONS):
            if numbers[t, s]:
                projection = _projection(source, target, int(numbers[t, s]), grow, dt)
                populations[source] >> projection >> populations[target]
    graph = pg.Graph(*populations.values(), dt=dt, seed=seed)
    return Microcircuit(graph, populations, int(sizes.sum()), int(numbers.sum()))


def mean_weight(source: str, target: str, grow: float) -> float:
    """Mean weight of a projection in nA."""
    return WEIGHT * grow * (INHIBITION if source[-1] == "I" else 2.0 if (source, target) == ("L4E", "L23E") else 1.0)


def least_delay(dt: float) -> float:
    """Lower limit of delays in ms: one below half a step would round to none, the smallest is one step."""
    return 0.5 * dt + 1e-9


def _projection(source: str, target: str, count: int, grow: float, dt: float) -> Sparse:
    kind, mean = source[-1], mean_weight(source, target, grow)
    limits = {"high": 0.0} if kind == "I" else {"low": 0.0}
    weights = pg.Normal(mean, abs(mean) * WEIGHT_SD, grid=GRID, **limits)
    centre, spread = DELAYS_MS[kind]
    delay = pg.Normal(centre, spread, low=least_delay(dt))
    return Sparse(weights, rule="fixed_total", count=count, delay=delay, name=f"{source}_to_{target}")


def lost_input(target: int, scale: float) -> float:
    """Mean input in nA that the weights' growth by 1/sqrt(scale) does not make up for."""
    in_degree = synapse_numbers(1.0)[target] / SIZES[target]
    weights = np.array([mean_weight(source, POPULATIONS[target], 1.0) for source in POPULATIONS])
    recurrent = float(np.sum(in_degree * weights * PUBLISHED_HZ))
    external = float(EXTERNAL[target] * WEIGHT * BACKGROUND_HZ)
    return (1 - math.sqrt(scale)) * TAU_SYN * 1e-3 * (recurrent + external)
