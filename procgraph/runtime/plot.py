"""All figures; the only module that imports matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from procgraph.runtime.series import Array, Events, Samples, some

__all__ = ["overview", "raster", "rates", "trace"]

Limits = tuple[float, float]  # in simulated seconds

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)  # Okabe & Ito: told apart by colour-blind readers
MAX_POINTS = 60_000
MAX_INCHES = 6.5  # of all populations together
INK, FAINT = "#222222", "#b8b8b8"


def overview(
    frames: Samples | None, events: list[Events], action: Samples | None, dt: float, limits: Limits, path: Path
) -> None:
    """Draw frames, spikes and action of the end of a run to an image file.

    Raises:
        OSError: the file cannot be written.
    """
    rows = _row_heights(frames, events, action)
    figure, grid = _figure(list(rows.values()))
    places = {name: grid[i] for i, name in enumerate(rows)}
    if frames is not None:
        _draw_frames(figure, places["frames"], frames, dt)
    spikes = figure.add_subplot(places["spikes"])
    _draw_spikes(spikes, events, dt, rows["spikes"])
    bottom = spikes
    if action is not None:
        bottom = figure.add_subplot(places["action"], sharex=spikes)
        _draw_action(bottom, action, dt)
    _finish(figure, [spikes, bottom], limits, path)


def raster(events: list[Events], dt: float, limits: Limits, path: str | Path | None) -> Any:
    """Events of all populations, one band each."""
    height = _row_heights(None, events, None)["spikes"]
    figure, grid = _figure([height])
    axes = figure.add_subplot(grid[0])
    _draw_spikes(axes, [_within(e, dt, limits) for e in events], dt, height)
    return _finish(figure, [axes], limits, path)


def rates(
    events: list[Events], spans: list[Limits], dt: float, limits: Limits, width: float, path: str | Path | None
) -> Any:
    """Mean rate of each population in bins of ``width`` ms, over the time in which it was recorded (``spans``)."""
    figure, grid = _figure([_shared_height(len(events))] * len(events))
    first, last = np.floor(limits[0] * 1e3 / width), np.ceil(limits[1] * 1e3 / width)
    edges = np.arange(first, last + 1) * width
    drawn: list[Any] = []
    for number, (population, span) in enumerate(zip(events, spans, strict=True)):
        axes = figure.add_subplot(grid[number], sharex=drawn[0] if drawn else None)
        _clean(axes)
        widths = np.diff(np.clip(edges, span[0] * 1e3, span[1] * 1e3)) * 1e-3  # the outer bins may be cut
        inside = _within(population, dt, limits)
        counts, _ = np.histogram(inside.steps * dt, edges - 1e-6 * dt)
        heights = counts / np.maximum(widths, 1e-12) / population.size
        colour = COLOURS[number % len(COLOURS)]
        axes.stairs(heights, edges * 1e-3, fill=True, color=colour, alpha=0.25, linewidth=0)
        axes.stairs(heights, edges * 1e-3, color=colour, linewidth=1.1)
        mean = inside.steps.size / max(span[1] - span[0], 1e-12) / population.size
        axes.axhline(mean, color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
        _name(axes, f"{population.label}\nmean {mean:.3g} Hz")
        axes.set_ylim(0, 1.05 * float(heights.max(initial=0.0)) or 1.0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
        drawn.append(axes)
    drawn[len(drawn) // 2].set_ylabel("rate (Hz)", fontsize=9, color=INK)
    return _finish(figure, drawn, limits, path)


def trace(series: list[tuple[Samples, list[int]]], dt: float, limits: Limits, path: str | Path | None) -> Any:
    """Values of some elements over time, one row a probe."""
    figure, grid = _figure([max(1.4, _shared_height(len(series)))] * len(series))
    drawn: list[Any] = []
    for number, (samples, elements) in enumerate(series):
        axes = figure.add_subplot(grid[number], sharex=drawn[0] if drawn else None)
        _clean(axes)
        seconds = samples.steps * (dt * 1e-3)
        keep = (seconds >= limits[0]) & (seconds <= limits[1])
        for place, element in enumerate(elements):
            colour = COLOURS[place % len(COLOURS)]
            axes.plot(seconds[keep], samples.values[keep, place], color=colour, linewidth=0.9, label=str(element))
        axes.set_ylabel(samples.label, fontsize=9, color=INK)
        if len(elements) > 1:
            axes.legend(
                title="element", title_fontsize=8, fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5)
            )
        drawn.append(axes)
    return _finish(figure, drawn, limits, path)


def _figure(heights: list[float]) -> tuple[Any, Any]:
    figure = Figure(figsize=(10, sum(heights) + 0.7), dpi=130, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_gridspec(len(heights), 1, height_ratios=heights)


def _finish(figure: Any, axes: list[Any], limits: Limits, path: str | Path | None) -> Any:
    """Axes below each other share the time, which is written under the last."""
    axes[0].set_xlim(*limits)
    for above in axes[:-1]:
        if above is not axes[-1]:
            above.tick_params(labelbottom=False)
    axes[-1].set_xlabel("simulated time (s)", color=INK)
    if path is not None:
        figure.savefig(path)
    return figure


def _shared_height(rows: int) -> float:
    return float(np.clip(MAX_INCHES / rows, 0.6, 1.6))


def _within(events: Events, dt: float, limits: Limits) -> Events:
    keep: Array = (events.steps * dt >= limits[0] * 1e3 - 1e-6 * dt) & (events.steps * dt < limits[1] * 1e3 - 1e-6 * dt)
    return Events(events.label, events.steps[keep], events.index[keep], events.size)


def _name(axes: Any, text: str) -> None:
    axes.text(1.01, 0.5, text, transform=axes.transAxes, fontsize=9, color=INK, va="center", ha="left")


def _row_heights(frames: Samples | None, events: list[Events], action: Samples | None) -> dict[str, float]:
    """Inches of each row."""
    rows = {} if frames is None else {"frames": min(2.0, 1.55 * frames.values.shape[1] / frames.values.shape[2]) + 0.25}
    rows["spikes"] = min(max(MAX_INCHES, 0.24 * len(events)), 0.6 + sum(map(_band, events)))
    return rows if action is None else {**rows, "action": 1.1}


def _band(population: Events) -> float:
    """Height of a population's band: grows slowly with its size."""
    return float(0.3 + 0.16 * np.log2(1 + min(population.size, 4096)))


