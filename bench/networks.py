"""Speed on known networks, beside peers and the bare loop, in one run: ``python bench/networks.py [--networks cuba,brunel] [--peers nest,brian2]``.

CPU seconds per biological second; of unconnected neurons, nanoseconds a neuron and step. ``--prepare`` installs the peers and compiles what they
need, so that a later run only measures; ``--page`` writes the table as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "peers"))
import definitions  # noqa: E402
from page import markdown  # noqa: E402

STEPS_A_SECOND = 10_000  # all networks have steps of 0.1 ms
PACKAGES = {"nest": ["nest-simulator==3.10.0"], "brian2": ["brian2==2.9.0", "numpy<2.3", "setuptools"]}


@dataclass
class Network:
    """What is run, and what the figures are held against."""

    label: str
    ours: list[str]  # arguments of peers/ours.py
    definition: Callable[[], dict[str, Any]]
    seconds: float  # that are timed
    warmup: float
    rate_hz: tuple[float, float]  # in which the same network fires
    target: float
    limit: dict[str, Any]  # arguments of peers/limit.cpp
    heavy: set[str] = field(default_factory=set)  # peers that take minutes
    absent: set[str] = field(default_factory=set)  # peers that cannot
    earlier: str = ""  # fastest peer that is not on PyPI, measured earlier on such a machine
    neurons: int = 0  # of unconnected ones: figures are ns a neuron and step


def networks() -> dict[str, Network]:
    """The table, in its order."""
    column = {"bytes": 4, "model": "exp", "delays": 40}
    constant = {"bytes": 0, "model": "delta", "delays": 1, "neurons": 12_500, "poisson": 2.0, "spikes": 40.0}
    million = {"neurons": 1_000_000, "steps": 100}
    return {
        "microcircuit": Network(
            "microcircuit, full size, Poisson drive",
            ["microcircuit"],
            lambda: definitions.microcircuit(1.0),
            seconds=1.0,
            warmup=0.5,
            rate_hz=(3.0, 3.35),
            target=1.9,
            limit={**column, "neurons": 77_169, "row": 3_873, "spikes": 24.5, "poisson": 1.64, "steps": 200},
            heavy={"nest"},
            absent={"brian2"},
            earlier="GeNN 26.0",
        ),
        "microcircuit_tenth": Network(
            "microcircuit × 0.1",
            ["microcircuit", "--scale", "0.1"],
            lambda: definitions.microcircuit(0.1),
            seconds=1.0,
            warmup=0.5,
            rate_hz=(2.55, 2.9),
            target=0.08,
            limit={**column, "neurons": 7_713, "row": 387, "spikes": 2.1, "poisson": 0.164, "steps": 2000},
            earlier="GeNN 0.72",
        ),
        "brunel": Network(
            "Brunel, 12,500 neurons",
            ["brunel"],
            lambda: definitions.brunel(False),
            seconds=1.0,
            warmup=0.1,
            rate_hz=(31.5, 32.5),
            target=0.6,
            limit={**constant, "row": 1_250},
            earlier="GeNN 3.6",
        ),
        "brunel_stdp": Network(
            "Brunel, STDP on E→E",
            ["brunel_stdp"],
            lambda: definitions.brunel(True),
            seconds=1.0,
            warmup=0.1,
            rate_hz=(31.0, 32.8),
            target=2.0,
            limit={**constant, "row": 450, "plastic": 10_000},
            heavy={"nest"},
            earlier="GeNN 6.9",
        ),
        "cuba": Network(
            "CUBA, 4,000 neurons",
            ["cuba"],
            definitions.cuba,
            seconds=10.0,
            warmup=0.1,
            rate_hz=(5.0, 6.1),
            target=0.025,
            limit={
                "bytes": 2,
                "model": "dual",
                "delays": 1,
                "neurons": 4_000,
                "row": 80,
                "spikes": 2.2,
                "steps": 10_000,
            },
            earlier="GeNN 0.067",
        ),
        "lif": Network(
            "10⁶ LIF neurons, ns a neuron and step",
            ["lif"],
            lambda: definitions.lif(1_000_000),
            seconds=0.1,
            warmup=0.1,
            rate_hz=(13.8, 14.5),
            target=0.5,
            limit={**million, "model": "bias"},
            heavy={"nest"},
            earlier="GeNN 1.21",
            neurons=1_000_000,
        ),
        "izhikevich": Network(
            "10⁶ Izhikevich neurons, ns a neuron and step",
            ["izhikevich"],
            lambda: definitions.izhikevich(1_000_000),
            seconds=0.1,
            warmup=0.1,
            rate_hz=(8.4, 9.8),
            target=0.35,
            limit={**million, "model": "izhikevich"},
            heavy={"nest"},
            earlier="GeNN 1.44",
            neurons=1_000_000,
        ),
    }


class Bench:
    """Runs simulators, each in an OS process of its own."""

    def __init__(self, cache: Path, peers: list[str], seed: int) -> None:
        self.cache, self.peers, self.seed = cache, peers, seed
        cache.mkdir(parents=True, exist_ok=True)

    def python(self, peer: str) -> Path:
        """Interpreter of the peer's environment, which is made if absent."""
        folder = self.cache / f"venv-{peer}"
        python = folder / "bin" / "python"
        if not (folder / "ready").exists():
            note(f"installing {' '.join(PACKAGES[peer])}")
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[peer]], check=True)
            (folder / "ready").touch()
        return python

    def definition(self, name: str, network: Network) -> Path:
        path = self.cache / f"{name}.json"
        path.write_text(json.dumps(network.definition()))
        return path

    def brian_project(self, name: str, network: Network) -> Path:
        """Folder of the compiled C++ project; it is made anew where the network or the runner has changed."""
        folder, definition = self.cache / f"brian2-{name}", self.definition(name, network)
        script = HERE / "peers" / "brian2_peer.py"
        stamp = definition.read_text() + script.read_text()
        made = folder / "stamp"
        if not made.exists() or made.read_text() != stamp:
            note(f"compiling {network.label} with Brian2")
            command: list[Any] = [self.python("brian2"), script, definition, folder, "--compile"]
            subprocess.run([*command, *times(network)], check=True, stdout=subprocess.DEVNULL)
            made.write_text(stamp)
        return folder

    def limit_program(self) -> Path:
        source, program = HERE / "peers" / "limit.cpp", self.cache / "limit"
        newest = max(path.stat().st_mtime for path in HERE.glob("peers/limit*"))
        if not program.exists() or program.stat().st_mtime < newest:
            flags = ["-std=c++20", "-O3", "-march=native", "-ffast-math", "-Wno-psabi", "-pthread"]
            subprocess.run(["g++", *flags, source, "-o", program], check=True)
        return program

    def prepare(self, chosen: dict[str, Network], heavy: bool) -> None:
        self.limit_program()
        for name, network in chosen.items():
            self.definition(name, network)
        for peer in self.peers:
            self.python(peer)
            for name, network in chosen.items():
                if peer == "brian2" and runs(peer, network, heavy):
                    self.brian_project(name, network)

    def ours(self, network: Network, threads: int) -> dict[str, float]:
        arguments = [*network.ours, *times(network), "--threads", str(threads), "--seed", str(self.seed)]
        return last_line([sys.executable, HERE / "peers" / "ours.py", *arguments])

    def peer(self, peer: str, name: str, network: Network) -> dict[str, float]:
        script = HERE / "peers" / f"{peer}_peer.py"
        if peer == "brian2":
            return last_line(
                [self.python(peer), script, self.definition(name, network), self.brian_project(name, network)]
            )
        definition = self.definition(name, network)
        return last_line([self.python(peer), script, definition, *times(network), "--seed", str(self.seed)])

    def limit(self, network: Network, threads: int) -> dict[str, float]:
        given = [f"{key}={value}" for key, value in network.limit.items()]
        return last_line([self.limit_program(), *given, f"threads={threads}"])


