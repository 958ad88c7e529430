"""Random encoders: intensity to firing rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.errors import ParameterError
from procgraph.spec.declare import Draw, In, Out, Param
from procgraph.spec.functions import clip, exp, to_int, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Array, Graded, Spikes

__all__ = ["BernoulliEncoder", "PoissonEncoder", "full_intensity", "per_step", "reciprocal"]

MAX_COUNT = 12  # P(more | mean 1) is 6e-11, below the resolution 2**-31 of a draw


def full_intensity() -> Any:
    """The parameter ``x_max`` of encoders."""
    return Param(1.0, gt=0, doc="intensity that counts as 1, such as 255 for pixels of a byte")


def reciprocal(x: Any) -> Any:
    """What to multiply by instead of dividing by ``x``."""
    return (1.0 / np.asarray(x))[()]


def per_step(rate: Any, dt: float, most: float, what: str) -> Any:
    """Expected events in a step of ``dt`` ms at ``rate`` Hz.

    Raises:
        ParameterError: it is above ``most``.
    """
    mean = np.asarray(rate) * dt / 1000.0
    if (mean > most).any():
        raise ParameterError(
            f"{what} is {np.max(rate):g} Hz, {mean.max():g} events in a step of {dt:g} ms; "
            f"allowed: up to {most * 1000 / dt:g} Hz. Lower the rate or dt."
        )
    return mean[()]


class BernoulliEncoder(Process):
    r"""At most one spike per step, with a probability in proportion to the intensity.

    .. math::
        P = \mathrm{clip}(x / x_{max}, 0, 1) \cdot max\_rate \cdot dt, \qquad \text{spike if } u \le \lfloor P \cdot 2^{31}
        \rfloor - 1

    with u the 31-bit draw of the element and step. P is a float32 product, ``P * 2**31`` is exact, and P = 1 (or
    more) always spikes. NaN counts as 0.

    Source: Gerstner et al., Neuronal Dynamics (2014), ch. 7.7 (Poisson firing in discrete time), doi
    10.1017/CBO9781107447615.
    """

    x_in = In(Array)
    s_out = Out(Spikes)
    u = Draw()
    max_rate = Param(100.0, "Hz", ge=0, doc="rate at intensity x_max")
    x_max = full_intensity()

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"scale": per_step(p.max_rate, dt, 1.0, "BernoulliEncoder.max_rate"), "gain": reciprocal(p.x_max)}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        probability = clip(x.x_in * d.gain, 0.0, 1.0) * d.scale
        threshold = where(probability >= 1.0, 2147483647, to_int(probability * 2147483648.0) - 1)
        return {}, {"s_out": x.u <= threshold}


class PoissonEncoder(Process):
    r"""A Poisson number of events per step, with a mean in proportion to the intensity.

    .. math::
        m = \mathrm{clip}(x / x_{max}, 0, 1) \cdot max\_rate \cdot dt, \qquad
        n = \#\{k \ge 0 : u \le \lfloor P(N > k) \cdot 2^{31} \rfloor - 1\}

    By inversion of one 31-bit draw u. The terms :math:`t_0 = e^{-m}, t_j = t_{j-1} m / j` and the tails :math:`P(N >
    k) = t_{12} + \dots + t_{k+1}`, added in this order, are float32, so tails keep their relative accuracy. Counts
    stop at 12, which a mean of 1 exceeds with probability 6e-11; ``max_rate * dt`` above 1 is an error. NaN counts as
    0.

    Source: Devroye, Non-uniform random variate generation (1986), ch. 10.3.
    """

    x_in = In(Array)
    s_out = Out(Graded(limit=MAX_COUNT))
    u = Draw()
    max_rate = Param(100.0, "Hz", ge=0, doc="rate at intensity x_max")
    x_max = full_intensity()

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"scale": per_step(p.max_rate, dt, 1.0, "PoissonEncoder.max_rate"), "gain": reciprocal(p.x_max)}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        mean = clip(x.x_in * d.gain, 0.0, 1.0) * d.scale
        terms = [exp(-mean)]
        for j in range(1, MAX_COUNT + 1):
            terms.append(terms[-1] * (mean * (1 / j)))
        tail = terms[MAX_COUNT]
        count = to_int(x.u < to_int(tail * 2147483648.0))
        for term in reversed(terms[1:MAX_COUNT]):
            tail = tail + term
            count = count + to_int(x.u < to_int(tail * 2147483648.0))
        return {}, {"s_out": count}
