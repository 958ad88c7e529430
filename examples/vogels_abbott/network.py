"""The balanced networks of Vogels & Abbott (2005), Journal of Neuroscience 25:10786, doi 10.1523/JNEUROSCI.3508-05.2005.

3,200 excitatory and 800 inhibitory LIF neurons, joined at random with probability 0.02, sustain irregular firing without any input: with synaptic
currents (CUBA) or conductances (COBA). Numbers as in the review of simulators by Brette et al. (2007), doi 10.1007/s10827-007-0038-6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import procgraph as pg
from procgraph.processes import CondLIF, DualExpLIF, Sparse

SIZES = {"E": 3200, "I": 800}
PROBABILITY = 0.02
TAU_M, TAU_EXC, TAU_INH, T_REF = 20.0, 5.0, 10.0, 5.0  # ms
V_TH, V_RESET = -50.0, -60.0  # mV
DELAY = 1  # step

CUBA_REST = -49.0  # mV; above the threshold: a neuron without input fires
CUBA_WEIGHTS = {"E": 1.62, "I": -9.0}  # mV

COBA_REST, E_EXC, E_INH = -60.0, 0.0, -80.0  # mV
LEAK = 10.0  # nS
COBA_WEIGHTS = {"E": 6.0, "I": 67.0}  # nS: 0.6 and 6.7 times the leak
COBA_START = {"v": (-65.0, 5.0), "g_exc": (40.0, 15.0), "g_inh": (200.0, 120.0)}  # mean, sd in mV and nS


@dataclass
class VogelsAbbott:
    """The graph and its two populations."""

    graph: pg.Graph
    excitatory: pg.Process
    inhibitory: pg.Process


def build(conductances: bool = False, dt: float = 0.1, seed: int = 1, scale: float = 1.0) -> VogelsAbbott:
    """Declare the network; ``scale`` shrinks the populations, and the probability grows, so that in-degrees stay."""
    sizes = {kind: round(size * scale) for kind, size in SIZES.items()}
    neurons = _coba if conductances else _cuba
    weights = COBA_WEIGHTS if conductances else CUBA_WEIGHTS
    populations = {kind: neurons(kind, size, start_seed(seed, kind)) for kind, size in sizes.items()}
    for source, sender in populations.items():
        for target, receiver in populations.items():
            synapses = Sparse(
                weights[source],
                rule="fixed_probability",
                p=PROBABILITY / scale,
                delay=DELAY,
                name=f"{source}_to_{target}",
                n_pre=sizes[source],
                n_post=sizes[target],
            )
            sender >> synapses
            synapses.a_out.connect(receiver.exc_in if source == "E" else receiver.inh_in)
    graph = pg.Graph(*populations.values(), dt=dt, seed=seed)
    return VogelsAbbott(graph, populations["E"], populations["I"])


def start_seed(seed: int, kind: str) -> int:
    """Seed of the initial state of one population."""
    return 2 * seed + (kind == "I")


def _cuba(name: str, size: int, seed: int) -> DualExpLIF:
    """Currents are in mV: what they would add to the potential if they lasted."""
    return DualExpLIF(
        name=name,
        shape=size,
        tau_m=TAU_M,
        tau_exc=TAU_EXC,
        tau_inh=TAU_INH,
        r_m=1.0,
        v_rest=CUBA_REST,
        v_th=V_TH,
        v_reset=V_RESET,
        t_ref=T_REF,
        v=np.random.default_rng(seed).uniform(V_RESET, V_TH, size),
    )


def _coba(name: str, size: int, seed: int) -> CondLIF:
    """Starts with conductances, as if the network had been active; without them it would stay silent."""
    rng = np.random.default_rng(seed)
    start = {state: rng.normal(mean, sd, size) for state, (mean, sd) in COBA_START.items()}
    return CondLIF(
        name=name,
        shape=size,
        c_m=LEAK * TAU_M,
        g_l=LEAK,
        v_rest=COBA_REST,
        e_exc=E_EXC,
        e_inh=E_INH,
        tau_exc=TAU_EXC,
        tau_inh=TAU_INH,
        v_th=V_TH,
        v_reset=V_RESET,
        t_ref=T_REF,
        v=start["v"],
        g_exc=np.maximum(start["g_exc"], 0.0),
        g_inh=np.maximum(start["g_inh"], 0.0),
    )
