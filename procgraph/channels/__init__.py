"""Channels outside an executor: bounded queues with policies and counters."""

from procgraph.channels.queue import BoundedQueue

__all__ = ["BoundedQueue"]
