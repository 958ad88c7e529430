"""Compare recorded spikes of two simulators: ``python compare.py --ours A.npz B.npz --peer X.npz Y.npz [--figure out.png]``.

Distributions over the neurons of each population: firing rates, coefficients of variation (CV) of inter-spike intervals, and correlation
coefficients of spike counts in bins of 2 ms, of all pairs of 200 neurons (as in van Albada et al. (2018), doi 10.3389/fnins.2018.00291). Their
distance is the Kolmogorov–Smirnov statistic; runs of the same simulator with different seeds say how large it is by chance. The files come from
bench/peers/ours.py and bench/peers/nest_peer.py with ``--spikes``.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from network import POPULATIONS
from numpy.typing import NDArray

Values = NDArray[np.float64]
Sample = dict[str, dict[str, Values]]  # measure, population

LEAST_SPIKES = 3  # of a neuron whose intervals have a CV
BIN_MS, CHOSEN = 2.0, 200  # of the correlations
CRITICAL = 1.358  # of the Kolmogorov distribution, for 5 %
MEASURES = {"rate": "firing rate (Hz)", "cv": "CV of intervals", "correlation": "correlation"}


def sample(path: Path, seconds: float | None) -> Sample:
    """The three distributions of every population in one recording; ``seconds`` shortens it."""
    columns = np.load(path)
    length = float(columns["seconds"]) if seconds is None else seconds
    dt = float(columns["dt"])
    out: Sample = {measure: {} for measure in MEASURES}
    for name in POPULATIONS:
        step, index = columns[f"{name}_step"], columns[f"{name}_index"]
        kept = step * dt < 1e3 * length
        step, index, size = step[kept], index[kept], int(columns[f"{name}_size"])
        out["rate"][name] = np.bincount(index, minlength=size) / length
        out["cv"][name] = variations(step, index)
        out["correlation"][name] = correlations(step * dt, index, size, length)
    return out


def variations(step: NDArray[Any], index: NDArray[Any]) -> Values:
    """CV of the intervals of each neuron with at least three spikes."""
    order = np.lexsort((step, index))
    step, index = step[order], index[order]
    interval, owner = np.diff(step).astype(float), index[1:]
    inside = index[1:] == index[:-1]
    interval, owner = interval[inside], owner[inside]
    count = np.bincount(owner)
    enough = count >= LEAST_SPIKES - 1
    mean = np.bincount(owner, interval)[enough] / count[enough]
    square = np.bincount(owner, interval**2)[enough] / count[enough]
    variance: Values = np.sqrt(np.maximum(square - mean**2, 0.0)) / mean
    return variance


def correlations(ms: Values, index: NDArray[Any], size: int, length: float) -> Values:
    """Correlation coefficients of the binned counts of all pairs of some neurons that fired."""
    active = np.unique(index)
    chosen = np.random.default_rng(1).permutation(active)[:CHOSEN]
    place = np.full(size, -1)
    place[chosen] = np.arange(chosen.size)
    mine = place[index] >= 0
    bins = math.ceil(1e3 * length / BIN_MS)
    counts = np.zeros((chosen.size, bins))
    at = np.minimum((ms[mine] / BIN_MS).astype(int), bins - 1)
    np.add.at(counts, (place[index[mine]], at), 1.0)
    matrix = np.atleast_2d(np.corrcoef(counts))
    found: Values = matrix[np.triu_indices(chosen.size, 1)]
    return found


def distance(a: Values, b: Values) -> float:
    """Kolmogorov–Smirnov statistic: the largest difference of the two cumulative distributions."""
    both = np.concatenate([a, b])
    left = np.searchsorted(np.sort(a), both, side="right") / a.size
    right = np.searchsorted(np.sort(b), both, side="right") / b.size
    return float(np.abs(left - right).max())


def threshold(a: Values, b: Values) -> float:
    """Distance that independent samples of one distribution pass with probability 0.05."""
    return CRITICAL * math.sqrt((a.size + b.size) / (a.size * b.size))


def probability(a: Values, b: Values) -> float:
    """Probability that independent samples of one distribution are at least as far from each other (asymptotic)."""
    root = math.sqrt(a.size * b.size / (a.size + b.size))
    scaled = (root + 0.12 + 0.11 / root) * distance(a, b)  # Stephens (1970), doi 10.1111/j.2517-6161.1970.tb00821.x
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms))) if scaled > 0.2 else 1.0


def compare(ours: Sequence[Sample], peers: Sequence[Sample]) -> tuple[str, float]:
    """A Markdown table; and the largest distance beyond what two seeds of one simulator reach, over populations and measures."""
    lines = ["| population | measure | mean here | mean NEST | D | D of seeds | D at 5 % | p |", "|" + "---|" * 8]
    worst = -1.0
    for name in POPULATIONS:
        for measure in MEASURES:
            here, there = ([s[measure][name] for s in group] for group in (ours, peers))
            between = [distance(a, b) for a, b in itertools.product(here, there)]
            within = [distance(a, b) for group in (here, there) for a, b in itertools.combinations(group, 2)]
            limit = threshold(here[0], there[0])
            reference = f"{np.mean(within):.3f} (≤ {max(within):.3f})" if within else "–"
            worst = max(worst, float(np.mean(between)) - max([limit, *within]))
            means = (f"{np.mean([values.mean() for values in group]):.4g}" for group in (here, there))
            chance = np.median([probability(a, b) for a, b in itertools.product(here, there)])
            # Pairs of neurons are not independent of each other.
            shown = f"{limit:.3f} | {chance:.2f}" if measure != "correlation" else "– | –"
            lines.append(
                f"| {name} | {measure} | {' | '.join(means)} | {np.mean(between):.3f} | {reference} | {shown} |"
            )
    return "\n".join(lines), worst


def draw(ours: Sequence[Sample], peers: Sequence[Sample], path: Path) -> None:
    """Cumulative distributions: one column a population, one row a measure, one line a run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(MEASURES), len(POPULATIONS), figsize=(15, 6.2), constrained_layout=True)
    for (row, (measure, title)), (column, name) in itertools.product(
        enumerate(MEASURES.items()), enumerate(POPULATIONS)
    ):
        panel = axes[row, column]
        everything = np.concatenate([s[measure][name] for s in (*ours, *peers)])
        for samples, label, colour, line in ((peers, "NEST", "#d55e00", "-"), (ours, "procgraph", "#0072b2", "--")):
            for number, found in enumerate(samples):
                values = np.sort(found[measure][name])
                shown = {"label": label} if number == 0 else {}
                panel.plot(values, np.arange(1, values.size + 1) / values.size, line, color=colour, lw=1, **shown)
        panel.set_xlim(*np.quantile(everything, (0.001, 0.99)))
        panel.tick_params(labelsize=8)
        panel.set_yticks([0, 0.5, 1], ["0", "", "1"] if column == 0 else [])
        panel.spines[["top", "right"]].set_visible(False)
        if row == 0:
            panel.set_title(name, fontsize=10)
        if column == 0:
            panel.set_ylabel(title, fontsize=9)
    axes[0, -1].legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=Path, nargs="+", required=True)
    parser.add_argument("--peer", type=Path, nargs="+", required=True)
    parser.add_argument("--seconds", type=float, help="use this much of each recording; all by default")
    parser.add_argument("--figure", type=Path, help="draw the distributions")
    arguments = parser.parse_args()
    ours = [sample(path, arguments.seconds) for path in arguments.ours]
    peers = [sample(path, arguments.seconds) for path in arguments.peer]
    table, worst = compare(ours, peers)
    print(table)
    print(f"\nlargest mean distance beyond 5 % and beyond two seeds of one simulator: {max(worst, 0.0):.3f}")
    if arguments.figure:
        draw(ours, peers, arguments.figure)


if __name__ == "__main__":
    main()
