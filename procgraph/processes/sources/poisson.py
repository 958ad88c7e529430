"""Random sources: Poisson counts and Bernoulli spikes at a given rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from procgraph.processes.encoders.rate import per_step
from procgraph.spec.declare import Draw, Out, Param
from procgraph.spec.functions import to_int
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Graded, Spikes

__all__ = ["BernoulliSource", "PoissonSource"]

MAX_MEAN = 4.0
MAX_COUNT = 24  # P(more | mean 4) is 4e-12, below the resolution 2**-31 of a draw


def _threshold(probability: Any) -> Any:
    """Largest draw that counts as an event of this probability."""
    return (np.rint(np.asarray(probability) * 2.0**31) - 1).astype(np.int32)[()]


class PoissonSource(Process):
    r"""A Poisson number of events per element and step.

    .. math::
        m = rate \cdot dt, \qquad n = \#\{k < 24 : u > T_k\}, \qquad T_k = \mathrm{rint}(P(N \le k) \cdot 2^{31}) - 1

    with u the 31-bit draw of the element and step. Counts stop at 24, which a mean of 4 exceeds with probability
    4e-12; a mean above 4 per step is an error.

    Source: Devroye, Non-uniform random variate generation (1986), ch. 10.3 (inversion).
    """

    s_out = Out(Graded(limit=MAX_COUNT))
    u = Draw()
    rate = Param(10.0, "Hz", ge=0, doc="expected events per second")

    def event_rate(self, dt: float) -> float:
        return float(np.mean(self.values["rate"]) * dt / 1000)

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        mean = np.asarray(per_step(p.rate, dt, MAX_MEAN, "PoissonSource.rate"))
        terms = [np.exp(-mean) * mean**j / math.factorial(j) for j in range(MAX_COUNT)]
        return {"cdf": [_threshold(np.minimum(sum(terms[: k + 1]), 1.0)) for k in range(MAX_COUNT)]}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        count = to_int(x.u > d.cdf[0])
        for bound in d.cdf[1:]:
            count = count + to_int(x.u > bound)
        return {}, {"s_out": count}


class BernoulliSource(Process):
    r"""At most one spike per element and step.

    .. math::
        P = rate \cdot dt, \qquad \text{spike if } u \le \mathrm{rint}(P \cdot 2^{31}) - 1

    with u the 31-bit draw of the element and step; more than one expected spike per step is an error.

    Source: Gerstner et al., Neuronal Dynamics (2014), ch. 7.7 (Poisson firing in discrete time), doi
    10.1017/CBO9781107447615.
    """

    s_out = Out(Spikes)
    u = Draw()
    rate = Param(10.0, "Hz", ge=0, doc="expected spikes per second")

    def event_rate(self, dt: float) -> float:
        return float(np.mean(self.values["rate"]) * dt / 1000)

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"threshold": _threshold(per_step(p.rate, dt, 1.0, "BernoulliSource.rate"))}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        return {}, {"s_out": x.u <= d.threshold}
