"""What a run shows of itself: a live line on a terminal, a plain line every second elsewhere, and the summary."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bar
from rich.status import Status

from procgraph.runtime.runtime import Runtime

__all__ = ["Building", "Progress", "progress_of", "summary"]

LIVE_S = 0.25
PLAIN_S = 1.0


def progress_of(rt: Runtime) -> dict[str, dict[str, object]]:
    """What models tell of themselves by ``progress() -> dict``, such as a game's score."""
    found: dict[str, dict[str, object]] = {}
    for name, model in rt.host_models().items():
        tell = getattr(type(model), "progress", None)
        if tell is None:
            continue
        try:
            found[name] = dict(tell(model))
        except Exception:  # it is read while the model may be at work; the next look succeeds
            continue
    return found


class Building:
    """Shows how far the synapses are built, if that takes a while; called with the fraction that is done."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._shown = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Building:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        if self._quiet or (self._bar is None and now - self._shown < PLAIN_S):
            return
        self._shown = now
        if not self._console.is_terminal:
            print(f"building synapses: {fraction:.0%}", file=sys.stderr, flush=True)
            return
        if self._bar is None:
            self._bar = Bar(console=self._console, transient=True)
            self._bar.add_task("building synapses", total=1.0)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=fraction)


class Progress:
    """Shows a run; a context manager, so that the terminal is left as it was."""

    def __init__(self, rt: Runtime, quiet: bool) -> None:
        self._rt, self._quiet = rt, quiet
        self._console = Console(stderr=True)
        self._status: Status | None = None
        self._shown = self._started = time.monotonic()
        self._first = rt.step
        self._last: tuple[float, int, int] = (self._started, rt.step, 0)

    def __enter__(self) -> Progress:
        if not self._quiet and self._console.is_terminal:
            self._status = self._console.status("starting")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def update(self, total: int | None) -> None:
        """Show the state of the run, if it is time to; ``total`` is the number of steps to run, if it is known."""
        now = time.monotonic()
        if self._quiet or now - self._shown < (LIVE_S if self._status is not None else PLAIN_S):
            return
        self._shown = now
        line = self.line(total)
        if self._status is not None:
            self._status.update(line.replace("[", r"\["))
        else:
            print(line, file=sys.stderr, flush=True)

    def line(self, total: int | None) -> str:
        """Simulated time, and speed and events since the last line."""
        stats = self._rt.stats()
        now, step, events = time.monotonic(), self._rt.step, sum(stats["events"].values())
        before, since, counted = self._last
        self._last = (now, step, events)
        wall = max(now - before, 1e-9)
        share = f" ({(step - self._first) / total:.0%})" if total else ""
        speed = (step - since) * self._rt.dt * 1e-3 / wall
        parts = [
            f"{step * self._rt.dt * 1e-3:.2f} s{share}",
            f"{speed:.3g} x real time",
            f"{_count((events - counted) / wall)} events/s",
        ]
        return ", ".join(parts) + "".join(
            f" | {name}: {_values(values)}" for name, values in progress_of(self._rt).items()
        )


def summary(result: dict[str, Any]) -> str:
    """The result of a run in a few lines."""
    elapsed = max(result["elapsed_s"], 1e-9)
    lines = [
        f"{result['file']}: {result['simulated_s']:.4g} s simulated in {elapsed:.3g} s "
        f"({result['simulated_s'] / elapsed:.3g} x real time), {result['steps_run']} steps, seed {result['seed']}"
    ]
    total = sum(result["events"].values())
    if result["events"]:
        rates = ", ".join(
            f"{name} {count:,}" for name, count in sorted(result["events"].items(), key=lambda i: -i[1])[:8]
        )
        more = f", and {len(result['events']) - 8} more" if len(result["events"]) > 8 else ""
        lines.append(f"events: {total:,} ({_count(total / elapsed)}/s): {rates}{more}")
    for name, counters in result["channels"].items():
        if counters.get("dropped"):
            lines.append(f"channel {name}: {counters['dropped']:,} dropped")
    if "pacing" in result:
        pacing = result["pacing"]
        lines.append(
            f"pacing: jitter {pacing['jitter_ms_mean']:.2g} ms (worst {pacing['jitter_ms_max']:.2g}), {pacing['deadline_misses']} deadlines missed"
        )
    lines += [f"{name}: {_values(values)}" for name, values in result["progress"].items()]
    lines += [f"{key}: {result[key]}" for key in ("raster", "checkpoint") if key in result]
    if result.get("raster_left_out"):
        lines.append(f"not drawn, too many events: {', '.join(result['raster_left_out'])} (see --raster-of)")
    return "\n".join(lines)


def _values(values: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _count(value: float) -> str:
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"
