"""A bounded queue between two host Processes, for records and messages."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from procgraph.errors import ChannelBlockedError, ChannelOverflowError

__all__ = ["DEFAULT_CAPACITY", "BoundedQueue"]

DEFAULT_CAPACITY = 65_536


@dataclass
class BoundedQueue:
    """Items with the step from which they may be read; ``policy`` says what happens when it is full."""

    source: str
    target: str
    capacity: int = DEFAULT_CAPACITY
    policy: str = "error"
    items: deque[tuple[int, Any]] = field(default_factory=deque)
    high_water: int = 0
    dropped: int = 0

    def push(self, item: Any, due: int, step: int) -> None:
        """Add an item.

        Raises:
            ChannelOverflowError: full, policy ``error``.
            ChannelBlockedError: full, policy ``block``: reader and writer take turns, so waiting would never end.
        """
        if self.policy == "latest" and self.items:
            self.dropped += len(self.items)
            self.items.clear()
        if len(self.items) >= self.capacity:
            if self.policy in ("error", "block"):
                raise self._full(step)
            self.dropped += 1
            if self.policy == "drop_newest":
                return
            self.items.popleft()
        self.items.append((due, item))
        self.high_water = max(self.high_water, len(self.items))

    def _full(self, step: int) -> Exception:
        full = f"channel {self.source} -> {self.target} is full ({self.capacity} items) at step {step}: {self.target} has not read them"
        advice = "Read the port in run_step, raise the capacity, or choose drop_oldest, drop_newest or latest."
        if self.policy == "block":
            return ChannelBlockedError(
                f"{full}, and {self.source} would wait for it for ever, since both run in turn. {advice}"
            )
        return ChannelOverflowError(f"{full}. {advice}")

    def read(self, step: int) -> list[Any]:
        """Take everything that is due."""
        taken = []
        while self.items and self.items[0][0] <= step:
            taken.append(self.items.popleft()[1])
        return taken
