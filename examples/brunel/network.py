"""Brunel's balanced random network (2000), Journal of Computational Neuroscience 8:183, doi 10.1023/A:1008925309027.

10,000 excitatory and 2,500 inhibitory LIF neurons with delta synapses, in-degree 1,000 + 250, one delay; every neuron has its own Poisson drive.
With ``plastic=True`` the E→E synapses follow pair STDP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import procgraph as pg
from procgraph.processes import LIF, OneToOne, Plastic, PoissonSource, Sparse
from procgraph.processes.rules import PairSTDP

EXCITATORY, INHIBITORY = 10_000, 2_500
WEIGHT, INHIBITION = 0.1, -5.0  # mV, relative
DELAY_MS, DRIVE_HZ = 1.5, 20_000.0
BEHIND_MS = 0.1  # of the delay of plastic synapses: the rest is axonal, before what the rule sees
W_MAX, LEARNING, DEPRESSION = 0.3, 0.001, 1.05  # mV, relative to w_max, relative to potentiation


@dataclass
class Brunel:
    """The graph and its two populations."""

    graph: pg.Graph
    excitatory: LIF
    inhibitory: LIF


def build(plastic: bool = False, dt: float = 0.1, seed: int = 1, scale: float = 1.0) -> Brunel:
    """Declare the network; ``scale`` shrinks populations and in-degrees alike (for tests)."""
    rng = np.random.default_rng(seed)
    sizes = {"E": round(EXCITATORY * scale), "I": round(INHIBITORY * scale)}
    pops = {
        k: LIF(name=k, shape=n, tau_m=20.0, v_th=20.0, t_ref=2.0, v=rng.uniform(0.0, 20.0, n)) for k, n in sizes.items()
    }
    for kind, population in pops.items():
        drive = PoissonSource(name=f"{kind}_drive", shape=sizes[kind], rate=DRIVE_HZ)
        drive >> OneToOne(WEIGHT, delay=0, name=f"{kind}_input") >> population
        for source in pops:
            weight = WEIGHT * (INHIBITION if source == "I" else 1.0)
            degree = round(0.1 * sizes[source])
            learns = plastic and (source, kind) == ("E", "E")
            synapses = Sparse(
                weight,
                rule="fixed_in_degree",
                count=degree,
                delay=f"{BEHIND_MS if learns else DELAY_MS} ms",
                name=None if learns else f"{source}_to_{kind}",
                n_pre=sizes[source],
                n_post=sizes[kind],
            )
            if learns:
                amount = LEARNING * W_MAX
                rule = PairSTDP(
                    tau_plus=20.0, tau_minus=20.0, a_plus=amount, a_minus=DEPRESSION * amount, w_min=0.0, w_max=W_MAX
                )
                projection = Plastic(synapses, rule, name=f"{source}_to_{kind}")
                population.s_out.connect(projection.post_in)
                population.s_out.connect(projection.s_in, delay=f"{DELAY_MS - BEHIND_MS} ms")
                projection.a_out.connect(population.a_in)
            else:
                pops[source] >> synapses >> population
    return Brunel(pg.Graph(*pops.values(), dt=dt, seed=seed), pops["E"], pops["I"])
