"""The figure of ``procgraph run --raster``; the only module that imports matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from procgraph.cli.recording import Events, Recording, Samples

__all__ = ["draw"]

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


def draw(recording: Recording, path: Path) -> None:
    """Draw frames, spikes and action of a recording to an image file.

    Raises:
        OSError: the file cannot be written.
    """
    frames, events, action = recording.frames(), recording.events(), recording.action()
    rows = _row_heights(frames, events, action)
    figure = Figure(figsize=(10, sum(rows.values()) + 0.7), dpi=130, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(rows), 1, height_ratios=list(rows.values()))
    places = {name: grid[i] for i, name in enumerate(rows)}
    limits = tuple(s * recording.dt * 1e-3 for s in recording.range)
    if frames is not None:
        _draw_frames(figure, places["frames"], frames, recording.dt)
    spikes = figure.add_subplot(places["spikes"])
    _draw_spikes(spikes, events, recording.dt, rows["spikes"])
    bottom = spikes
    if action is not None:
        bottom = figure.add_subplot(places["action"], sharex=spikes)
        _draw_action(bottom, action, recording.dt)
        spikes.tick_params(labelbottom=False)
    spikes.set_xlim(*limits)
    bottom.set_xlabel("simulated time (s)", color=INK)
    figure.savefig(path)


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
    step = 1 + population.steps.size // MAX_POINTS
    x, index = population.steps[::step] * (dt * 1e-3), population.index[::step]
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
