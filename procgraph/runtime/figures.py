"""The plots of a Runtime: what to draw is chosen here, ``procgraph.runtime.plot`` draws it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from procgraph.compiler.backend import Executor
from procgraph.errors import DeviceError, ParameterError
from procgraph.ir.program import Program
from procgraph.runtime.probe import Probe, Probes
from procgraph.runtime.series import Events, Samples
from procgraph.spec import units
from procgraph.spec.checks import as_array, as_path, is_number, is_whole
from procgraph.spec.ports import OutPort, Variable

__all__ = ["FORMATS", "Figures"]

FORMATS = (".png", ".svg", ".pdf")
LINES = 5  # of one trace plot, if nobody says which
What = Probe | OutPort | Variable | str
Window = tuple[float, float]


class Figures:
    """Draws what was recorded; a port or variable stands for the last probe that was made of it."""

    program: Program
    _executor: Executor
    _probes: Probes
    _batch: int

    def plot_raster(
        self, *what: What, path: str | Path | None = None, window: Window | None = None, lane: int = 0
    ) -> Any:
        """Draw events as dots, one band a population. Needs matplotlib.

        Args:
            what: probes, or ports that were probed before the run; all probes of events if absent.
            path: image file (.png, .svg, .pdf) that is written as well.
            window: first and last simulated second that is shown; the whole run if absent.
            lane: which lane of a batch.

        Returns: the matplotlib ``Figure``.

        Raises:
            ParameterError: an argument is not allowed, or a probe has no events.
            UnknownNameError: nothing was recorded of a port.
            DeviceError: matplotlib is not installed.
        """
        plot, limits = _plot(path), self._limits(window)
        return plot.raster(self._events(what, lane), self.program.ir.dt, limits, path)

    def plot_rates(
        self,
        *what: What,
        bin: float | str = 10.0,
        path: str | Path | None = None,
        window: Window | None = None,
        lane: int = 0,
    ) -> Any:
        """Draw the mean rate of each population over time, in events per element and second. Needs matplotlib.

        Bins and means count the time in which the probe was there.

        Args:
            bin: width of a bin in ms, or a time such as ``"5 ms"``.
            what, path, window, lane: as in ``plot_raster``.
        """
        plot, limits = _plot(path), self._limits(window)
        if isinstance(bin, str):
            bin = units.convert(*units.parse_quantity(bin), "ms", "bin")
        if not (is_number(bin) and self.program.ir.dt <= bin < 1e9):
            raise ParameterError(f"bin is {bin!r}; allowed: at least one step, {self.program.ir.dt:g} ms.")
        spans = [self._recorded_within(p, limits) for p in self._chosen(what, True)]
        return plot.rates(self._events(what, lane), spans, self.program.ir.dt, limits, float(bin), path)

    def _recorded_within(self, probe: Probe, limits: Window) -> Window:
        if self._probes.misses_events(probe):
            raise ParameterError(
                f"{probe.label} was recorded in every {probe.every}th step only; a rate needs all. Probe it with every=1."
            )
        first, last = (step * self.program.ir.dt * 1e-3 for step in (probe.since, self._executor.step))
        begin = max(limits[0], first)
        return begin, max(begin, min(limits[1], last))

    def plot_trace(
        self,
        *what: What,
        elements: Sequence[int] | None = None,
        path: str | Path | None = None,
        window: Window | None = None,
        lane: int = 0,
    ) -> Any:
        """Draw recorded values over time, one line an element. Needs matplotlib.

        Args:
            elements: flat numbers of the elements; some that are evenly spread if absent.
            what, path, window, lane: as in ``plot_raster``, for probes without events.
        """
        plot, limits = _plot(path), self._limits(window)
        chosen = self._chosen(what, False)
        return plot.trace([self._samples(p, elements, lane) for p in chosen], self.program.ir.dt, limits, path)

    def _chosen(self, what: Sequence[What], events: bool) -> list[Probe]:
        fit = "events" if events else "sampled values"
        if what:
            probes = [self._probes.made_of(w) for w in what]
            for probe in probes:
                if probe.is_events != events:
                    other = "plot_trace()" if events else "plot_raster() or plot_rates()"
                    raise ParameterError(f"{probe.label} was not recorded as {fit}. Use {other} for it.")
            return probes
        found = {p.label: p for p in self._probes.made if p.is_events == events}
        if not found:
            raise ParameterError(f"no probe recorded {fit}. Call rt.probe(…) before rt.run().")
        return list(found.values())

    def _events(self, what: Sequence[What], lane: int) -> list[Events]:
        self._check_lane(lane)
        made = []
        for probe in self._chosen(what, True):
            events = probe.events
            if self._batch > 1:
                events = events[events["batch"] == lane]
            made.append(Events(probe.label, events["step"], events["index"], int(np.prod(probe.shape))))
        return _without_ports(made)

    def _samples(self, probe: Probe, elements: Sequence[int] | None, lane: int) -> tuple[Samples, list[int]]:
        self._check_lane(lane)
        steps = probe.steps  # before the data, which may become more if a run is going on
        size, data = int(np.prod(probe.shape)), probe.data[: steps.size]
        data = (data[:, lane] if self._batch > 1 else data).reshape(-1, size)
        recorded = range(size) if probe.elements is None else probe.elements
        if elements is None:
            shown = [recorded[i] for i in np.unique(np.linspace(0, size - 1, min(size, LINES)).astype(int))]
        else:
            known = f"0 to {size - 1}" if probe.elements is None else ", ".join(map(str, recorded))
            wanted = as_array(elements, "elements", f"for {probe.label}, a list of {known}")
            shown = wanted.tolist() if wanted.ndim == 1 and wanted.dtype.kind in "iu" else []
            if not shown or not all(i in recorded for i in shown):
                raise ParameterError(f"elements is {elements!r}; allowed for {probe.label}: {known}, in a list.")
        columns = [recorded.index(i) for i in shown]
        unit = self._probes.unit_of(probe)
        label = f"{probe.label} ({unit})" if unit else probe.label
        return Samples(label, steps, data[:, columns]), shown

    def _limits(self, window: Window | None) -> Window:
        if window is None:
            return 0.0, max(self._executor.step, 1) * self.program.ir.dt * 1e-3
        good = isinstance(window, (tuple, list, np.ndarray)) and len(window) == 2
        if not good or not all(map(is_number, window)) or window[0] >= window[1]:
            raise ParameterError(f"window is {window!r}; allowed: (from, to) in simulated seconds.")
        return float(window[0]), float(window[1])

    def _check_lane(self, lane: int) -> None:
        if not is_whole(lane, 0, self._batch - 1):
            raise ParameterError(f"lane is {lane!r}; allowed: 0 to {self._batch - 1}.")


def _plot(path: str | Path | None) -> ModuleType:
    if path is not None and as_path(path).suffix not in FORMATS:
        raise ParameterError(f"path is {str(path)!r}; allowed: names that end with {', '.join(FORMATS)}.")
    if importlib.util.find_spec("matplotlib") is None:
        raise DeviceError("plots need matplotlib. Install procgraph-snn[plot].")
    return importlib.import_module("procgraph.runtime.plot")


def _without_ports(events: list[Events]) -> list[Events]:
    """Labels without the port where a population has only one of them here."""
    owners = [e.label.rpartition(".")[0] for e in events]
    return [
        Events(owner if owners.count(owner) == 1 else e.label, e.steps, e.index, e.size)
        for owner, e in zip(owners, events, strict=True)
    ]
