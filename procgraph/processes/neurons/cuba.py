"""Current-based leaky integrate-and-fire neurons with two decays per step, as in Lava and NIR."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.errors import ParameterError
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import exp, exprelr, maximum, to_float, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["NO_REST", "CubaLIF", "lava_parameters", "two_decays", "two_decays_after", "two_decays_highest"]

NO_DECAY = 1e30  # a time constant so long that 1 - dt/tau is exactly 1
NO_REST = 1e-38  # a decay so strong that a float32 value does not outlive it


def _ratio(q: Any) -> Any:
    """log(q) / (q - 1): n times this, divided by exprelr(n log(q)), is the sum of q**j for j = 0 ... n - 1."""
    near = q == 1
    return np.where(near, 1.0, np.log(q) / np.where(near, 1.0, q - 1))


def _bounded(numerator: Any, loss: Any) -> Any:
    """A quotient by what is lost per step, which may be nothing."""
    return np.clip(numerator / np.maximum(loss, NO_REST), -NO_DECAY, NO_DECAY)


def two_decays(loss_i: Any, loss_v: Any, gain: Any, drive: Any) -> dict[str, Any]:
    """Derived values for the two functions below, of i <- i (1 - loss_i), then v <- v (1 - loss_v) + gain i + drive."""
    q_i, q_v = np.maximum(1 - loss_i, NO_REST), np.maximum(1 - loss_v, NO_REST)
    slow = np.maximum(q_i, q_v)
    ratio = np.minimum(q_i, q_v) / slow
    return {
        "rate_i": np.log(q_i)[()],
        "rate_v": np.log(q_v)[()],
        "rate_slow": np.log(slow)[()],
        "rate_gap": np.log(ratio)[()],
        "sum_gain": (gain * (1 - loss_i) * _ratio(ratio))[()],
        "sum_drive": (drive * _ratio(q_v))[()],
        "peak": (gain * np.minimum(_bounded(1 - loss_i, loss_i), _bounded(1.0, loss_v)))[()],
        "most": _bounded(drive, loss_v)[()],
    }


def two_decays_after(d: Values, s: Values, n: Any) -> dict[str, Any]:
    """i and v after n such steps without input."""
    steps = to_float(n)
    by_drive = steps * d.sum_drive / exprelr(steps * d.rate_v)
    by_i = s.i * (steps * d.sum_gain) * exp((steps - 1.0) * d.rate_slow) / exprelr(steps * d.rate_gap)
    return {"i": s.i * exp(steps * d.rate_i), "v": s.v * exp(steps * d.rate_v) + by_i + by_drive}


def two_decays_highest(d: Values, s: Values) -> Any:
    """A bound that v stays below or at until the next input."""
    return maximum(s.v, d.most) + maximum(s.i * d.peak, 0.0)


class CubaLIF(Process):
    r"""Current-based leaky integrate-and-fire neuron, integrated by forward Euler, the current first.

    .. math::
        i_k &= i_{k-1} (1 - dt/\tau_{syn}) + w_{in} \frac{dt}{\tau_{syn}} a_k \\
        v_k &= v_{k-1} (1 - dt/\tau_{mem}) + r \frac{dt}{\tau_{mem}} i_k + v_{leak} \frac{dt}{\tau_{mem}} + b

    where :math:`a_k` is the summed input and b is ``bias``. If :math:`v_k > v_{th}`: a spike, and :math:`v_k =
    v_{reset}`.

    * **NIR** ``CubaLIF``: parameters of the same names (``v_threshold`` is ``v_th``), ``bias`` 0.
    * **Lava** ``LIF`` (float): ``u = u(1-du) + a; v = v(1-dv) + u + bias`` is ``tau_syn = dt/du``, ``w_in = 1/du``,
      ``tau_mem = dt/dv``, ``r = 1/dv``: use ``CubaLIF(**lava_parameters(du, dv, dt=...))``.

    Source: Pedersen et al., Neuromorphic intermediate representation (2024), doi 10.1038/s41467-024-52259-9.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    tau_syn = Param(5.0, "ms", gt=0, doc="time constant of the synapse current, at least dt")
    tau_mem = Param(20.0, "ms", gt=0, doc="membrane time constant, at least dt")
    r = Param(1.0, "MOhm", doc="resistance; the current i is in nA")
    w_in = Param(1.0, doc="weight of the input")
    v_leak = Param(0.0, "mV", doc="resting potential")
    v_th = Param(1.0, "mV", doc="threshold; a spike needs v > v_th")
    v_reset = Param(0.0, "mV", doc="potential after a spike")
    bias = Param(0.0, "mV", doc="added to v in every step")
    i = State(0.0, "nA", doc="synapse current")
    v = State(0.0, "mV", doc="membrane potential")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        syn, mem = dt / np.asarray(p.tau_syn), dt / np.asarray(p.tau_mem)
        if (syn > 1).any() or (mem > 1).any():
            raise ParameterError(
                f"CubaLIF: tau_syn and tau_mem must be at least dt = {dt:g} ms. Raise them or lower dt."
            )
        gain, drive = p.r * mem, p.v_leak * mem + p.bias
        return two_decays(syn, mem, gain, drive) | {
            "decay_syn": (1 - syn)[()],
            "decay_mem": (1 - mem)[()],
            "gain_syn": (p.w_in * syn)[()],
            "gain_mem": gain[()],
            "drive": drive[()],
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        i = s.i * d.decay_syn + x.a_in * d.gain_syn
        v = s.v * d.decay_mem + i * d.gain_mem + d.drive
        spike = v > p.v_th
        return {"i": i, "v": where(spike, p.v_reset, v)}, {"s_out": spike}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        return two_decays_after(d, s, n)

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        return two_decays_highest(d, s) < p.v_th


def lava_parameters(
    du: Any = 0.0, dv: Any = 0.0, vth: Any = 10.0, bias: Any = 0.0, *, dt: float = 1.0
) -> dict[str, Any]:
    """Parameters of ``CubaLIF`` for a Lava ``LIF`` (float): ``du`` and ``dv`` in [0, 1], ``bias`` its mantissa.

    Raises:
        ParameterError: a decay outside [0, 1].
    """
    tau_syn, w_in = _time_constant(du, dt, "du")
    tau_mem, r = _time_constant(dv, dt, "dv")
    return {"tau_syn": tau_syn, "w_in": w_in, "tau_mem": tau_mem, "r": r, "v_th": vth, "bias": bias}


def _time_constant(decay: Any, dt: float, what: str) -> tuple[Any, Any]:
    array = np.asarray(decay, dtype=np.float64)
    if not ((array >= 0) & (array <= 1)).all():
        raise ParameterError(f"{what} is {decay!r}; allowed: 0 to 1.")
    tau = np.where(array == 0, NO_DECAY, dt / np.where(array == 0, 1.0, array))
    return tau[()], (tau / dt)[()]
