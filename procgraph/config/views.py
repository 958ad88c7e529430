"""Port references of a channel: ``game.frame[34:194, 0:160].flatten()``, parsed by hand and never evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any

from procgraph.errors import ConnectionError, did_you_mean

__all__ = ["PortReference", "parse_port", "split_channel"]

METHODS = ("flatten", "gather", "reshape", "transpose")
_NAME = re.compile(r"\s*([A-Za-z0-9_-]+)")
_INT = re.compile(r"\s*([+-]?[0-9]{1,10})\s*")
Index = int | slice | EllipsisType


@dataclass(frozen=True)
class PortReference:
    """Names from the Process down to the port, and the views of it in their order."""

    text: str
    names: tuple[str, ...]
    views: tuple[Callable[[Any], Any], ...] = field(default=(), compare=False)

    def apply(self, port: Any) -> Any:
        """The view of a port; errors are those of the views."""
        for view in self.views:
            port = view(port)
        return port


def split_channel(text: str) -> tuple[str, str]:
    """The two ends of ``source -> target``.

    Raises:
        ConnectionError: not exactly two ends.
    """
    ends = [e.strip() for e in text.split("->")]
    if len(ends) != 2 or not all(ends):
        raise ConnectionError(f"{text!r} is not a channel; allowed: 'process.output -> process.input', one a line.")
    return ends[0], ends[1]


def parse_port(text: str) -> PortReference:
    """Parse one end of a channel.

    Raises:
        ConnectionError: something else than names, ``[slices]``, ``.flatten()``, ``.reshape(…)``, ``.transpose(…)`` or ``.gather([…])``.
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def parse(self) -> PortReference:
        names = [self.name()]
        views: list[Callable[[Any], Any]] = []
        while self.more():
            if self.take("["):
                views.append(_indexed(self.index()))
            elif self.take("."):
                name = self.name()
                if self.take("("):
                    views.append(self.call(name))
                elif views:
                    self.fail(f"a port name comes before its views, and a view is called: .{name}()")
                else:
                    names.append(name)
            else:
                self.fail("expected '.', '[' or the end")
        if len(names) < 2:
            self.fail("the port is missing, write process.port")
        return PortReference(self.text, tuple(names), tuple(views))

    def more(self) -> bool:
        return bool(self.text[self.at :].strip())

    def fail(self, why: str) -> Any:
        raise ConnectionError(f"{self.text!r} is not a port: {why} (at character {self.at + 1}).")

    def take(self, token: str) -> bool:
        rest = self.text[self.at :]
        stripped = rest.lstrip()
        if not stripped.startswith(token):
            return False
        self.at += len(rest) - len(stripped) + len(token)
        return True

    def expect(self, token: str) -> None:
        if not self.take(token):
            self.fail(f"expected {token!r}")

    def name(self) -> str:
        match = _NAME.match(self.text, self.at)
        if match is None:
            self.fail("expected a name")
        assert match is not None
        self.at = match.end()
        return match.group(1)

    def integer(self) -> int | None:
        match = _INT.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return int(match.group(1))

    def index(self) -> tuple[Index, ...]:
        items = [self.index_item()]
        while self.take(","):
            items.append(self.index_item())
        self.expect("]")
        return tuple(items)

    def index_item(self) -> Index:
        if self.take("..."):
            return ...
        parts = [self.integer()]
        while len(parts) < 3 and self.take(":"):
            parts.append(self.integer())
        if len(parts) > 1:
            return slice(*parts)
        if parts[0] is None:
            self.fail("expected a whole number, a slice a:b, or '...'")
        return parts[0]  # type: ignore[return-value]

    def integers(self, close: str) -> list[int]:
        items: list[int] = []
        while not self.take(close):
            number = self.integer()
            if number is None:
                self.fail(f"expected a whole number or {close!r}")
            items.append(number)  # type: ignore[arg-type]
            if not self.take(","):
                self.expect(close)
                break
        return items

    def call(self, method: str) -> Callable[[Any], Any]:
        if method not in METHODS:
            self.fail(f"no view {method!r}.{did_you_mean(method, METHODS)}")
        if method == "gather":
            self.expect("[")
            indices = self.integers("]")
            self.expect(")")
            return lambda port: port.gather(indices)
        arguments = self.integers(")")
        if method == "flatten" and arguments:
            self.fail("flatten() takes no numbers")
        return lambda port: getattr(port, method)(*arguments)


def _indexed(key: tuple[Index, ...]) -> Callable[[Any], Any]:
    return lambda port: port[key if len(key) > 1 else key[0]]
