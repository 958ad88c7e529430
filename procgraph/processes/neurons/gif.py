"""Neurons that fire by chance: the generalised integrate-and-fire neuron and the Poisson neuron."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.processes.neurons.lif import exp_current_gain, in_steps, refractory_left
from procgraph.spec.declare import Draw, In, Out, Param, State
from procgraph.spec.functions import clip, exp, exprelr, maximum, to_float, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["GIF", "PoissonNeuron"]

MOST = 30.0  # expected spikes per step; 1 - exp(-30) is 1 in float32


def _by_chance(expected: Any, u: Any) -> Any:
    """True with probability 1 - exp(-expected), for a 31-bit draw ``u``."""
    z = clip(expected, 0.0, MOST)
    return to_float(u) * 2.0**-31 < z / exprelr(-z)


class GIF(Process):
    r"""Generalised integrate-and-fire neuron: stochastic threshold; currents and threshold shifts after each spike.

    .. math::
        C \frac{dv}{dt} &= -g_l (v - v_{rest}) - \eta_1 - \eta_2 + i + i_b, \qquad
        \tau_{syn} \frac{di}{dt} = -i \\
        P_k &= 1 - e^{-\lambda\, dt}, \qquad
        \lambda = \lambda_0\, e^{(v_k - v_{th} - \gamma_1 - \gamma_2) / \Delta_v}

    where :math:`i_b` = ``bias``, and :math:`P_k` is the probability of a spike in step k. A spike adds ``q_stc1``,
    ``q_stc2`` (pA) to the currents :math:`\eta`, which decay with ``tau_stc1``, ``tau_stc2``, and ``q_sfa1``,
    ``q_sfa2`` (mV) to the shifts :math:`\gamma`, which decay with ``tau_sfa1``, ``tau_sfa2``; it sets :math:`v =
    v_{reset}`, where v stays for ``t_ref``. Events add their weight (pA) to i and act in the same step. Integrated
    as NEST's ``gif_psc_exp``: :math:`\eta` is held over a step.

    A draw u makes a spike where the float32 of u times :math:`2^{-31}` is below :math:`P_k`, hence P has a resolution
    of :math:`6 \cdot 10^{-8} P` or finer.

    Source: Mensi et al., Parameter extraction and classification of three cortical neuron types reveals two distinct
    adaptation mechanisms (2012), doi 10.1152/jn.00408.2011.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    u = Draw()
    c_m = Param(80.0, "pF", gt=0, doc="membrane capacitance")
    g_l = Param(4.0, "nS", gt=0, doc="leak conductance")
    v_rest = Param(-70.0, "mV", doc="leak reversal potential")
    tau_syn = Param(2.0, "ms", gt=0, doc="time constant of the synapse current")
    v_th = Param(-35.0, "mV", doc="base of the threshold")
    delta_v = Param(0.5, "mV", gt=0, doc="width of the threshold")
    lambda_0 = Param(1.0, gt=0, doc="spikes per ms at the threshold")
    q_stc1 = Param(0.0, "pA", doc="first current of a spike")
    tau_stc1 = Param(100.0, "ms", gt=0, doc="its time constant")
    q_stc2 = Param(0.0, "pA", doc="second current of a spike")
    tau_stc2 = Param(100.0, "ms", gt=0, doc="its time constant")
    q_sfa1 = Param(0.0, "mV", doc="first threshold shift of a spike")
    tau_sfa1 = Param(100.0, "ms", gt=0, doc="its time constant")
    q_sfa2 = Param(0.0, "mV", doc="second threshold shift of a spike")
    tau_sfa2 = Param(100.0, "ms", gt=0, doc="its time constant")
    v_reset = Param(-55.0, "mV", doc="potential after a spike")
    bias = Param(0.0, "pA", doc="constant current")
    t_ref = Param(4.0, "ms", ge=0, doc="refractory time")
    i = State(0.0, "pA", doc="synapse current")
    stc1 = State(0.0, "pA", doc="first current after spikes")
    stc2 = State(0.0, "pA", doc="second current after spikes")
    sfa1 = State(0.0, "mV", doc="first threshold shift")
    sfa2 = State(0.0, "mV", doc="second threshold shift")
    v = State("v_rest", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        tau_m = p.c_m / p.g_l
        decay_m = np.exp(-dt / tau_m)
        rise = (1 - decay_m) / p.g_l
        keep = {k: np.exp(-dt / getattr(p, f"tau_{k}")) for k in ("syn", "stc1", "stc2", "sfa1", "sfa2")}
        return {f"keep_{k}": v for k, v in keep.items()} | {
            "decay_m": decay_m,
            "gain": exp_current_gain(tau_m, p.tau_syn, 1 / p.g_l, dt),
            "rise": rise,
            "drive": p.v_rest * (1 - decay_m) + p.bias * rise,
            "inverse": 1 / p.delta_v,
            "scale": p.lambda_0 * dt,
            "ref_steps": in_steps(p.t_ref, dt),
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        free = s.refractory <= 0
        i = s.i * d.keep_syn + x.a_in
        v = s.v * d.decay_m + d.drive + i * d.gain - (s.stc1 + s.stc2) * d.rise
        v = where(free, v, p.v_reset)
        above = v - (p.v_th + s.sfa1 + s.sfa2)
        spike = free & _by_chance(exp(above * d.inverse) * d.scale, x.u)
        new = {"i": i, "v": where(spike, p.v_reset, v)}
        new["refractory"] = refractory_left(spike, free, s.refractory, d.ref_steps)
        for name in ("stc1", "stc2", "sfa1", "sfa2"):
            kept = getattr(s, name) * getattr(d, f"keep_{name}")
            new[name] = kept + where(spike, getattr(p, f"q_{name}"), 0.0)
        return new, {"s_out": spike}


class PoissonNeuron(Process):
    r"""Poisson neuron: fires by chance at a rate that follows its potential, with a dead time after each spike.

    .. math::
        v_k &= r_m i_b (1 - e^{-dt/\tau_m}) + v_{k-1}\, e^{-dt/\tau_m} + a_k \\
        rate &= \max(0, c_1 v_k + c_2\, e^{c_3 v_k}), \qquad P_k = 1 - e^{-rate \cdot dt}

    where :math:`a_k` is the summed input (each event moves v by its weight), :math:`i_b` = ``bias`` and :math:`P_k` is
    the probability of a spike in step k. There is none for ``t_ref`` after a spike; v is not reset. As NEST's
    ``pp_psc_delta`` without reset and adaptation, with ``dead_time`` = ``t_ref``. Resolution of P as in ``GIF``.

    Source: Cardanobile & Rotter, Multiplicatively interacting point processes and applications to neural modeling
    (2010), doi 10.1007/s10827-009-0204-0.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    u = Draw()
    tau_m = Param(10.0, "ms", gt=0, doc="membrane time constant")
    r_m = Param(40.0, "MOhm", gt=0, doc="membrane resistance; the bias is in nA")
    c_1 = Param(0.0, doc="linear part of the rate in Hz per mV")
    c_2 = Param(1.238, "Hz", doc="scale of the exponential part of the rate")
    c_3 = Param(0.25, doc="exponent of the rate per mV")
    bias = Param(0.0, "nA", doc="constant current")
    t_ref = Param(1.0, "ms", ge=0, doc="dead time")
    v = State(0.0, "mV", doc="membrane potential, 0 at rest")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        decay, per_step = np.exp(-dt / p.tau_m), dt * 1e-3
        return {
            "decay": decay,
            "drive": p.r_m * p.bias * (1 - decay),
            "linear": p.c_1 * per_step,
            "scale": p.c_2 * per_step,
            "ref_steps": in_steps(p.t_ref, dt),
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        free = s.refractory <= 0
        v = s.v * d.decay + d.drive + x.a_in
        expected = maximum(v * d.linear + exp(v * p.c_3) * d.scale, 0.0)
        spike = free & _by_chance(expected, x.u)
        return {"v": v, "refractory": refractory_left(spike, free, s.refractory, d.ref_steps)}, {"s_out": spike}