def times(network: Network) -> list[str]:
    return ["--seconds", str(network.seconds), "--warmup", str(network.warmup)]


def runs(peer: str, network: Network, heavy: bool) -> bool:
    return peer not in network.absent and (heavy or peer not in network.heavy)


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def last_line(command: list[Any]) -> dict[str, float]:
    """Run a program and read the JSON of its last line."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[1]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def figure(network: Network, seconds: float) -> float:
    """Seconds of the timed part in the unit of the network."""
    if network.neurons:
        return seconds * 1e9 / (network.neurons * network.seconds * STEPS_A_SECOND)
    return seconds / network.seconds


def measure(bench: Bench, name: str, network: Network, arguments: argparse.Namespace) -> dict[str, Any]:
    """The least of the repetitions of each simulator, which take turns."""
    row: dict[str, Any] = {"label": network.label, "target": network.target, "earlier": network.earlier, "rates": {}}

    def add(who: str, seconds: float, result: dict[str, float]) -> None:
        value = figure(network, seconds)
        row[who] = min(value, row.get(who, value))
        if "rate_hz" in result:
            low, high = network.rate_hz
            row["rates"][who] = result["rate_hz"]
            if not low <= result["rate_hz"] <= high:
                row.setdefault("other_rate", []).append(f"{who} {result['rate_hz']:.2f} Hz, expected {low} to {high}")

    for repetition in range(arguments.repetitions):
        result = bench.ours(network, 1)
        add("procgraph", result["cpu_s"], result)
        row["built_s"], row["memory_gb"] = result["built_s"], result["memory_gb"]
        if arguments.threads > 1:
            result = bench.ours(network, arguments.threads)
            add("wall", result["wall_s"], {})
            step_ns = bench.limit(network, arguments.threads)["step_ns"]
            add("wall_limit", step_ns * 1e-9 * STEPS_A_SECOND * network.seconds, {})
        bare = bench.limit(network, 1)
        for key in ("step", "update", "delivery"):
            add(f"limit_{key}", bare[f"{key}_ns"] * 1e-9 * STEPS_A_SECOND * network.seconds, {})
        row["copy_gb_s"] = max(bare["copy_gb_s"], row.get("copy_gb_s", 0.0))
        for peer in bench.peers:
            if runs(peer, network, arguments.heavy) and (repetition == 0 or peer not in network.heavy):
                result = bench.peer(peer, name, network)
                add(peer, result["cpu_s"], result)
    row["limit"] = row.pop("limit_step")
    row["load"] = os.getloadavg()[0]
    return row


def keep_peers(row: dict[str, Any], before: dict[str, Any]) -> None:
    """Peers that did not run this time keep their figures from ``before``; the page marks them."""
    for peer in PACKAGES:
        if peer in before and peer not in row:
            row[peer], row["rates"][peer] = before[peer], before["rates"][peer]
            row.setdefault("kept", []).append(peer)


def processor() -> str:
    """In general words, such as 'AMD EPYC, 2 processors'."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} processors" if names else platform.processor()


