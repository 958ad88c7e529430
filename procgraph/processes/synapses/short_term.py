"""Short-term plasticity, between the spikes of a population and its synapses."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import floor, to_int, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Graded

__all__ = ["TsodyksMarkram"]


class TsodyksMarkram(Process):
    r"""Short-term depression and facilitation: turns spikes into graded events of the strength u x.

    Between the spikes of a source, with x the resources that are left and u their utilisation,

    .. math::
        \frac{dx}{dt} = \frac{1 - x}{\tau_{rec}}, \qquad \frac{du}{dt} = -\frac{u}{\tau_{fac}}

    and at a spike, in this order,

    .. math::
        u \leftarrow u + U (1 - u), \qquad s = \lfloor levels \cdot u x + \tfrac{1}{2} \rfloor, \qquad
        x \leftarrow x (1 - u)

    where s is the payload that is emitted in the step of the spike. Connect ``spikes >> TsodyksMarkram() >> Sparse(w /
    levels)``: a synapse then acts with the weight w u x. All synapses of a source element share x and u, which is
    what they would all compute if their parameters are equal; populations with other parameters take another
    ``TsodyksMarkram``. A step with any positive payload counts as one spike. ``tau_fac=0`` is no facilitation: u = U.

    Payloads are whole numbers, so an efficacy is off by at most ``0.5 / levels``. More levels are not always
    better: inputs are fixed-point numbers scaled for the largest possible sum (time-and-numbers, section 5), so with K
    synapses per target the relative error of a weight is about ``K * levels / 2**32``. 4096 balances the two for some
    thousand synapses. As NEST's ``tsodyks2_synapse``, where the state starts as here: x = 1, and a first spike of
    strength U.

    Source: Maass & Markram, Synapses as dynamic memory buffers (2002), doi 10.1016/S0893-6080(01)00144-7; Tsodyks &
    Markram, The neural code between neocortical pyramidal neurons depends on neurotransmitter release probability
    (1997), doi 10.1073/pnas.94.2.719.
    """

    s_in = In(Graded)
    s_out = Out(Graded, limit="levels")
    U = Param(0.5, gt=0, le=1, doc="utilisation by a first spike")
    tau_rec = Param(800.0, "ms", gt=0, doc="time constant of recovery")
    tau_fac = Param(0.0, "ms", ge=0, doc="time constant of facilitation; 0: none")
    levels = Param(4096, dtype="int32", ge=1, le=2**22, scalar=True, doc="payload of a spike of efficacy 1")
    x = State(1.0, doc="resources, 0 to 1")
    u = State(0.0, doc="utilisation left of earlier spikes, 0 to 1")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        fac = np.asarray(p.tau_fac, dtype=np.float64)
        keep = np.where(fac == 0, 0.0, np.exp(-dt / np.where(fac == 0, 1.0, fac)))
        recover = -np.expm1(-dt / p.tau_rec)
        return {"keep_u": keep[()], "recover": recover, "scale": 1.0 * p.levels}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        spike = x.s_in > 0
        left = s.x + (1.0 - s.x) * d.recover
        faded = s.u * d.keep_u
        u = faded + p.U * (1.0 - faded)
        efficacy = u * left
        payload = where(spike, to_int(floor(efficacy * d.scale + 0.5)), 0)
        return {"x": where(spike, left - efficacy, left), "u": where(spike, u, faded)}, {"s_out": payload}
