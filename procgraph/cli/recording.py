"""The last seconds of a run for the raster figure: frames, events, and the action; memory is bounded by the window."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from procgraph.cli.output import Code, CommandError
from procgraph.errors import did_you_mean
from procgraph.ir.nodes import Node, Output, SpikeIR
from procgraph.runtime.probe import Probe
from procgraph.runtime.runtime import Runtime
from procgraph.runtime.series import Array, Events, Samples, some
from procgraph.spec.process import Process

__all__ = ["Recording", "as_images", "image_shape", "in_flow_order"]

Emitter = tuple[Node, Output]
FRAMES = 6
MAX_EVENTS = 400_000  # per population and look; beyond it, some are kept
MIN_PIXELS = 64


@dataclass
class _Track:
    """One probe and what it gave within the window."""

    label: str
    probe: Probe
    chunks: deque[tuple[Array, Array]] = field(default_factory=deque)
    share: float = 1.0  # of the values that are kept

    def limit(self, share: float) -> None:
        """Keep no larger share from now on, and of what is there already: no time is to look busier than another."""
        if share >= self.share:
            return
        kept = [some(steps.size, share / self.share) for steps, _ in self.chunks]
        thin = [(steps[k], values[k]) for k, (steps, values) in zip(kept, self.chunks, strict=True)]
        self.chunks, self.share = deque(c for c in thin if c[0].size), share

    def joined(self) -> tuple[Array, Array]:
        if not self.chunks:
            return np.zeros(0, np.int64), np.zeros(0)
        return np.concatenate([c[0] for c in self.chunks]), np.concatenate([c[1] for c in self.chunks])


class Recording:
    """Probes of a Runtime: the first frame-like array output, events, and the action (a decision, or a whole-number scalar).

    Events are those of the Processes ``only``; if there are none, all but those of which more are expected in the window
    than can be drawn, as far as ``processes`` tell.
    """

    def __init__(
        self, rt: Runtime, window_s: float, only: Sequence[str] = (), processes: Mapping[str, Process] | None = None
    ) -> None:
        self._rt = rt
        self.dt = rt.dt
        self.window = max(1, round(window_s * 1e3 / rt.dt))
        self.chunk = max(1, self.window // 2)
        self._first = self._polled = rt.step
        outputs = [(n, o) for n in in_flow_order(rt.program.ir) for o in n.outputs]
        self._frames = self._find_frames([(n, o) for n, o in outputs if o.kind == "array" and o.n >= MIN_PIXELS])
        emitters = [(n, o) for n, o in outputs if o.kind == "events"]
        chosen = _named(emitters, only) if only else self._drawable(emitters, processes or {})
        self.left_out = [] if only else list(dict.fromkeys(n.name for n, o in emitters if (n, o) not in chosen))
        self._events = [self._track(n, o, 1) for n, o in chosen]
        decisions = [(n, o) for n, o in outputs if o.kind == "array" and o.n == 1 and o.dtype == "int32"]
        decisions.sort(key=lambda pair: pair[0].op != "argmax")
        self._action = self._track(*decisions[0], 1) if decisions else None

    def _drawable(self, emitters: list[Emitter], processes: Mapping[str, Process]) -> list[Emitter]:
        def expected(node: Node) -> float:
            process = processes.get(node.name)
            rate = None if process is None else process.event_rate(self.dt * node.period)
            return (rate or 0.0) * node.n * self.window / node.period

        return [(n, o) for n, o in emitters if expected(n) <= MAX_EVENTS] or emitters

    def _track(self, node: Node, output: Output, every: int) -> _Track:
        label = node.name if len(node.outputs) == 1 else f"{node.name}.{output.name}"
        return _Track(label, self._rt.probe(f"{node.name}.{output.name}", every=every))

    def _find_frames(self, candidates: list[tuple[Node, Output]]) -> _Track | None:
        for node, output in sorted(candidates, key=lambda pair: pair[0].op != "host"):
            track = self._track(node, output, max(1, self.window // FRAMES))
            if image_shape(track.probe.shape) is not None:
                return track
        return None

    def due(self, step: int) -> bool:
        """Whether enough has gathered since the last look."""
        return step - self._polled >= self.chunk

    def poll(self) -> None:
        """Take what the probes hold, and forget what is older than the window."""
        self._polled = self._rt.step
        oldest = self._polled - self.window
        for track in self._events:
            steps, _, index, _ = track.probe.take()
            track.limit(MAX_EVENTS / max(steps.size, 1))
            kept = some(steps.size, track.share)
            _keep(track, steps[kept], index[kept], oldest)
        for samples in filter(None, (self._frames, self._action)):
            steps, values = samples.probe.take()
            _keep(samples, steps, values[:, 0] if steps.size else values, oldest)

    @property
    def limits(self) -> tuple[float, float]:
        """First and last simulated second of the window."""
        last = max(self._polled, self._first + 1)
        return max(self._first, last - self.window) * self.dt * 1e-3, last * self.dt * 1e-3

    def frames(self) -> Samples | None:
        """Images, oldest first."""
        if self._frames is None:
            return None
        steps, values = self._frames.joined()
        shape = image_shape(self._frames.probe.shape)
        if shape is None or not steps.size:
            return None
        images = values.reshape(steps.size, *self._frames.probe.shape)
        return Samples(self._frames.label, steps[-FRAMES:], as_images(images[-FRAMES:]))

    def events(self) -> list[Events]:
        """Events of every population."""
        return [Events(t.label, *t.joined(), int(np.prod(t.probe.shape))) for t in self._events]

    def action(self) -> Samples | None:
        """The decision in every step."""
        if self._action is None or not self._action.chunks:
            return None
        steps, values = self._action.joined()
        return Samples(self._action.label, steps, values.reshape(-1))


def _named(emitters: list[Emitter], names: Sequence[str]) -> list[Emitter]:
    known = list(dict.fromkeys(n.name for n, _ in emitters))
    for name in names:
        if name not in known:
            raise CommandError(Code.USAGE, f"--raster-of: no Process {name!r} emits events.{did_you_mean(name, known)}")
    return [(n, o) for n, o in emitters if n.name in names]


def in_flow_order(ir: SpikeIR) -> list[Node]:
    """Nodes by their distance from where events begin: games first, else nodes without inputs."""
    targets: dict[int, list[int]] = {}
    for c in ir.channels:
        targets.setdefault(c.src[0], []).append(c.dst[0])
    hosts = [i for i, n in enumerate(ir.nodes) if n.op == "host"]
    order = dict.fromkeys(hosts or [i for i in range(len(ir.nodes)) if not ir.into(i)])
    queue = list(order)
    while queue:
        for target in targets.get(queue.pop(0), []):
            if target not in order:
                order[target] = None
                queue.append(target)
    return [ir.nodes[i] for i in dict.fromkeys([*order, *range(len(ir.nodes))])]


def _keep(track: _Track, steps: Array, values: Array, oldest: int) -> None:
    fresh = steps >= oldest
    if fresh.any():
        track.chunks.append((steps[fresh], values[fresh]))
    while track.chunks and track.chunks[0][0][-1] < oldest:
        track.chunks.popleft()
    if track.chunks and track.chunks[0][0][0] < oldest:
        old_steps, old_values = track.chunks[0]
        left = old_steps >= oldest
        track.chunks[0] = (old_steps[left], old_values[left])


def image_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """(rows, columns[, 3]) if an array of this shape can be shown as an image: gray, colour, or channels first."""
    if len(shape) == 2 and min(shape) >= 4:
        return shape
    if len(shape) != 3:
        return None
    if shape[2] in (1, 3):
        return shape[:2] if shape[2] == 1 else shape
    return shape[1:] if shape[0] <= 4 else None


def as_images(values: Array) -> Array:
    """Frames (samples, …) as (samples, rows, columns[, 3])."""
    if values.ndim == 4 and values.shape[3] in (1, 3):
        return values[..., 0] if values.shape[3] == 1 else values
    if values.ndim == 4:
        return np.moveaxis(values, 1, 3) if values.shape[1] == 3 else values[:, 0]
    return values
