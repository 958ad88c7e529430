"""Neurons with an adaptive threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.processes.neurons.cuba import NO_REST, two_decays, two_decays_after, two_decays_highest
from procgraph.processes.neurons.lif import in_steps
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import exp, maximum, minimum, to_float, to_int, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["ALIF", "ATRLIF"]


class ALIF(Process):
    r"""Leaky integrate-and-fire neuron whose threshold rises with every spike (LSNN).

    .. math::
        b_k &= \rho\, b_{k-1} + (1 - \rho)\, z_{k-1}, \qquad \rho = e^{-dt/\tau_{adapt}} \\
        v_k &= \alpha\, v_{k-1} + (1 - \alpha)\, r_m (a_k + i_b) - B_{k-1} z_{k-1}, \qquad \alpha = e^{-dt/\tau_m} \\
        B_k &= v_{th} + \beta\, b_k, \qquad z_k = v_k > B_k

    where :math:`a_k` is the summed input, :math:`i_b` = ``bias`` and z is 1 at a spike. The reset is thus by
    subtraction, one step after the spike. For ``t_ref`` after a spike v goes on, but there is no spike.

    Source: Bellec et al., Long short-term memory and learning-to-learn in networks of spiking neurons (2018),
    doi 10.48550/arXiv.1803.09574, supplement eq. 1 and 2. Defaults are theirs, with all voltages times 100.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    tau_m = Param(20.0, "ms", gt=0, doc="membrane time constant")
    tau_adapt = Param(700.0, "ms", gt=0, doc="time constant of the threshold")
    r_m = Param(1.0, "MOhm", gt=0, doc="membrane resistance; input and bias are in nA")
    v_th = Param(1.0, "mV", doc="threshold at rest")
    beta = Param(180.0, "mV", ge=0, doc="scale of the threshold's rise: (1 - rho) beta per spike")
    bias = Param(0.0, "nA", doc="constant current")
    t_ref = Param(5.0, "ms", ge=0, doc="refractory time")
    v = State(0.0, "mV", doc="membrane potential")
    b = State(0.0, doc="adaptation")
    fired = State(0, dtype="int32", doc="1 if the last step had a spike")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        alpha, rho = np.exp(-dt / p.tau_m), np.exp(-dt / p.tau_adapt)
        gain = (1 - alpha) * p.r_m
        return {
            "alpha": alpha,
            "rho": rho,
            "rise": 1 - rho,
            "gain": gain,
            "drive": gain * p.bias,
            "rate": -dt / p.tau_m,
            "rate_adapt": -dt / p.tau_adapt,
            "rest": p.r_m * p.bias,
            "ref_steps": in_steps(p.t_ref, dt),
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        z = to_float(s.fired)
        drop = (p.v_th + p.beta * s.b) * z
        b = s.b * d.rho + d.rise * z
        v = s.v * d.alpha + x.a_in * d.gain + d.drive - drop
        free = s.refractory <= 0
        spike = free & (v > p.v_th + p.beta * b)
        refractory = where(spike, d.ref_steps, where(free, 0, s.refractory - 1))
        return {"v": v, "b": b, "fired": to_int(spike), "refractory": refractory}, {"s_out": spike}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        steps = to_float(n)  # that follow one without a spike, else the neuron is awake
        v = d.rest + (s.v - d.rest) * exp(steps * d.rate)
        return {"v": v, "b": s.b * exp(steps * d.rate_adapt), "refractory": maximum(s.refractory - n, 0)}

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        return (s.fired == 0) & (maximum(s.v, d.rest) < p.v_th + p.beta * minimum(s.b, 0.0))


class ATRLIF(Process):
    r"""Leaky integrate-and-fire neuron with adaptive threshold and refractory state, as Lava's ``ATRLIF`` (float).

    .. math::
        i_k &= (1 - \delta_i)\, i_{k-1} + a_k \\
        v_k &= (1 - \delta_v)\, v_{k-1} + i_k + b \\
        \theta_k &= (1 - \delta_\theta) (\theta_{k-1} - \theta_0) + \theta_0 \\
        r_k &= (1 - \delta_r)\, r_{k-1}

    where :math:`a_k` is the summed input and b is ``bias``. If :math:`v_k - r_k \ge \theta_k`: a spike, :math:`r_k`
    grows by :math:`2 \theta_k`, then :math:`\theta_k` by ``theta_step``; v is not reset. The decays are per step.

    Source: lava-nc/lava, ``lava/proc/atrlif/models.py``, class ``PyATRLIFModelFloat``.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    delta_i = Param(0.4, ge=0, le=1, doc="decay of the current per step")
    delta_v = Param(0.4, ge=0, le=1, doc="decay of the potential per step")
    delta_theta = Param(0.2, ge=0, le=1, doc="decay of the threshold to theta_0 per step")
    delta_r = Param(0.2, ge=0, le=1, doc="decay of the refractory state per step")
    theta_0 = Param(5.0, "mV", doc="threshold at rest")
    theta_step = Param(3.75, "mV", doc="rise of the threshold at a spike")
    bias = Param(0.0, "mV", doc="added to v in every step")
    i = State(0.0, "mV", doc="synapse current, as its effect on v per step")
    v = State(0.0, "mV", doc="membrane potential")
    theta = State("theta_0", "mV", doc="threshold")
    r = State(0.0, "mV", doc="refractory state")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return two_decays(np.asarray(p.delta_i), np.asarray(p.delta_v), 1.0, p.bias) | {
            "rate_theta": np.log(np.maximum(1 - np.asarray(p.delta_theta), NO_REST))[()],
            "rate_r": np.log(np.maximum(1 - np.asarray(p.delta_r), NO_REST))[()],
            "keep_i": 1 - p.delta_i,
            "keep_v": 1 - p.delta_v,
            "keep_theta": 1 - p.delta_theta,
            "keep_r": 1 - p.delta_r,
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        i = s.i * d.keep_i + x.a_in
        v = s.v * d.keep_v + i + p.bias
        theta = (s.theta - p.theta_0) * d.keep_theta + p.theta_0
        r = s.r * d.keep_r
        spike = v - r >= theta
        after = {"r": where(spike, r + theta * 2.0, r), "theta": where(spike, theta + p.theta_step, theta)}
        return {"i": i, "v": v, **after}, {"s_out": spike}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        steps = to_float(n)
        theta = p.theta_0 + (s.theta - p.theta_0) * exp(steps * d.rate_theta)
        return {**two_decays_after(d, s, n), "theta": theta, "r": s.r * exp(steps * d.rate_r)}

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        return two_decays_highest(d, s) - minimum(s.r, 0.0) < minimum(s.theta, p.theta_0)
