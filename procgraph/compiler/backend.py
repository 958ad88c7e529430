"""The contract between the runtime and a backend: ``Backend`` finds devices and loads Programs, ``Executor`` runs one.

The runtime runs a *window* of steps on the executor, serves the host nodes that tick at its border, and repeats. Backends are found by
name: the ones of this package in ``BUILT_IN``, others through the entry point group ``procgraph.backends``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from procgraph.errors import DeviceError, did_you_mean
from procgraph.ir.nodes import SpikeIR
from procgraph.ir.program import Program

__all__ = [
    "BUILT_IN",
    "MAX_THREADS",
    "Backend",
    "Claim",
    "DeviceInfo",
    "Executor",
    "LoadOptions",
    "available_backends",
    "backend",
]

BUILT_IN = {
    "cpu": "procgraph.models.cpu.backend:CpuBackend",
    "reference": "procgraph.models.reference.backend:ReferenceBackend",
}
ENTRY_POINTS = "procgraph.backends"
MAX_THREADS = 255  # of an executor


@dataclass(frozen=True)
class DeviceInfo:
    """A device, or why there is none: then ``problem`` says so and what would help."""

    name: str
    description: str
    problem: str = ""


@dataclass(frozen=True)
class Claim:
    """Nodes that a backend can take, and the expected seconds a step for each; ``refused`` says why not the others."""

    costs: Mapping[int, float]
    refused: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadOptions:
    """How an executor is made. ``seed`` None takes the Program's; ``trusted`` allows to compile source that the Program brings;

    ``threads`` is the most that a backend may use: it changes the speed of a run and not its results. ``profile`` asks it to measure its nodes.
    ``progress`` is told the fraction that is built of what takes long, by the thread that loads; what it raises ends the loading.
    """

    seed: int | None = None
    batch: int = 1
    trusted: bool = False
    threads: int = 1
    profile: bool = False
    warn: Callable[[str], None] = lambda text: None
    progress: Callable[[float], None] | None = None


class Executor(Protocol):
    """Runs one Program. Nodes and ports are numbers of the Program; lanes come first in every array.

    Only ``interrupt`` may be called from another thread while ``run`` works; the runtime serialises the rest at step borders.
    """

    @property
    def step(self) -> int:
        """The next step to run."""
        ...

    def run(self, steps: int, budget_ns: int = 0) -> int:
        """Run up to ``steps`` steps and return how many were run.

        Stops early, always between steps: before a host node must tick at a step after the first, after ``interrupt``, or when ``budget_ns`` (if not 0)
        is used up. Host nodes that tick at the first step have been served before (``begin_tick``, ``take_input``, ``publish``).

        Raises:
            ChannelOverflowError, ChannelBlockedError: a bounded channel is full under that policy.
        """
        ...

    def interrupt(self) -> None:
        """Make the running (or else the next) ``run`` return at the next step border. Any thread."""
        ...

    def begin_tick(self, node: int) -> None:
        """A host node ticks at ``step``: pull what is due into its accumulators, empty its outputs of this step."""
        ...

    def take_input(self, node: int, port: int) -> NDArray[Any]:
        """(batch, n): what arrived since the last tick, int32 for events and currents (fixed point); array inputs give the held value."""
        ...

    def publish(self, node: int, port: int, value: NDArray[Any]) -> None:
        """(batch, n): what a host node emits in this step; int32 payloads, float32 currents, or array values."""
        ...

    def read(self, node: int, section: str, name: str) -> NDArray[Any]:
        """Copy of a variable. Sections: ``state`` (batch, n), ``column``, ``weights``, ``values``."""
        ...

    def write(self, node: int, section: str, name: str, value: NDArray[Any]) -> None:
        """Set a variable; same sections and shapes as ``read`` (a column may also be one value or n)."""
        ...

    def record_output(self, node: int, port: int, every: int, elements: Sequence[int] = ()) -> int:
        """Record an output from now on; returns the number of the record.

        Samples are taken at the end of steps k with (k + 1) % every == 0: of these elements, in this order, or of all if
        there are none; events are recorded of all.
        """
        ...

    def record_state(self, node: int, name: str, every: int, elements: Sequence[int] = ()) -> int:
        """Record a state variable likewise."""
        ...

    def recorded(self, record: int, clear: bool = False) -> tuple[NDArray[Any], ...]:
        """Events: (steps, lane, index, payload). Others: (steps, samples of shape (samples, batch, n))."""
        ...

    def reset(self, seed: int | None = None) -> None:
        """Back to step 0 and initial states, records emptied; columns and weights that were set stay."""
        ...

    def export_state(self) -> dict[str, NDArray[Any]]:
        """Canonical state, keys as in docs/explanation/program-format.md."""
        ...

    def import_state(self, step: int, seed: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from a canonical state, of which ``state`` has what ``export_state`` gives.

        Raises:
            CheckpointError: an entry is missing or does not fit.
        """
        ...

    def stats(self) -> dict[str, Any]:
        """``nodes``: list of {events, ticks}; ``channels``: {number: {depth, high_water, dropped}} of the bounded ones.

        Where ``profile`` was asked for and is known, ``seconds``: {nodes: list, delivery: of the sparse projections that are delivered together}.
        """
        ...

    def storage(self) -> list[dict[str, Any]]:
        """How synapses are stored: {source, projections, counts (synapses of each), synapses, bytes, format, delivery} of every table."""
        ...

    def close(self) -> None:
        """Release everything; the executor is not used afterwards."""
        ...


class Backend(Protocol):
    """A kind of hardware."""

    name: str

    def devices(self) -> list[DeviceInfo]:
        """What is present, and what is missing and why."""
        ...

    def claims(self, ir: SpikeIR) -> Claim:
        """Which nodes this backend can run."""
        ...

    def load(self, program: Program, options: LoadOptions) -> Executor:
        """Make an executor.

        Raises:
            DeviceError: the device is missing or cannot hold the Program.
            BackendError: a model is missing.
        """
        ...


def available_backends() -> dict[str, str]:
    """Names of all backends and where they are."""
    from importlib.metadata import entry_points

    return {**BUILT_IN, **{e.name: e.value for e in entry_points(group=ENTRY_POINTS)}}


def backend(name: str) -> Backend:
    """The backend of a device name such as ``cpu`` or ``cuda:0``.

    Raises:
        DeviceError: unknown, or its package cannot be imported.
    """
    kind = name.partition(":")[0]
    target = BUILT_IN.get(kind) or available_backends().get(kind)
    if target is None:
        raise DeviceError(
            f"device {name!r} is unknown.{did_you_mean(kind, available_backends())} 'procgraph devices' lists them."
        )
    module, _, attribute = target.partition(":")
    try:
        made: Backend = getattr(importlib.import_module(module), attribute)()
    except ImportError as error:
        raise DeviceError(
            f"device {name!r} is not available: {error}. 'procgraph devices' says what would install it."
        ) from error
    return made
