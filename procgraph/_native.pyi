"""The native engine. Arrays are C-ordered NumPy arrays; lanes of a batch come first."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Buffer

CONTAINER_VERSION: int
STORAGE_FORMATS: tuple[str, ...]  # names of all ways of storing synapses

class NodeStats(TypedDict):
    events: int
    ticks: int
    seconds: float

class ChannelStats(TypedDict):
    channel: int
    source: str
    target: str
    depth: int
    high_water: int
    dropped: int

class Stats(TypedDict):
    nodes: dict[str, NodeStats]
    channels: list[ChannelStats]
    profiled: bool
    delivery_seconds: float

class TableStorage(TypedDict):
    source: str
    projections: list[str]
    counts: list[int]  # synapses of each projection
    synapses: int
    bytes: int
    format: str
    delivery: str  # "table", or "node" where the projection works for itself

class Program:
    """A loaded, validated Program. Immutable."""

    @staticmethod
    def from_bytes(data: Buffer) -> Program: ...
    @staticmethod
    def open(path: str | os.PathLike[str]) -> Program: ...
    @property
    def dt(self) -> float: ...
    @property
    def seed(self) -> int: ...
    @property
    def nodes(self) -> list[str]: ...

class Engine:
    """Runs one Program. One thread at a time, but for `interrupt`."""

    def __init__(
        self,
        program: Program,
        seed: int | None = None,
        batch: int = 1,
        threads: int = 1,
        profile: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> None: ...
    @property
    def threads(self) -> int: ...
    @property
    def step(self) -> int:
        """The next step to run."""
    @property
    def seed(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def isa(self) -> str: ...
    def run(self, steps: int, budget_ns: int = 0) -> int:
        """Run up to `steps` steps; return how many were run."""
    def interrupt(self) -> None:
        """Make the current or else the next run return at its next step boundary."""
    def release_threads(self) -> None:
        """End the threads that runs share work with; a later run starts them anew."""
    def begin_tick(self, node: str) -> None: ...
    def take_input(self, node: str, port: str) -> NDArray[Any]: ...
    def publish(self, node: str, port: str, values: ArrayLike) -> None: ...
    def read(self, node: str, section: str, name: str = "") -> NDArray[Any]: ...
    def write(self, node: str, section: str, name: str, values: ArrayLike) -> None: ...
    def record_output(self, node: str, port: str, every: int = 1, elements: list[int] = ...) -> int: ...
    def record_state(self, node: str, name: str, every: int = 1, elements: list[int] = ...) -> int: ...
    def recorded(self, id: int, clear: bool = False) -> tuple[NDArray[Any], ...]:
        """(steps, lane, index, payload) of events, else (steps, samples)."""
    def reset(self, seed: int | None = None) -> None: ...
    def export_state(self) -> dict[str, NDArray[Any]]: ...
    def import_state(self, step: int, seed: int, state: Mapping[str, ArrayLike]) -> None: ...
    def stats(self) -> Stats: ...
    def storage(self) -> list[TableStorage]:
        """How synapses are stored, per table or node."""

KernelFunction = Callable[
    [
        Sequence[NDArray[Any]],  # columns
        Sequence[NDArray[Any]],  # states, updated in place
        Sequence[NDArray[Any]],  # inputs
        Sequence[float],  # input scales
        Sequence[NDArray[Any]],  # outputs, by component
        Sequence[NDArray[np.int32]],  # draws
    ],
    None,
]

def isa() -> str:
    """Instruction set that engines use here."""

def has_kernel(name: str, hash: str) -> bool:
    """Whether a kernel is built in or registered."""

def load_kernels(path: str) -> list[tuple[str, str]]:
    """Load a shared library of kernels; return the name and hash of each."""

def register_kernel(name: str, hash: str, function: KernelFunction) -> None:
    """Register a kernel in Python. The arrays are valid during the call only."""
