"""Sums of products as text, the language of Loihi's learning rules: text to a tree, when a trace is taken, and a tree's value."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from procgraph.errors import ParameterError, did_you_mean
from procgraph.spec.functions import where

__all__ = ["FLAGS", "TRACES", "VARIABLES", "date", "evaluate", "every", "names", "parse", "skips"]

FLAGS = ("x0", "y0")
TRACES = ("x1", "x2", "y1", "y2", "y3")
VARIABLES = ("w", "d", "t")
EVERY = re.compile(r"u(\d{1,3})")
MAX_EVERY = 15
MAX_TEXT = 2000


def parse(text: str, what: str) -> ast.expr:
    """The tree of a sum of products; ``what`` names it in messages.

    Raises:
        ParameterError: it is none, is too long, or uses an unknown name.
    """
    if len(text) > MAX_TEXT:
        raise ParameterError(f"{what} has {len(text)} characters; allowed: {MAX_TEXT}.")
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise ParameterError(f"{what} is {text!r}, which is no sum of products: {error.msg}.") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            _check_name(node.id, what)
        if not _is_allowed(node):
            raise ParameterError(f"{what} is {text!r}; allowed: names, numbers, + - *, 2^k and sgn(...).")
    return tree


def _check_name(name: str, what: str) -> None:
    allowed = [*FLAGS, *TRACES, *VARIABLES, "m", "sgn"]
    k = every(name)
    if k is None and name not in allowed:
        raise ParameterError(f"{what} uses the unknown name {name!r}.{did_you_mean(name, [*allowed, 'u0'])}")
    if k is not None and k > MAX_EVERY:
        raise ParameterError(f"{what} uses {name}; allowed: u0 to u{MAX_EVERY}.")


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


def names(tree: ast.AST) -> set[str]:
    """The names in a tree."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def every(name: str) -> int | None:
    """The k of a name ``uk``; None for others."""
    found = EVERY.fullmatch(name)
    return int(found[1]) if found else None


def skips(tree: ast.AST) -> int:
    """A k for which the sum is 0 but in every 2^k-th epoch."""
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, (ast.Add, ast.Sub)):
        return min(skips(tree.left), skips(tree.right))
    found = [every(f.id) for f in _factors(tree) if isinstance(f, ast.Name)]
    return max((k for k in found if k is not None), default=0)


def _factors(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _factors(node.left) + _factors(node.right)
    return _factors(node.operand) if isinstance(node, ast.UnaryOp) else [node]


def date(tree: ast.expr, what: str) -> ast.expr:
    """The tree with every trace of a product with ``x0`` or ``y0`` named for that event, such as ``x1_at_y0``.

    Raises:
        ParameterError: the event stands in brackets and the trace outside.
    """
    dated: ast.expr = _Dates(what).visit(tree)
    return dated


class _Dates(ast.NodeTransformer):
    def __init__(self, what: str) -> None:
        self.what, self.event = what, ""

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(f"{node.id}_at_{self.event}") if self.event and node.id in TRACES else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        outer = self.event
        if not outer and isinstance(node.op, ast.Mult):
            self.event = self._event_of(_factors(node))
        self.generic_visit(node)
        self.event = outer
        return node

    def _event_of(self, factors: list[ast.AST]) -> str:
        for factor in factors:
            if isinstance(factor, ast.Name) and factor.id in FLAGS:
                return factor.id
        inside = [factor for factor in factors if names(factor) & {*FLAGS}]
        outside = [factor for factor in factors if factor not in inside[:1]]
        if inside and any(names(factor) & {*TRACES} for factor in outside):
            raise ParameterError(
                f"{self.what} has x0 or y0 in brackets and a trace outside, which leaves open when the trace is taken; "
                "allowed with t_epoch above 1: a sum of products, such as x1 * y0 - x1 * x0."
            )
        return ""


def evaluate(node: ast.AST, scope: Mapping[str, Any]) -> Any:
    """The value of a tree, for values of the names in it."""
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return scope[node.id]
    if isinstance(node, ast.UnaryOp):
        value = evaluate(node.operand, scope)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Call):
        value = evaluate(node.args[0], scope)
        return where(value > 0.0, 1.0, where(value < 0.0, -1.0, 0.0))
    assert isinstance(node, ast.BinOp)
    left, right = evaluate(node.left, scope), evaluate(node.right, scope)
    if isinstance(node.op, ast.Pow):
        return float(left**right)
    return (
        left + right if isinstance(node.op, ast.Add) else left - right if isinstance(node.op, ast.Sub) else left * right
    )
