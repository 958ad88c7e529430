"""What a second thread brings on known networks: ``python bench/threads.py [--networks brunel,lif] [--rounds 40]``.

Three things take turns, a few hundredths of a second each, so that they meet the same state of the machine: one run on one thread, two
such runs at the same time in OS processes of their own, and one run on two threads. Two runs at the same time show what the
second processor is worth just then: 2.0 where it is free and neither takes caches, memory bandwidth or clock rate from the other.
Printed are medians over the rounds:

speedup    time of one thread / time of two
processors 2 · time of one run alone / time of two at the same time: what two threads could bring without any cost of sharing
share      speedup / processors, round by round
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "peers"))


class Case(NamedTuple):
    """A network of peers/ours.py, and the biological seconds of a turn."""

    key: str
    scale: float
    seconds: float


CASES = {
    "microcircuit": Case("microcircuit", 1.0, 0.02),
    "microcircuit_tenth": Case("microcircuit", 0.1, 0.2),
    "brunel": Case("brunel", 1.0, 0.1),
    "brunel_stdp": Case("brunel_stdp", 1.0, 0.02),
    "cuba": Case("cuba", 1.0, 1.0),
    "lif": Case("lif", 1.0, 0.01),
    "izhikevich": Case("izhikevich", 1.0, 0.01),
}


class Runner:
    """A network in an OS process of its own, which runs whenever it is told to."""

    def __init__(self, name: str, threads: int) -> None:
        command = [sys.executable, __file__, "--worker", name, str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self) -> None:
        to: IO[str] | None = self._process.stdin
        assert to is not None
        print("run", file=to, flush=True)

    def answer(self) -> float:
        """Wall-clock seconds of a biological one, once the network is built or the turn is over."""
        out: IO[str] | None = self._process.stdout
        assert out is not None
        line = out.readline()
        if not line:
            raise SystemExit(f"a run ended with {self._process.wait()}")
        return float(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve(name: str, threads: int) -> None:
    """The process of a runner."""
    from ours import NETWORKS

    import procgraph as pg

    case = CASES[name]
    graph, _ = NETWORKS[case.key](case.scale, 1)
    with pg.compile(graph, threads=threads) as rt:
        rt.run(seconds=0.1)
        print(0, flush=True)
        for _ in sys.stdin:
            begin = time.perf_counter()
            rt.run(seconds=case.seconds)
            print((time.perf_counter() - begin) / case.seconds, flush=True)


def together(runners: list[Runner]) -> float:
    """The mean time of runs that are begun at the same time."""
    for runner in runners:
        runner.tell()
    return statistics.mean(runner.answer() for runner in runners)


def compare(name: str, rounds: int) -> str:
    """A row of the table."""
    first, second, shared = Runner(name, 1), Runner(name, 1), Runner(name, 2)
    runners = (first, second, shared)
    for runner in runners:
        runner.answer()
    ways = {"one": [first], "both": [first, second], "two": [shared]}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            times[way].append(together(ways[way]))
    for runner in runners:
        runner.close()
    speedups = [one / two for one, two in zip(times["one"], times["two"], strict=True)]
    processors = [2 * one / both for one, both in zip(times["one"], times["both"], strict=True)]
    shares = [speedup / free for speedup, free in zip(speedups, processors, strict=True)]
    low, speedup, high = statistics.quantiles(speedups, n=4)
    return (
        f"| {name} | {min(times['one']):.4g} | {min(times['two']):.4g} | {speedup:.2f} ({low:.2f} to {high:.2f}) "
        f"| {statistics.median(processors):.2f} | {statistics.median(shares):.2f} |"
    )


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        serve(sys.argv[2], int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    names = arguments.networks.split(",")
    if unknown := set(names) - set(CASES):
        parser.error(f"{', '.join(sorted(unknown))}; allowed: {', '.join(CASES)}")
    if arguments.rounds < 2:
        parser.error(f"--rounds is {arguments.rounds}; allowed: 2 or more")
    print(
        "| network | one thread, least | two, least | speedup (quartiles) | processors | share |\n|---|---|---|---|---|---|"
    )
    for name in names:
        print(compare(name, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
