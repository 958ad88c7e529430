"""Networks that meet every way of storing and executing, and the hash of what they do. Run as a program, it prints hashes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import procgraph as pg
from procgraph.processes import (
    LIF,
    AllToAll,
    AlphaLIF,
    Conv2d,
    Dense,
    ExpLIF,
    OneToOne,
    Plastic,
    PoissonSource,
    Sparse,
    SpikeSource,
    TsodyksMarkram,
)
from procgraph.processes.rules import PairSTDP
from procgraph.spec.declare import State

STEPS = 240
N = 800


def _sparse(source: Any, target: Any, name: str, weights: Any, **rule: Any) -> Sparse:
    n_pre, n_post = source.shape[0], target.shape[0]
    synapse = Sparse(weights, n_pre=n_pre, n_post=n_post, name=name, **rule)
    source.s_out.connect(synapse.s_in)
    synapse.a_out.connect(target.a_in)
    return synapse


def tables(storage: str = "auto") -> pg.Graph:
    """Sparse projections in each format: indices, packed weights, books, wide weights, bits."""
    drive = PoissonSource(shape=N, rate=90.0, name="drive")
    sizes = {"a": N, "b": 700, "c": 1500, "d": 600}
    a, b, c, d = (LIF(shape=n, v_th=1.0, t_ref=2.0, name=k) for k, n in sizes.items())
    _sparse(drive, a, "index", 0.2, rule="fixed_in_degree", count=9, delay=pg.Uniform(1.0, 6.0))
    _sparse(
        a, b, "packed", pg.Normal(0.1, 0.05, grid=2.0**-8), rule="fixed_probability", p=0.03, delay=2, storage=storage
    )
    _sparse(
        b,
        a,
        "wide",
        pg.Normal(-0.02, 0.01),
        rule="fixed_out_degree",
        count=20,
        delay=pg.Normal(3.0, 1.0, low=1.0, high=6.0),
    )
    _sparse(drive, d, "drive_d", 0.25, rule="fixed_in_degree", count=6, delay=1)
    _sparse(d, c, "bits", 0.02, rule="fixed_probability", p=0.6, delay=1)
    levels = np.float32([0.01, 0.37, 1.0 / 3.0, -0.21])
    rng = np.random.default_rng(1)
    book = Sparse(
        levels[rng.integers(0, 4, 9000)],
        pre=rng.integers(0, 1500, 9000),
        post=rng.integers(0, N, 9000),
        n_pre=1500,
        n_post=N,
        delay=rng.integers(1, 5, 9000),
        name="book",
    )
    c >> book >> a
    return pg.Graph(a, dt=1.0, seed=11)


def mixed() -> pg.Graph:
    """Learning and depressing synapses, dense ones, exact integration, and an event-driven population."""
    drive = PoissonSource(shape=300, rate=60.0, name="drive")
    given = SpikeSource(steps=np.arange(0, 200, 7), index=np.arange(29) % 50, shape=50, name="given")
    e = ExpLIF(shape=300, v_th=1.0, name="e")
    i = AlphaLIF(shape=80, name="i")
    lazy = LIF(shape=400, v_th=0.5, execution="event", name="lazy")
    rng = np.random.default_rng(2)
    drive >> Dense(rng.uniform(0.0, 0.6, (300, 300)) * (rng.random((300, 300)) < 0.1), name="dense") >> e
    initial = Sparse(0.3, rule="fixed_probability", p=0.1, n_pre=300, n_post=300, delay=2)
    learning = Plastic(initial, PairSTDP(), name="learning")
    e.s_out.connect(learning.s_in)
    e.s_out.connect(learning.post_in, delay=1)
    learning.a_out.connect(e.a_in)
    _sparse(e, i, "to_i", 250.0, rule="fixed_in_degree", count=30, delay=1)
    short = TsodyksMarkram(shape=80, name="short")
    i >> short
    back = Sparse(-0.2, rule="fixed_in_degree", count=5, n_pre=80, n_post=300, delay=1, name="back")
    short.s_out.connect(back.s_in)
    back.a_out.connect(e.a_in)
    _sparse(given, lazy, "few", 0.4, rule="fixed_out_degree", count=12, delay=1)
    _sparse(e, lazy, "more", 0.3, rule="fixed_out_degree", count=3, delay=4)
    return pg.Graph(e, lazy, dt=1.0, seed=12)


def procedural() -> pg.Graph:
    """The same network with synapses that are made anew at every event."""
    return tables("procedural")


def apart() -> pg.Graph:
    """Projections that work for themselves, and more targets than 16 bits number."""
    drive = PoissonSource(shape=200, rate=80.0, name="drive")
    a, b = LIF(shape=200, name="a"), LIF(shape=(2, 10, 20), name="b")
    many = LIF(shape=70_000, v_th=0.5, name="many")
    rng = np.random.default_rng(3)
    drive >> OneToOne(0.7, name="diagonal") >> a
    a >> Conv2d(rng.normal(0.3, 0.2, (2, 1, 3, 3)), in_shape=(1, 10, 20), padding=1, name="kernel") >> b
    b >> AllToAll(-(2.0**-6), n_pre=400, n_post=200, name="constant") >> a
    weights, delays = rng.normal(0.0, 0.1, (400, 200)), rng.integers(1, 5, (400, 200))
    a >> Dense(weights, delay=delays, name="delayed") >> b
    _sparse(a, many, "index", 0.3, rule="fixed_out_degree", count=500, delay=2)
    late = Sparse(0.02, rule="fixed_in_degree", count=200, n_pre=70_000, n_post=200, name="late")
    many.s_out.connect(late.s_in)
    late.a_out.connect(a.a_in, delay=1)
    return pg.Graph(a, b, many, dt=1.0, seed=13)


NETWORKS: dict[str, Callable[[], pg.Graph]] = {
    "tables": tables,
    "procedural": procedural,
    "mixed": mixed,
    "apart": apart,
}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def state(rt: pg.Runtime, graph: pg.Graph, batch: int) -> str:
    """Hash of all variables and of what has been learnt; of a batch, of its first lane."""
    names = [f"{name}.{kept}" for name, process in sorted(graph.processes.items()) for kept in _kept(process)]
    values = [rt.get(name) for name in names]
    return _hash(b"".join((v[0] if batch > 1 else v).tobytes() for v in values))


def _kept(process: pg.Process) -> list[str]:
    if isinstance(process, Plastic):
        return ["weights", *process.rule.traces, *process.rule.variables]
    return [name for name, declared in process.declarations.items() if isinstance(declared, State)]


def run(name: str, device: str, threads: int, how: str) -> dict[str, str]:
    """Hashes of a run: ``state`` always, ``counts`` of events where they are of one lane and the whole run, ``spikes`` of probes."""
    graph = NETWORKS[name]()
    batch = 2 if how == "batch" else 1
    with pg.compile(graph, device, threads=threads, batch=batch) as rt:
        if how == "restored":
            return {"state": _restored(rt, name, device, threads)}
        outputs = [p.s_out for _, p in sorted(graph.processes.items()) if "s_out" in p.declarations]
        probes = [rt.probe(port) for port in outputs] if how == "probes" else []
        rt.run(steps=STEPS)
        found = {"state": state(rt, graph, batch)}
        if batch == 1:
            found["counts"] = _hash(json.dumps(rt.stats()["events"], sort_keys=True).encode())
        if probes:
            found["spikes"] = _hash(b"".join(p.events.tobytes() for p in probes))
        return found


def _restored(rt: pg.Runtime, name: str, device: str, threads: int) -> str:
    """The state after a run that another engine, with another number of threads, took over."""
    graph = NETWORKS[name]()
    rt.run(steps=STEPS // 3)
    with tempfile.TemporaryDirectory() as folder, pg.compile(graph, device, threads=8 - threads) as other:
        rt.checkpoint(Path(folder) / "middle.ckpt")
        other.restore(Path(folder) / "middle.ckpt")
        other.run(steps=STEPS - STEPS // 3)
        return state(other, graph, 1)


def main() -> None:
    name, device = sys.argv[1:3]
    os.environ["PROCGRAPH_DIVIDE"] = "1"  # networks as small as these would run on one thread else
    found = {
        f"{how} {threads}": run(name, device, threads, how)
        for threads in map(int, sys.argv[3].split(","))
        for how in sys.argv[4].split(",")
    }
    with pg.compile(NETWORKS[name](), device) as rt:
        formats, deliveries = (sorted({row[key] for row in rt.storage()}) for key in ("format", "delivery"))
    print(json.dumps({"found": found, "formats": formats, "deliveries": deliveries}))


if __name__ == "__main__":
    main()
