"""What more threads bring on known networks: ``python bench/threads.py [--networks brunel,lif] [--threads 2] [--rounds 200]``.

Three things take turns, some milliseconds each, so that they meet the same state of the machine: one run on one thread, N
such runs at the same time in OS processes of their own, and one run on N threads. N runs at the same time show what the other
processors are worth just then: N where they are free and none takes caches, memory bandwidth or clock rate from another.
Printed are medians over the rounds, unless it says otherwise:

quiet      time of one thread / time of N, each in its fastest twentieth of the rounds: nearest to what N free processors bring
speedup    time of one thread / time of N
processors N · time of one run alone / time of N at the same time: what N threads could bring without any cost of sharing
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
    "microcircuit": Case("microcircuit", 1.0, 0.0064),
    "microcircuit_tenth": Case("microcircuit", 0.1, 0.064),
    "brunel": Case("brunel", 1.0, 0.032),
    "brunel_stdp": Case("brunel_stdp", 1.0, 0.0064),
    "cuba": Case("cuba", 1.0, 0.2),
    "lif": Case("lif", 1.0, 0.002),
    "izhikevich": Case("izhikevich", 1.0, 0.002),
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


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]


def compare(name: str, threads: int, rounds: int) -> str:
    """A row of the table."""
    alone = [Runner(name, 1) for _ in range(threads)]
    shared = Runner(name, threads)
    for runner in (*alone, shared):
        runner.answer()
    ways = {"one": alone[:1], "all": alone, "shared": [shared]}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            times[way].append(together(ways[way]))
    for runner in (*alone, shared):
        runner.close()
    speedups = [one / many for one, many in zip(times["one"], times["shared"], strict=True)]
    processors = [threads * one / each for one, each in zip(times["one"], times["all"], strict=True)]
    shares = [speedup / free for speedup, free in zip(speedups, processors, strict=True)]
    low, speedup, high = statistics.quantiles(speedups, n=4)
    quiet = quantile(times["one"], 0.05) / quantile(times["shared"], 0.05)
    return (
        f"| {name} | {min(times['one']):.4g} | {min(times['shared']):.4g} | {quiet:.2f} | {speedup:.2f} ({low:.2f} to {high:.2f}) "
        f"| {statistics.median(processors):.2f} | {statistics.median(shares):.2f} |"
    )


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        serve(sys.argv[2], int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    names = arguments.networks.split(",")
    if unknown := set(names) - set(CASES):
        parser.error(f"{', '.join(sorted(unknown))}; allowed: {', '.join(CASES)}")
    if arguments.threads < 2:
        parser.error(f"--threads is {arguments.threads}; allowed: 2 or more")
    if arguments.rounds < 2:
        parser.error(f"--rounds is {arguments.rounds}; allowed: 2 or more")
    print(
        f"| network | one thread, least | {arguments.threads}, least | quiet | speedup (quartiles) | processors | share |\n|---|---|---|---|---|---|---|"
    )
    for name in names:
        print(compare(name, arguments.threads, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
