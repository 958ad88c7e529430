"""Learning rules in Loihi's sum-of-products form."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from procgraph.errors import ParameterError, did_you_mean
from procgraph.spec.declare import Param, State
from procgraph.spec.functions import where
from procgraph.spec.rules import PostTrace, PreTrace, Rule, Trace
from procgraph.spec.trace import Values

__all__ = ["LoihiRule"]

FLAGS: dict[str, Trace] = {"x0": PreTrace(None, "flag"), "y0": PostTrace(None, "flag")}
DECAYING: dict[str, Trace] = {
    "x1": PreTrace("x1_tau"),
    "x2": PreTrace("x2_tau"),
    "y1": PostTrace("y1_tau"),
    "y2": PostTrace("y2_tau"),
    "y3": PostTrace("y3_tau"),
}
VARIABLES = ("w", "t")
EVERY = re.compile(r"\bu(\d+)\b")
MAX_TEXT = 2000


class LoihiRule(Rule):
    r"""A sum of products, such as ``dw="2^-2 * x1 * y0 - 2^-2 * y1 * x0"``, evaluated at the end of every epoch.

    Names: ``x0``, ``y0`` (1 if the source, the target fired in this epoch), the traces ``x1``, ``x2``, ``y1``, ``y2``, ``y3``
    (impulse times an exponential trace), the weight ``w``, the tag ``t``, the modulator ``m``, ``uk`` (only every 2^k epochs; one k for all
    terms), numbers, ``2^-3`` and ``sgn(...)``; operators ``+ - *`` and brackets. Values are float32: Loihi's integer widths and stochastic
    rounding belong to another arithmetic, and traces are read at the end of the epoch, which is exact for ``t_epoch=1``.

    Args:
        dw, dt: changes of the weight and of the tag; empty: none.
        t_epoch: steps in an epoch.

    Source: the form of Intel's Loihi (Davies et al., IEEE Micro 38(1), 2018, doi 10.1109/MM.2018.112130359).
    """

    generated: ClassVar[bool] = True
    dw = Param("", dtype="str")
    dt = Param("", dtype="str")
    t_epoch = Param(1, "steps", dtype="int32", ge=1, scalar=True)
    x1_tau = Param(20.0, "ms", gt=0, scalar=True)
    x2_tau = Param(20.0, "ms", gt=0, scalar=True)
    y1_tau = Param(20.0, "ms", gt=0, scalar=True)
    y2_tau = Param(20.0, "ms", gt=0, scalar=True)
    y3_tau = Param(20.0, "ms", gt=0, scalar=True)
    x1_impulse = Param(1.0, scalar=True)
    x2_impulse = Param(1.0, scalar=True)
    y1_impulse = Param(1.0, scalar=True)
    y2_impulse = Param(1.0, scalar=True)
    y3_impulse = Param(1.0, scalar=True)
    t = State(0.0, doc="tag")

    def __init__(self, **values: Any) -> None:
        if "epoch" in values:
            raise ParameterError(f"{type(self).__name__} takes 't_epoch', not 'epoch'.")
        super().__init__(**values)
        texts = {key: self.values[source] for key, source in (("w", "dw"), ("t", "dt")) if self.values[source]}
        if not texts:
            raise ParameterError(f"{self.label} needs dw= or dt=, such as dw='2^-2 * x1 * y0 - 2^-2 * y1 * x0'.")
        skips = {int(k) for text in texts.values() for k in EVERY.findall(text)}
        if len(skips) > 1:
            raise ParameterError(
                f"{self.label} uses {', '.join(f'u{k}' for k in sorted(skips))}; allowed: one k for all terms."
            )
        self.every = 2 ** skips.pop() if skips else 1
        self.trees = {key: _parse(text, f"{self.label}.d{key}") for key, text in texts.items()}
        used = {n.id for tree in self.trees.values() for n in ast.walk(tree) if isinstance(n, ast.Name)}
        self.used = used | set(self.trees)
        self.traces = {k: t for k, t in {**FLAGS, **DECAYING}.items() if k in used}

    @property
    def handlers(self) -> dict[str, Any]:
        return {"epoch": self._on_epoch}

    def epoch_steps(self, dt: float) -> int:
        return int(self.values["t_epoch"]) * self.every

    def _on_epoch(self, p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        known = {"w": s, "t": s, "m": x}
        scope: dict[str, Any] = {k: getattr(v, k) for k, v in known.items() if k in self.used}
        for name in self.traces:
            value = getattr(x, name)
            scope[name] = value if name in FLAGS else value * getattr(p, f"{name}_impulse")
        return {key: scope[key] + _evaluate(tree, scope) for key, tree in self.trees.items()}


def _parse(text: str, what: str) -> ast.expr:
    allowed = [*FLAGS, *DECAYING, *VARIABLES, "m", "sgn"]
    if len(text) > MAX_TEXT:
        raise ParameterError(f"{what} has {len(text)} characters; allowed: {MAX_TEXT}.")
    try:
        tree = ast.parse(EVERY.sub("1", text).replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise ParameterError(f"{what} is {text!r}, which is no sum of products: {error.msg}.") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in allowed:
            raise ParameterError(f"{what} uses the unknown name {node.id!r}.{did_you_mean(node.id, allowed)}")
        if not _is_allowed(node):
            raise ParameterError(f"{what} is {text!r}; allowed: names, numbers, + - *, 2^k and sgn(...).")
    return tree


def _is_allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return _is_number(node.left) and _is_number(node.right)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "sgn" and len(node.args) == 1 and not node.keywords
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    return isinstance(
        node, (ast.BinOp, ast.UnaryOp, ast.Name, ast.Load, ast.Add, ast.Sub, ast.Mult, ast.Pow, ast.USub, ast.UAdd)
    )


def _is_number(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return _is_number(node.operand)
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 64


def _evaluate(node: ast.AST, scope: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return scope[node.id]
    if isinstance(node, ast.UnaryOp):
        value = _evaluate(node.operand, scope)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Call):
        value = _evaluate(node.args[0], scope)
        return where(value > 0.0, 1.0, where(value < 0.0, -1.0, 0.0))
    assert isinstance(node, ast.BinOp)
    left, right = _evaluate(node.left, scope), _evaluate(node.right, scope)
    if isinstance(node.op, ast.Pow):
        return float(left**right)
    return (
        left + right if isinstance(node.op, ast.Add) else left - right if isinstance(node.op, ast.Sub) else left * right
    )
