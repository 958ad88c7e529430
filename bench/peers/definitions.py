"""The networks of the benchmark as plain numbers, so that every simulator builds the same one.

Potentials in mV, times in ms, currents in pA; populations in the order of their names, matrices as [target][source].
"""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(folder: str) -> ModuleType:
    """``network.py`` of one example; several folders have a module of that name."""
    name = f"{folder}_network"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / folder / "network.py")
        assert spec and spec.loader
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def microcircuit(scale: float) -> dict[str, Any]:
    """Potjans & Diesmann (2014) as examples/microcircuit builds it."""
    m = example("microcircuit")
    grow = 1 / math.sqrt(scale)
    names = list(m.POPULATIONS)
    return {
        "network": "microcircuit",
        "scale": scale,
        "populations": names,
        "sizes": m.population_sizes(scale).tolist(),
        "synapses": m.synapse_numbers(scale).tolist(),
        "weights": [[1e3 * m.mean_weight(source, target, grow) for source in names] for target in names],
        "weight_sd": m.WEIGHT_SD,
        "delays": [m.DELAYS_MS[source[-1]] for source in names],
        "drive_hz": [float(m.BACKGROUND_HZ * k * scale) for k in m.EXTERNAL],
        "drive_weight": 1e3 * m.WEIGHT * grow,
        "bias": [1e3 * m.lost_input(i, scale) if scale < 1 else 0.0 for i in range(len(names))],
        "v0": [list(pair) for pair in zip(m.V0_MEAN.tolist(), m.V0_SD.tolist())],
        "tau_m": m.TAU_M,
        "tau_syn": m.TAU_SYN,
        "t_ref": m.T_REF,
        "capacitance": m.CAPACITANCE,
        "v_rest": -65.0,
        "v_th": -50.0,
        "v_reset": -65.0,
    }


def brunel(plastic: bool) -> dict[str, Any]:
    """Brunel (2000) as examples/brunel builds it."""
    m = example("brunel")
    return {
        "network": "brunel",
        "plastic": plastic,
        "sizes": [m.EXCITATORY, m.INHIBITORY],
        "in_degrees": [m.EXCITATORY // 10, m.INHIBITORY // 10],
        "weights": [m.WEIGHT, m.INHIBITION * m.WEIGHT],
        "delay": m.DELAY_MS,
        "drive_hz": m.DRIVE_HZ,
        "drive_weight": m.WEIGHT,
        "tau_m": 20.0,
        "t_ref": 2.0,
        "v_th": 20.0,
        "tau_stdp": 20.0,
        "w_max": m.W_MAX,
        "learning": m.LEARNING,
        "depression": m.DEPRESSION,
    }


def cuba() -> dict[str, Any]:
    """The CUBA network as examples/vogels_abbott builds it."""
    m = example("vogels_abbott")
    return {
        "network": "cuba",
        "sizes": list(m.SIZES.values()),
        "probability": m.PROBABILITY,
        "weights": list(m.CUBA_WEIGHTS.values()),
        "delay": 0.1 * m.DELAY,
        "tau_m": m.TAU_M,
        "tau_exc": m.TAU_EXC,
        "tau_inh": m.TAU_INH,
        "t_ref": m.T_REF,
        "v_rest": m.CUBA_REST,
        "v_th": m.V_TH,
        "v_reset": m.V_RESET,
    }


def lif(neurons: int) -> dict[str, Any]:
    """Unconnected LIF neurons, each with a constant input."""
    return {
        "network": "lif",
        "sizes": [neurons],
        "tau_m": 20.0,
        "t_ref": 2.0,
        "v_rest": -65.0,
        "v_th": -50.0,
        "v_reset": -60.0,
        "bias": [10.0, 20.0],
    }


def izhikevich(neurons: int) -> dict[str, Any]:
    """Unconnected regular-spiking neurons of Izhikevich (2003), each with a constant input."""
    return {"network": "izhikevich", "sizes": [neurons], "a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "bias": [0.0, 10.0]}
