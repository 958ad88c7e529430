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

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito: told apart by colour-blind readers
MAX_POINTS = 60_000
INK, FAINT = "#222222", "#b8b8b8"


def draw(recording: Recording, path: Path) -> None:
    """Draw frames, spikes and action of a recording to an image file.

    Raises:
        OSError: the file cannot be written.
        ValueError: matplotlib does not know the file's format.
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
    _draw_spikes(spikes, events, recording.dt)
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
    rows["spikes"] = min(9.0, 1.0 + sum(map(_band, events)))
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


def _draw_spikes(axes: Any, events: list[Events], dt: float) -> None:
    _clean(axes)
    if not events:
        axes.text(0.5, 0.5, "no population with events", ha="center", va="center", transform=axes.transAxes, color=FAINT)
    top = 0.0
    ticks, labels = [], []
    for number, population in enumerate(events):
        height = _band(population)
        step = 1 + population.steps.size // MAX_POINTS
        x, index = population.steps[::step] * (dt * 1e-3), population.index[::step]
        y = top + height * (0.06 + 0.88 * (index + 0.5) / population.size)
        few = population.size <= 32
        axes.plot(
            x, y, linestyle="none", marker="|" if few else ".", color=COLOURS[number % len(COLOURS)], rasterized=True,
            markersize=_mark(height, population.size) if few else (2.2 if x.size < 8000 else 1.2), markeredgewidth=0.9 if few else 0,
            alpha=1.0 if few or x.size < 8000 else 0.55,
        )  # fmt: skip
        ticks.append(top + height / 2)
        labels.append(f"{population.label}\n{population.size:,}" if height > 0.7 else f"{population.label} ({population.size})")
        top += height
        axes.axhline(top, color=FAINT, linewidth=0.5)
    axes.set_yticks(ticks, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(top or 1.0, 0)


def _mark(height: float, size: int) -> float:
    """Length of a spike's line in points, so that neighbours do not touch."""
    return float(np.clip(0.75 * 72 * height * 0.88 / size, 2.0, 14.0))


def _draw_action(axes: Any, action: Samples, dt: float) -> None:
    _clean(axes)
    axes.step(action.steps * (dt * 1e-3), action.values, where="post", color=INK, linewidth=1.1)
    low, high = int(action.values.min()), int(action.values.max())
    axes.set_ylim(low - 0.4, max(high, low + 1) + 0.4)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.set_ylabel(action.label, fontsize=9, color=INK, rotation=0, ha="right", va="center")
    axes.grid(axis="y", color=FAINT, linewidth=0.4)
