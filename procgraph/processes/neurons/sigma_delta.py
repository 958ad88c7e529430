"""Sigma–delta neurons: activations as numbers, sent only where they change."""

from __future__ import annotations

from typing import Any

from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import clip, floor, maximum, to_float, to_int, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Array, Current, Graded

__all__ = ["Delta", "Sigma", "SigmaDelta"]


def _payload(change: Any, threshold: Any, most: Any) -> Any:
    """``change`` rounded to a whole number (half up) where it reaches the threshold, else 0."""
    reached = abs(change) >= threshold
    return where(reached, to_int(clip(floor(change + 0.5), -most, most)), 0)


class Delta(Process):
    r"""Sends how far its input has moved from what it has sent, where that reaches the threshold.

    .. math::
        \delta_k = x_k - sent_{k-1}, \qquad
        s_k = \begin{cases} \mathrm{round}(\delta_k) & |\delta_k| \ge v_{th} \\ 0 & \text{otherwise} \end{cases},
        \qquad sent_k = sent_{k-1} + s_k

    The payload is a whole number, at most ``max_payload``; what it leaves out is sent later. Scale x before, if 1 is
    too coarse. A ``Sigma`` behind it hence follows x within ``v_th`` or 0.5, whichever is larger, while changes stay
    below ``max_payload``. As Lava's ``Delta`` without ``cum_error`` (whose residue is :math:`\delta_k - s_k`); equal to
    it for whole-numbered x.

    Source: lava-nc/lava, ``lava/proc/sdn/models.py``, class ``AbstractDeltaModel``.
    """

    x_in = In(Array)
    s_out = Out(Graded, limit="max_payload")
    v_th = Param(1.0, gt=0, doc="least change that is sent")
    max_payload = Param(2**15, dtype="int32", ge=1, le=2**24, scalar=True, doc="largest payload")
    sent = State(0.0, doc="sum of what was sent")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"most": 1.0 * p.max_payload}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        payload = _payload(x.x_in - s.sent, p.v_th, d.most)
        return {"sent": s.sent + to_float(payload)}, {"s_out": payload}


class Sigma(Process):
    r"""Sums the payloads that arrive, and holds the sum: the decoder of ``Delta`` and ``SigmaDelta``.

    .. math::
        \sigma_k = \sigma_{k-1} + s_k

    with s the summed payload of the step, as Lava's ``Sigma``. Wraps beyond the range of int32.

    Source: lava-nc/lava, ``lava/proc/sdn/models.py``, class ``AbstractSigmaModel``.
    """

    s_in = In(Graded)
    x_out = Out(Array("int32"))
    sigma = State(0, dtype="int32", doc="sum of all payloads")

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        sigma = s.sigma + x.s_in
        return {"sigma": sigma}, {"x_out": sigma}


class SigmaDelta(Process):
    r"""Sigma–delta neuron: sums its input, applies a rectifier, and sends the change of its activation.

    .. math::
        \sigma_k = \sigma_{k-1} + a_k, \qquad act_k = \max(low, \sigma_k + b), \qquad \delta_k = act_k - sent_{k-1}

    where :math:`a_k` is the summed input and b is ``bias``; the payload is :math:`\mathrm{round}(\delta_k)` where
    :math:`|\delta_k| \ge v_{th}`, as in ``Delta``. ``low=0`` is Lava's ``ActivationMode.RELU``, ``low=-1e30`` its
    ``UNIT``. A layer of these behind weights sends the activations of a rectified linear layer, within ``v_th`` or 0.5.
    As Lava's ``SigmaDelta`` without ``cum_error``; equal to it for whole-numbered weights and bias.

    The sum is a float32 number: exact while weights are whole numbers and sums stay below 2**24; otherwise each step
    may lose :math:`6 \cdot 10^{-8}\, |\sigma|`.

    Source: lava-nc/lava, ``lava/proc/sdn/models.py``, class ``AbstractSigmaDeltaModel``; O'Connor & Welling, Sigma
    delta quantized networks (2016), doi 10.48550/arXiv.1611.02024.
    """

    a_in = In(Current)
    s_out = Out(Graded, limit="max_payload")
    v_th = Param(1.0, gt=0, doc="least change that is sent")
    bias = Param(0.0, doc="added to the sum")
    low = Param(0.0, doc="least activation")
    max_payload = Param(2**15, dtype="int32", ge=1, le=2**24, scalar=True, doc="largest payload")
    sigma = State(0.0, doc="sum of all input")
    sent = State(0.0, doc="sum of what was sent")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"most": 1.0 * p.max_payload}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        sigma = s.sigma + x.a_in
        payload = _payload(maximum(sigma + p.bias, p.low) - s.sent, p.v_th, d.most)
        return {"sigma": sigma, "sent": s.sent + to_float(payload)}, {"s_out": payload}