def _clean(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=8, color=FAINT)


def _draw_frames(figure: Any, place: Any, frames: Samples, dt: float) -> None:
    grid = place.subgridspec(1, max(len(frames.steps), 3), wspace=0.06)
    low, high = float(np.min(frames.values)), float(np.max(frames.values))
    for i, (step, image) in enumerate(zip(frames.steps, frames.values, strict=True)):
        axes = figure.add_subplot(grid[i])
        axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), aspect="equal", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(FAINT)
        axes.set_title(f"{step * dt * 1e-3:.3f} s", fontsize=8, color=INK, pad=3)
        if i == 0:
            axes.set_ylabel(frames.label, fontsize=9, color=INK)


def _draw_spikes(axes: Any, events: list[Events], dt: float, inches: float) -> None:
    _clean(axes)
    heights = list(map(_band, events))
    scale = inches / max(sum(heights), 1.0)
    top = 0.0
    ticks, labels = [], []
    for number, (population, height) in enumerate(zip(events, heights, strict=True)):
        _draw_population(axes, population, top, height, scale, COLOURS[number % len(COLOURS)], dt)
        ticks.append(top + height / 2)
        size = f"{population.size:,}"
        labels.append(f"{population.label}\n{size}" if height * scale > 0.45 else f"{population.label} ({size})")
        top += height
        axes.axhline(top, color=FAINT, linewidth=0.5)
    axes.set_yticks(ticks, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(top or 1.0, 0)


def _draw_population(
    axes: Any, population: Events, top: float, height: float, scale: float, colour: str, dt: float
) -> None:
    """Lines where single neurons can be told apart, dots elsewhere."""
    count = population.steps.size
    drawn = some(count, MAX_POINTS / max(count, 1))
    x, index = population.steps[drawn] * (dt * 1e-3), population.index[drawn]
    y = top + height * (0.06 + 0.88 * (index + 0.5) / population.size)
    if population.size <= 32:
        length = float(np.clip(0.75 * 72 * height * scale * 0.88 / population.size, 2.0, 14.0))
        axes.plot(x, y, linestyle="none", marker="|", markersize=length, markeredgewidth=0.9, color=colour)
    else:
        dense = x.size > 8000
        dot = 1.2 if dense else 2.2 if x.size > 1500 else 3.0
        style = {"markersize": dot, "alpha": 0.55 if dense else 1.0}
        axes.plot(x, y, linestyle="none", marker=".", markeredgewidth=0, color=colour, rasterized=True, **style)


def _draw_action(axes: Any, action: Samples, dt: float) -> None:
    _clean(axes)
    axes.step(action.steps * (dt * 1e-3), action.values, where="post", color=INK, linewidth=1.1)
    low, high = int(action.values.min()), int(action.values.max())
    axes.set_ylim(low - 0.4, max(high, low + 1) + 0.4)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.set_ylabel(action.label, fontsize=9, color=INK, rotation=0, ha="right", va="center")
    axes.grid(axis="y", color=FAINT, linewidth=0.4)
