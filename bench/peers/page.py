"""The figures of bench/networks.py as a page."""

from __future__ import annotations

from datetime import date
from typing import Any

PEERS = {"nest": "NEST 3.10", "brian2": "Brian2 2.9"}
HEAD = """# Speed on known networks

Written by `python bench/networks.py`, {day}, on {machine}. CPU seconds per biological second on one thread, or nanoseconds a neuron and
step where it says so; the least of several runs that took turns. `×` is how many times as long as procgraph a peer takes. The limit is a
bare loop with the same numbers of neurons, synapses, delays and spikes, measured in the same run; the distance is procgraph's time
divided by it. A peer with † was measured in an earlier run of the script, those elsewhere (not on PyPI) at another time on such a machine.
"""
TAIL = """
Update and delivery are the parts of the loop alone; together they share the caches and take longer. The load is how many processes wanted a processor
in the minute of the measurement: above the number of processors, times are disturbed, and only ratios within a row mean something.

{rates}
[bench](../../bench/README.md) says how to repeat this, and what the limit does. Its Poisson numbers come from a generator that is cheaper than the one
that procgraph needs for results that do not depend on threads. It is what the usual loops take, not a proof: a simulator that visits fewer synapses or
reads fewer bytes can be faster.
"""


def markdown(rows: dict[str, dict[str, Any]], machine: str) -> str:
    """The page: times, the parts of the limit, rates."""
    text = [HEAD.format(day=date.today().isoformat(), machine=machine)]
    text.append("| network | procgraph | target | " + " | ".join(PEERS.values()) + " | elsewhere | limit | distance |")
    text.append("|" + "---|" * (6 + len(PEERS)))
    for row in rows.values():
        ours = row["procgraph"]
        peers = [peer(row, name) for name in PEERS]
        cells = [row["label"], short(ours), short(row["target"]), *peers, elsewhere(row["earlier"], ours)]
        text.append("| " + " | ".join([*cells, short(row["limit"]), f"{ours / row['limit']:.2f}"]) + " |")
    walled = {name: row for name, row in rows.items() if "wall" in row}
    if walled:
        text.append("\nOn several threads, wall-clock time in the same units:\n")
        text += ["| network | wall | of one thread | limit | distance |", "|---|---|---|---|---|"]
        for row in walled.values():
            wall, bare = row["wall"], row["wall_limit"]
            cells = [row["label"], short(wall), f"{row['procgraph'] / wall:.2f}×", short(bare), f"{wall / bare:.2f}"]
            text.append("| " + " | ".join(cells) + " |")
    text.append("\nWhat the limit consists of, and what each network does:\n")
    text.append(
        "| network | update | delivery | copy GB/s | built in s | memory GB | load | rate Hz: procgraph | "
        + " | ".join(PEERS.values())
        + " |"
    )
    text.append("|" + "---|" * (8 + len(PEERS)))
    for row in rows.values():
        rates = [f"{row['rates'][who]:.2f}" if who in row["rates"] else "–" for who in ("procgraph", *PEERS)]
        parts = [short(row["limit_update"]), short(row["limit_delivery"]) if row["limit_delivery"] else "–"]
        made = [f"{row['copy_gb_s']:.0f}", f"{row['built_s']:.1f}", f"{row['memory_gb']:.2f}", f"{row['load']:.0f}"]
        text.append("| " + " | ".join([row["label"], *parts, *made, *rates]) + " |")
    others = [f"* {row['label']}: {problem}." for row in rows.values() for problem in row.get("other_rate", [])]
    if others:
        text += ["\nOther rates than expected, hence not the same work:\n", *others]
    return "\n".join(text) + "\n" + TAIL.format(rates=rates_differ(rows))


def rates_differ(rows: dict[str, dict[str, Any]]) -> str:
    """How far the mean rates of simulators are from each other, in words."""
    text = "Each simulator draws a network for itself. "
    spread = {row["label"]: (min(r), max(r)) for row in rows.values() if len(r := row["rates"].values()) > 1}
    if spread:
        label, (low, high) = max(spread.items(), key=lambda item: item[1][1] / item[1][0])
        text += f"Mean rates of the same network differ by at most {100 * (high / low - 1):.1f} % ({label}: {low:.2f} to {high:.2f} Hz). "
    return text + "A mean rate that draws of the network do not reach is listed above."


def peer(row: dict[str, Any], name: str) -> str:
    """Time and ratio of one peer; ``†`` where it did not run beside procgraph."""
    if name not in row:
        return "–"
    mark = "†" if name in row.get("kept", []) else ""
    return f"{short(row[name])}{mark} ({row[name] / row['procgraph']:.1f}×)"


def elsewhere(earlier: str, ours: float) -> str:
    """A figure such as ``GeNN 3.6``, with its ratio."""
    return f"{earlier} ({float(earlier.split()[-1]) / ours:.1f}×)" if earlier else "–"


def short(value: float) -> str:
    """Three significant digits at most, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
