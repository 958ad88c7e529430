"""Plasticity rules."""

from __future__ import annotations

from typing import Any

from procgraph.spec.declare import Param, State
from procgraph.spec.functions import where
from procgraph.spec.rules import PostTrace, PreTrace, Rule
from procgraph.spec.trace import Values

__all__ = [
    "Homeostasis",
    "MultiplicativeSTDP",
    "NearestSTDP",
    "PairSTDP",
    "RewardSTDP",
    "TripletSTDP",
    "VogelsSprekeler",
]


class PairSTDP(Rule):
    r"""Pair-based STDP, all to all, additive.

    .. math::
        \text{pre: } w \leftarrow w - A_- \, y \qquad \text{post: } w \leftarrow w + A_+ \, x

    with traces x, y of both sides that decay with :math:`\tau_+`, :math:`\tau_-`. A pair with post − pre = Δt > 0 changes w by
    :math:`A_+ e^{-Δt/\tau_+}`, one with Δt < 0 by :math:`-A_- e^{Δt/\tau_-}`.

    Source: Song, Miller & Abbott, Nature Neuroscience 3 (2000) 919; Morrison, Diesmann & Gerstner, Biological Cybernetics 98 (2008) 459.
    """

    tau_plus = Param(20.0, "ms", gt=0, scalar=True, doc="time constant of the source's trace")
    tau_minus = Param(20.0, "ms", gt=0, scalar=True, doc="time constant of the target's trace")
    a_plus = Param(0.01, scalar=True, doc="potentiation by a pair, at Δt = 0")
    a_minus = Param(0.0105, scalar=True, doc="depression by a pair, at Δt = 0")
    x = PreTrace("tau_plus")
    y = PostTrace("tau_minus")

    @staticmethod
    def on_pre(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"w": s.w - p.a_minus * x.y}

    @staticmethod
    def on_post(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"w": s.w + p.a_plus * x.x}


class NearestSTDP(PairSTDP):
    """Pair-based STDP in which only the nearest event of the other side counts; else as ``PairSTDP``."""

    x = PreTrace("tau_plus", "set")
    y = PostTrace("tau_minus", "set")


class MultiplicativeSTDP(PairSTDP):
    r"""Pair-based STDP, all to all, with soft limits.

    .. math::
        \text{pre: } w \leftarrow w - A_- (w - w_{min})\, y \qquad \text{post: } w \leftarrow w + A_+ (w_{max} - w)\, x

    Source: Rubin, Lee & Sompolinsky, Physical Review Letters 86 (2001) 364.
    """

    @staticmethod
    def on_pre(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"w": s.w - p.a_minus * (s.w - p.w_min) * x.y}

    @staticmethod
    def on_post(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"w": s.w + p.a_plus * (p.w_max - s.w) * x.x}


class TripletSTDP(Rule):
    r"""Triplet STDP, all to all.

    .. math::
        \text{pre: } w \leftarrow w - o_1 (A_2^- + A_3^- r_2) \qquad \text{post: } w \leftarrow w + r_1 (A_2^+ + A_3^+ o_2)

    Defaults: the visual cortex set, all-to-all, of table 4.
    Source: Pfister & Gerstner, Journal of Neuroscience 26 (2006) 9673.
    """

    tau_plus = Param(16.8, "ms", gt=0, scalar=True)
    tau_x = Param(101.0, "ms", gt=0, scalar=True)
    tau_minus = Param(33.7, "ms", gt=0, scalar=True)
    tau_y = Param(125.0, "ms", gt=0, scalar=True)
    a2_plus = Param(5e-10, scalar=True)
    a3_plus = Param(6.2e-3, scalar=True)
    a2_minus = Param(7e-3, scalar=True)
    a3_minus = Param(2.3e-4, scalar=True)
    r1 = PreTrace("tau_plus")
    r2 = PreTrace("tau_x")
    o1 = PostTrace("tau_minus")
    o2 = PostTrace("tau_y")

    @staticmethod
    def on_pre(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"w": s.w - x.o1 * (p.a2_minus + p.a3_minus * x.r2)}

    @staticmethod
    def on_post(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"w": s.w + x.r1 * (p.a2_plus + p.a3_plus * x.o2)}


class RewardSTDP(PairSTDP):
    r"""Reward-modulated STDP (three factors): pairs change an eligibility trace e, and the modulator m turns it into weight.

    .. math::
        \text{pre: } e \leftarrow e - A_- y \quad \text{post: } e \leftarrow e + A_+ x \quad
        \text{epoch: } w \leftarrow w + \eta\, m\, e, \; e \leftarrow e\, e^{-T/\tau_e}

    with the epoch's length T. Source: Izhikevich, Cerebral Cortex 17 (2007) 2443; Frémaux & Gerstner, Frontiers in Neural Circuits 9 (2016) 85.
    """

    tau_e = Param(200.0, "ms", gt=0, scalar=True, doc="time constant of the eligibility trace")
    rate = Param(1.0, scalar=True, doc="learning rate η")
    e = State(0.0, doc="eligibility")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        from math import exp

        return {"forget": exp(-dt * p.epoch / p.tau_e)}

    @staticmethod
    def on_pre(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"e": s.e - p.a_minus * x.y}

    @staticmethod
    def on_post(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"e": s.e + p.a_plus * x.x}

    @staticmethod
    def on_epoch(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"w": s.w + p.rate * x.m * s.e, "e": s.e * d.forget}


class VogelsSprekeler(Rule):
    r"""Inhibitory plasticity that balances excitation and inhibition.

    .. math::
        \text{pre: } w \leftarrow w + \eta\,(y - \alpha) \qquad \text{post: } w \leftarrow w + \eta\, x, \qquad \alpha = 2 \rho_0 \tau

    for a target rate :math:`\rho_0`. Weights are magnitudes; an inhibitory projection has ``sign=-1``.
    Source: Vogels, Sprekeler, Zenke, Clopath & Gerstner, Science 334 (2011) 1569.
    """

    tau = Param(20.0, "ms", gt=0, scalar=True)
    eta = Param(0.001, scalar=True, doc="learning rate")
    target_rate = Param(5.0, "Hz", ge=0, scalar=True)
    x = PreTrace("tau")
    y = PostTrace("tau")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"alpha": 2 * p.target_rate * 1e-3 * p.tau}

    @staticmethod
    def on_pre(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"w": s.w + p.eta * (x.y - d.alpha)}

    @staticmethod
    def on_post(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        return {"w": s.w + p.eta * x.x}


class Homeostasis(Rule):
    r"""Homeostatic scaling: every epoch the weights into a target grow or shrink with the distance of its rate from the wanted one.

    .. math::
        w \leftarrow w \,\bigl(1 + \eta\,(\rho_0 - \rho)\bigr), \qquad \rho = y / \tau

    Source: Turrigiano & Nelson, Nature Reviews Neuroscience 5 (2004) 97; form as in van Rossum, Bi & Turrigiano, J. Neurosci. 20 (2000) 8812.
    """

    tau = Param(1000.0, "ms", gt=0, scalar=True, doc="time constant of the rate estimate")
    eta = Param(0.001, scalar=True, doc="relative change for 1 Hz of distance")
    target_rate = Param(5.0, "Hz", ge=0, scalar=True)
    y = PostTrace("tau")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"to_hz": 1e3 / p.tau}

    @staticmethod
    def on_epoch(p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        growth = 1.0 + p.eta * (p.target_rate - x.y * d.to_hz)
        return {"w": s.w * where(growth > 0.0, growth, 0.0)}
