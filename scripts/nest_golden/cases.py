"""What is compared: models of NEST beside Processes, with parameters and inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Case:
    """One comparison: what NEST runs, and the golden that it makes."""

    process: str
    model: str
    params: dict[str, Any]  # of the Process
    nest: dict[str, Any]  # the same for NEST
    record: dict[str, str]  # state: NEST's recordable
    inputs: dict[str, dict[int, float]] = field(default_factory=dict)
    sign: dict[str, int] = field(default_factory=dict)  # of NEST's weights, per port
    text: str = ""
    dt: float = 0.1
    steps: int = 3000
    every: int = 250
    guard: float = 0.0  # ms around spikes of NEST in which states are not compared
    pulses: bool = False  # the input is a current during a step, not a spike


def train(seed: int, count: int, low: float, high: float, start: int, stop: int) -> dict[int, float]:
    """Random steps with random weights, in multiples of a sixteenth."""
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.choice(np.arange(start, stop), count, replace=False))
    return {int(k): float(w) for k, w in zip(steps, np.round(rng.uniform(low, high, count) * 16) / 16, strict=True)}


ADEX = {"C_m": 281.0, "g_L": 30.0, "E_L": -70.6, "V_th": -50.4, "Delta_T": 2.0, "tau_w": 144.0, "a": 4.0, "b": 80.5}
ADEX |= {"V_peak": 20.0, "V_reset": -70.6, "gsl_error_tol": 1e-9}
GATES = {"Act_m": 0.02686332979844545, "Inact_h": 0.9913058218943975, "Act_n": 0.06043403467863595}
ADAPT = {"q_stc": [40.0, 8.0], "tau_stc": [10.0, 150.0], "q_sfa": [6.0, 1.5], "tau_sfa": [20.0, 200.0]}
OURS = {f"{k}{i + 1}": v[i] for k, v in ADAPT.items() for i in (0, 1)}

CASES = {
    "iaf_psc_exp": Case(
        "DualExpLIF",
        "iaf_psc_exp",
        {"tau_m": 10.0, "tau_exc": 2.0, "tau_inh": 5.0, "r_m": 0.04, "v_th": -55.0, "v_rest": -70.0, "v_reset": -70.0}
        | {"bias": 300.0, "t_ref": 2.0},
        {"tau_syn_ex": 2.0, "tau_syn_in": 5.0, "I_e": 300.0},
        {"v": "V_m", "i_exc": "I_syn_ex", "i_inh": "I_syn_in"},
        {"exc_in": train(1, 40, 100, 600, 1, 3000), "inh_in": train(2, 20, -300, -50, 1, 3000)},
        text="Currents are in pA here, hence r_m = 0.04 mV/pA = tau_m / C_m.",
    ),
    "iaf_psc_alpha": Case(
        "AlphaLIF",
        "iaf_psc_alpha",
        {"r_m": 0.04, "bias": 300.0},
        {"I_e": 300.0},
        {"v": "V_m", "i": "I_syn_ex"},
        {"a_in": train(3, 40, 50, 400, 1, 3000)},
        text="Currents are in pA here, hence r_m = 0.04 mV/pA = tau_m / C_m; all else are NEST's defaults.",
    ),
    "iaf_cond_exp": Case(
        "CondLIF",
        "iaf_cond_exp",
        {"tau_exc": 3.0, "tau_inh": 8.0, "bias": 100.0},
        {"tau_syn_ex": 3.0, "tau_syn_in": 8.0, "I_e": 100.0},
        {"v": "V_m", "g_exc": "g_ex", "g_inh": "g_in"},
        {"exc_in": train(4, 60, 2, 14, 1, 3000), "inh_in": train(5, 30, 1, 10, 1, 3000)},
        {"inh_in": -1},
    ),
    "iaf_cond_alpha": Case(
        "AlphaCondLIF",
        "iaf_cond_alpha",
        {"tau_exc": 1.0, "tau_inh": 4.0, "bias": 100.0},
        {"tau_syn_ex": 1.0, "tau_syn_in": 4.0, "I_e": 100.0},
        {"v": "V_m", "g_exc": "g_ex", "g_inh": "g_in"},
        {"exc_in": train(6, 60, 4, 20, 1, 3000), "inh_in": train(7, 30, 1, 6, 1, 3000)},
        {"inh_in": -1},
    ),
    "aeif_psc_exp": Case(
        "AdEx",
        "aeif_psc_exp",
        {"tau_syn": 2.0, "bias": 900.0},
        ADEX | {"tau_syn_ex": 2.0, "I_e": 900.0},
        {"v": "V_m", "w": "w", "i": "I_syn_ex"},
        {"a_in": train(8, 40, 50, 500, 1, 3000)},
        guard=3.0,
    ),
    "aeif_cond_exp": Case(
        "CondAdEx",
        "aeif_cond_exp",
        {"tau_exc": 2.0, "tau_inh": 5.0, "bias": 700.0, "t_ref": 2.0, "v_reset": -58.0, "a": 2.0, "b": 60.0},
        ADEX
        | {"tau_syn_ex": 2.0, "tau_syn_in": 5.0, "I_e": 700.0, "t_ref": 2.0, "V_reset": -58.0, "a": 2.0, "b": 60.0},
        {"v": "V_m", "w": "w", "g_exc": "g_ex", "g_inh": "g_in"},
        {"exc_in": train(9, 50, 1, 12, 1, 3000), "inh_in": train(10, 30, 1, 8, 1, 3000)},
        {"inh_in": -1},
        guard=3.0,
    ),
    "gif_psc_exp": Case(
        "GIF",
        "gif_psc_exp",
        {"v_th": -52.0, "delta_v": 0.0001, "lambda_0": 1000.0, "bias": 90.0} | OURS,
        {"V_T_star": -52.0, "Delta_V": 0.0001, "lambda_0": 1000000.0, "I_e": 90.0} | ADAPT,
        {"v": "V_m", "i": "I_syn_ex"},
        {"a_in": train(11, 60, 20, 150, 1, 3000)},
        text="The threshold is so sharp (0.0001 mV) that chance plays no part. NEST resets v one step after the spike.",
        guard=0.15,
    ),
    "hh_psc_alpha": Case(
        "HodgkinHuxley",
        "hh_psc_alpha",
        {"bias": 400.0},
        {"I_e": 400.0},
        {"v": "V_m", "m": "Act_m", "h": "Inact_h", "n": "Act_n"},
        {"a_in": train(12, 15, 500, 4000, 10, 990)},
        text="The input is a current of one step, by a step_current_generator.",
        pulses=True,
        steps=1000,
        every=100,
    ),
    "hh_cond_exp_traub": Case(
        "TraubMiles",
        "hh_cond_exp_traub",
        {"bias": 20.0},
        GATES | {"I_e": 20.0},
        {"v": "V_m", "m": "Act_m", "h": "Inact_h", "n": "Act_n", "g_exc": "g_ex", "g_inh": "g_in"},
        {"exc_in": train(13, 20, 2, 14, 1, 1000), "inh_in": train(14, 10, 4, 30, 1, 1000)},
        {"inh_in": -1},
        steps=1000,
        every=100,
    ),
    "izhikevich": Case(
        "Izhikevich",
        "izhikevich",
        {"bias": 4.0},
        {"I_e": 4.0, "consistent_integration": False},
        {"v": "V_m", "u": "U_m"},
        {"a_in": train(15, 40, 2, 20, 1, 500)},
        text="With the numerics of the paper (consistent_integration False).",
        dt=1.0,
        steps=500,
        every=50,
    ),
}


@dataclass
class ByChance:
    """A comparison of spike counts of neurons that fire by chance."""

    process: str
    model: str
    params: dict[str, Any]
    nest: dict[str, Any]
    dt: float = 0.1
    steps: int = 5000
    neurons: int = 100  # of the golden; NEST runs twenty times as many


COUNTS = {
    "gif_psc_exp_rate": ByChance(
        "GIF",
        "gif_psc_exp",
        {"v_th": -50.0, "delta_v": 2.0, "lambda_0": 1.0, "bias": 90.0} | OURS,
        {"V_T_star": -50.0, "Delta_V": 2.0, "lambda_0": 1000.0, "I_e": 90.0} | ADAPT,
    ),
    "pp_psc_delta_rate": ByChance(
        "PoissonNeuron",
        "pp_psc_delta",
        {"c_1": 1.0, "bias": 0.35},
        {"c_1": 1.0, "I_e": 350.0, "with_reset": False, "dead_time": 1.0},
    ),
}