def main() -> None:
    table = networks()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(table)
    parser.add_argument("--networks", default=",".join(table), help=f"of {names}; '' only writes the page")
    parser.add_argument("--peers", default="", help="nest, brian2")
    parser.add_argument("--heavy", action="store_true", help="also what takes minutes: NEST on large networks")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="above 1: also measures the wall-clock time on so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path("build/peers"), help="of environments and compiled programs")
    parser.add_argument("--prepare", action="store_true", help="install and compile only")
    parser.add_argument("--json", type=Path, help="keep the figures here; those of other networks and peers in it stay")
    parser.add_argument("--page", type=Path, help="write the table as Markdown, with all figures of --json")
    arguments = parser.parse_args()
    peers = [peer for peer in arguments.peers.split(",") if peer]
    wanted = [name for name in arguments.networks.split(",") if name]
    for given, allowed in ((wanted, table), (peers, PACKAGES)):
        if unknown := set(given) - set(allowed):
            parser.error(f"{', '.join(unknown)}; allowed: {', '.join(allowed)}")
    chosen = {name: table[name] for name in wanted}
    bench = Bench(arguments.cache.resolve(), peers, arguments.seed)
    bench.prepare(chosen, arguments.heavy)
    if arguments.prepare:
        return
    kept = arguments.json is not None and arguments.json.exists()
    rows: dict[str, Any] = json.loads(arguments.json.read_text()) if kept else {}
    for name, network in chosen.items():
        note(f"measuring {network.label}")
        row = measure(bench, name, network, arguments)
        keep_peers(row, rows.get(name, {}))
        rows[name] = row
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=1))
    text = markdown({name: rows[name] for name in table if name in rows}, processor())
    print(text)
    if arguments.page:
        arguments.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
