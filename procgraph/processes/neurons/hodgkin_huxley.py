"""Hodgkin–Huxley neurons: the squid axon, and the cortical neuron after Traub and Miles."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.processes.neurons.lif import in_steps, refractory_left
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import exp, exprelr
from procgraph.spec.integrators import rk4
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["HodgkinHuxley", "TraubMiles"]

# RK4 is stable while the fastest rate times the sub-step is below 2.7. In a spike the rate of m reaches 10 per ms in
# the axon and 30 per ms in the cortical neuron, where accuracy asks for more.
SUBSTEPS, TRAUB_SUBSTEPS = 2, 4


def _ions(p: Values, y: dict[str, Any]) -> Any:
    """Current in pA through the sodium, potassium and leak channels, outward."""
    n2 = y["n"] * y["n"]
    sodium = p.g_na * (y["m"] * y["m"] * y["m"] * y["h"]) * (y["v"] - p.e_na)
    return sodium + p.g_k * (n2 * n2) * (y["v"] - p.e_k) + p.g_l * (y["v"] - p.e_l)


def _gates(y: dict[str, Any], rates: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {k: alpha - (alpha + beta) * y[k] for k, (alpha, beta) in rates.items()}


class HodgkinHuxley(Process):
    r"""The squid axon of Hodgkin and Huxley, with the potential at rest shifted to -65 mV.

    .. math::
        C \frac{dv}{dt} &= -g_{Na} m^3 h (v - E_{Na}) - g_K n^4 (v - E_K) - g_l (v - E_l) + a_k + i_b \\
        \frac{dx}{dt} &= \alpha_x(v) (1 - x) - \beta_x(v) x, \qquad x = m, h, n \\
        \alpha_m &= \mathrm{rel}\left(-\tfrac{v + 40}{10}\right), \quad \beta_m = 4 e^{-(v + 65)/18}, \quad
        \alpha_h = 0.07 e^{-(v + 65)/20}, \quad \beta_h = \frac{1}{1 + e^{-(v + 35)/10}} \\
        \alpha_n &= 0.1\, \mathrm{rel}\left(-\tfrac{v + 55}{10}\right), \quad \beta_n = 0.125 e^{-(v + 65)/80}, \quad
        \mathrm{rel}(z) = \frac{z}{e^z - 1}

    where :math:`a_k` is the summed input of the step, a current in pA that flows during that step, and :math:`i_b` =
    ``bias``. A spike is the first step in which v falls while it is at least 0 mV; there is no other for ``t_ref``.
    Two Runge–Kutta steps (RK4) per ``dt``, which should be 0.1 ms or less. Membrane and spike are those of NEST's
    ``hh_psc_alpha``: 100 pF are 10000 square micrometres of the axon's membrane.

    Source: Hodgkin & Huxley, A quantitative description of membrane current and its application to conduction and
    excitation in nerve (1952), doi 10.1113/jphysiol.1952.sp004764.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    c_m = Param(100.0, "pF", gt=0, doc="membrane capacitance")
    g_na = Param(12000.0, "nS", ge=0, doc="largest sodium conductance")
    g_k = Param(3600.0, "nS", ge=0, doc="largest potassium conductance")
    g_l = Param(30.0, "nS", ge=0, doc="leak conductance")
    e_na = Param(50.0, "mV", doc="reversal potential of sodium")
    e_k = Param(-77.0, "mV", doc="reversal potential of potassium")
    e_l = Param(-54.402, "mV", doc="reversal potential of the leak")
    bias = Param(0.0, "pA", doc="constant current")
    t_ref = Param(2.0, "ms", ge=0, doc="time after a spike in which no other is reported")
    v = State(-65.0, "mV", doc="membrane potential")
    m = State(0.05293248525724958, doc="activation of sodium, 0 to 1")
    h = State(0.5961207535084603, doc="inactivation of sodium, 0 to 1")
    n = State(0.3176769140606974, doc="activation of potassium, 0 to 1")
    refractory = State(0, dtype="int32", doc="steps without another spike left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"sub": np.float64(dt / SUBSTEPS), "per_c": 1 / p.c_m, "ref_steps": in_steps(p.t_ref, dt)}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        given = x.a_in + p.bias

        def slope(y: dict[str, Any]) -> dict[str, Any]:
            v = y["v"]
            rates = {
                "m": (exprelr((v + 40.0) * -0.1), exp((v + 65.0) * (-1 / 18)) * 4.0),
                "h": (exp((v + 65.0) * -0.05) * 0.07, 1.0 / (exp((v + 35.0) * -0.1) + 1.0)),
                "n": (exprelr((v + 55.0) * -0.1) * 0.1, exp((v + 65.0) * -0.0125) * 0.125),
            }
            return {"v": (given - _ions(p, y)) * d.per_c, **_gates(y, rates)}

        y = rk4(slope, {"v": s.v, "m": s.m, "h": s.h, "n": s.n}, d.sub, SUBSTEPS)
        free = s.refractory <= 0
        spike = free & (y["v"] >= 0.0) & (s.v > y["v"])
        return y | {"refractory": refractory_left(spike, free, s.refractory, d.ref_steps)}, {"s_out": spike}


class TraubMiles(Process):
    r"""Cortical Hodgkin–Huxley neuron with the rates of Traub and Miles, and exponential synaptic conductances.

    .. math::
        C \frac{dv}{dt} &= -g_{Na} m^3 h (v - E_{Na}) - g_K n^4 (v - E_K) - g_l (v - E_l) - g_e (v - E_e)
        - g_i (v - E_i) + i_b \\
        \frac{dx}{dt} &= \alpha_x (1 - x) - \beta_x x, \quad x = m, h, n, \qquad
        \tau_e \frac{dg_e}{dt} = -g_e, \quad \tau_i \frac{dg_i}{dt} = -g_i \\
        \alpha_m &= 1.28\, \mathrm{rel}\left(\tfrac{13 - V}{4}\right), \quad
        \beta_m = 1.4\, \mathrm{rel}\left(\tfrac{V - 40}{5}\right), \quad
        \alpha_h = 0.128 e^{(17 - V)/18}, \quad \beta_h = \frac{4}{1 + e^{(40 - V)/5}} \\
        \alpha_n &= 0.16\, \mathrm{rel}\left(\tfrac{15 - V}{5}\right), \quad \beta_n = 0.5 e^{(10 - V)/40}, \quad
        V = v - v_t, \quad \mathrm{rel}(z) = \frac{z}{e^z - 1}

    where :math:`i_b` = ``bias``. Events at ``exc_in`` and ``inh_in`` add their weight (in nS, not negative at either
    port) to :math:`g_e` and :math:`g_i`. A spike is the first step in which v falls while it is at least :math:`v_t +
    30` mV; there is no other for ``t_ref``. Four Runge–Kutta steps (RK4) per ``dt``, which must be 0.1 ms or less.
    The model is NEST's ``hh_cond_exp_traub``; the gates start at rest for v = -60 mV and :math:`v_t` = -63 mV.

    Source: Traub & Miles, Neuronal Networks of the Hippocampus (1991), as in Brette et al., Simulation of networks of
    spiking neurons (2007), doi 10.1007/s10827-007-0038-6, benchmark 3.
    """

    exc_in = In(Current)
    inh_in = In(Current)
    s_out = Out(Spikes)
    c_m = Param(200.0, "pF", gt=0, doc="membrane capacitance")
    g_na = Param(20000.0, "nS", ge=0, doc="largest sodium conductance")
    g_k = Param(6000.0, "nS", ge=0, doc="largest potassium conductance")
    g_l = Param(10.0, "nS", ge=0, doc="leak conductance")
    e_na = Param(50.0, "mV", doc="reversal potential of sodium")
    e_k = Param(-90.0, "mV", doc="reversal potential of potassium")
    e_l = Param(-60.0, "mV", doc="reversal potential of the leak")
    v_t = Param(-63.0, "mV", doc="shift of the rates, adjusts the threshold (about v_t + 13 mV)")
    e_exc = Param(0.0, "mV", doc="reversal potential of exc_in")
    e_inh = Param(-80.0, "mV", doc="reversal potential of inh_in")
    tau_exc = Param(5.0, "ms", gt=0, doc="time constant of g_exc")
    tau_inh = Param(10.0, "ms", gt=0, doc="time constant of g_inh")
    bias = Param(0.0, "pA", doc="constant current")
    t_ref = Param(2.0, "ms", ge=0, doc="time after a spike in which no other is reported")
    v = State(-60.0, "mV", doc="membrane potential")
    m = State(0.02686332979844545, doc="activation of sodium, 0 to 1")
    h = State(0.9913058218943975, doc="inactivation of sodium, 0 to 1")
    n = State(0.06043403467863595, doc="activation of potassium, 0 to 1")
    g_exc = State(0.0, "nS", doc="excitatory conductance")
    g_inh = State(0.0, "nS", doc="inhibitory conductance")
    refractory = State(0, dtype="int32", doc="steps without another spike left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {
            "sub": np.float64(dt / TRAUB_SUBSTEPS),
            "per_c": 1 / p.c_m,
            "rate_exc": -1 / p.tau_exc,
            "rate_inh": -1 / p.tau_inh,
            "top": p.v_t + 30.0,
            "ref_steps": in_steps(p.t_ref, dt),
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        def slope(y: dict[str, Any]) -> dict[str, Any]:
            v = y["v"] - p.v_t
            rates = {
                "m": (exprelr((13.0 - v) * 0.25) * 1.28, exprelr((v - 40.0) * 0.2) * 1.4),
                "h": (exp((17.0 - v) * (1 / 18)) * 0.128, 4.0 / (exp((40.0 - v) * 0.2) + 1.0)),
                "n": (exprelr((15.0 - v) * 0.2) * 0.16, exp((10.0 - v) * 0.025) * 0.5),
            }
            flow = y["g_exc"] * (p.e_exc - y["v"]) + y["g_inh"] * (p.e_inh - y["v"]) + p.bias - _ions(p, y)
            decay = {"g_exc": y["g_exc"] * d.rate_exc, "g_inh": y["g_inh"] * d.rate_inh}
            return {"v": flow * d.per_c, **decay, **_gates(y, rates)}

        y = rk4(slope, {k: getattr(s, k) for k in ("v", "m", "h", "n", "g_exc", "g_inh")}, d.sub, TRAUB_SUBSTEPS)
        free = s.refractory <= 0
        spike = free & (y["v"] >= d.top) & (s.v > y["v"])
        y |= {"g_exc": y["g_exc"] + x.exc_in, "g_inh": y["g_inh"] + x.inh_in}
        return y | {"refractory": refractory_left(spike, free, s.refractory, d.ref_steps)}, {"s_out": spike}
