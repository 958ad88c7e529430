"""Random graphs: any mixture of sources, neurons, synapses, decoders and Python models, with loops, delays, periods, views and bounded channels."""

from __future__ import annotations

from typing import Any

import numpy as np

import procgraph as pg
from procgraph import processes as zoo
from procgraph.processes import rules
from procgraph.spec.event import why_not_event_driven
from procgraph.spec.process import Process

RULES = tuple(getattr(rules, name) for name in rules.__all__)
# Neurons with a threshold near 1, and others with the size of the weights that make them spike.
NEURONS = ("LIF", "LIF", "ExpLIF", "IF", "CubaLIF", "ALIF", "ATRLIF", "PoissonNeuron", "SigmaDelta", "ResonateAndFire")
SCALES = {
    "AdEx": 1500.0,
    "AlphaCondLIF": 40.0,
    "AlphaLIF": 1500.0,
    "CondAdEx": 40.0,
    "CondLIF": 40.0,
    "DualExpLIF": 1500.0,
    "GIF": 1500.0,
    "GeneralIzhikevich": 1500.0,
    "HodgkinHuxley": 20.0,
    "Izhikevich": 20.0,
    "QuadraticIF": 20.0,
    "TraubMiles": 40.0,
}
DROPPING = ("drop_oldest", "drop_newest", "latest")


class Echo(pg.Process):
    """Python model with spikes in and out, and a state."""

    s_in = pg.In(pg.Graded)
    s_out = pg.Out(pg.Spikes)
    level = pg.State(0.0)


class EchoModel(pg.PythonModel, process=Echo):
    def run_step(self) -> None:
        self.level[...] = np.float32(0.5) * self.level + self.s_in.astype(np.float32)
        self.s_out.emit(self.level > 0.75)


class Inject(pg.Process):
    """Python model that emits a current."""

    s_in = pg.In(pg.Graded)
    c_out = pg.Out(pg.Current, bound=2.0)


class InjectModel(pg.PythonModel, process=Inject):
    def run_step(self) -> None:
        self.c_out.emit(
            np.sin(self.step + np.arange(self.s_in.size, dtype=np.float32)).reshape(self.s_in.shape) * (1 + self.s_in)
        )


class Builder:
    """Draws one graph from a NumPy generator."""

    def __init__(self, seed: int, plastic: bool = False) -> None:
        self.extra = ("plastic", "plastic") if plastic else ()
        self.rng = np.random.default_rng(seed)
        self.count = 0
        self.spiking: list[tuple[Process, Any]] = []
        self.driven: list[tuple[Process, Any]] = []
        self.processes: list[Process] = []

    def pick(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind.lower()}{self.count}"

    def timing(self) -> dict[str, int]:
        period = int(self.pick(1, 1, 1, 2, 3, 5))
        return {"period": period, "phase": int(self.rng.integers(period))}

    def values(self, low: float, high: float, n: int) -> Any:
        """One number, or one per element."""
        return float(self.rng.uniform(low, high)) if self.rng.random() < 0.6 else self.rng.uniform(low, high, n)

    def size(self) -> int:
        return int(self.pick(1, 2, 3, 7, 16, 33))

    # -- sources and populations -------------------------------------------------------------------------------------

    def source(self) -> None:
        n, rng = self.size(), self.rng
        kind = self.pick("PoissonSource", "BernoulliSource", "SpikeSource", "CurrentSource")
        common: dict[str, Any] = {"name": self.name(kind), **self.timing()}
        if kind in ("PoissonSource", "BernoulliSource"):
            process = getattr(zoo, kind)(
                shape=n, rate=self.values(0.0, 600.0 if kind == "PoissonSource" else 180.0, n), **common
            )
        elif kind == "SpikeSource":
            events = int(rng.integers(1, 40))
            process = zoo.SpikeSource(
                steps=rng.integers(0, 30, events),
                index=rng.integers(0, n, events),
                payload=rng.integers(-3, 4, events),
                shape=n,
                cycle=int(self.pick(0, 30)),
                **common,
            )
        else:
            process = zoo.CurrentSource(
                rng.normal(0.0, 0.5, (int(rng.integers(1, 12)), n)), cycle=bool(rng.integers(2)), **common
            )
            self.processes.append(process)
            self.population(n)
            process.c_out.connect(self.driven[-1][1], delay=int(rng.integers(0, 4)))
            return
        self.add(process, process.s_out)

    def add(self, process: Process, out: Any) -> None:
        self.processes.append(process)
        self.spiking.append((process, out))

    def population(self, n: int | None = None) -> Any:
        n = self.size() if n is None else n
        kind = self.pick(*NEURONS, *(SCALES if self.rng.random() < 0.3 else NEURONS))
        values: dict[str, Any] = {}
        declared = getattr(zoo, kind).declarations
        if "t_ref" in declared:
            values["t_ref"] = self.pick(0.0, 1.0, 3.0)
        if kind in SCALES:
            values |= {
                name: self.values(0.8, 1.25, n) * getattr(zoo, kind).declarations[name].default
                for name in declared
                if name.startswith("tau_")
            }
        else:
            if "tau_m" in declared:
                values["tau_m"] = self.values(2.0, 30.0, n)
            if "v_th" in declared:
                values["v_th"] = self.values(0.3, 1.5, n)
        if kind == "Izhikevich":
            values["v"] = self.rng.uniform(-70, -50, n)
        if not why_not_event_driven(getattr(zoo, kind)):
            values["execution"] = self.pick("clock", "event", "event", "auto")
            values["bias"] = self.pick(0.0, 0.0, self.values(-0.1, 0.4, n))
        process = getattr(zoo, kind)(name=self.name(kind), shape=n, **values, **self.timing())
        self.add(process, process.s_out)
        self.driven += [(process, getattr(process, port)) for port in ("a_in", "exc_in", "inh_in") if port in declared]
        return process

    def host(self) -> None:
        n = self.size()
        period = int(self.pick(1, 2, 5))
        process = self.pick(Echo, Inject)(
            name=self.name("host"), shape=n, period=period, phase=int(self.rng.integers(period))
        )
        self.processes.append(process)
        _, out = self.spiking[self.rng.integers(len(self.spiking))]
        out.gather(self.rng.integers(0, out.shape[0], n)).connect(process.s_in, delay=int(self.rng.integers(0, 3)))
        if isinstance(process, Echo):
            self.spiking.append((process, process.s_out))
        else:
            target, into = self.driven[self.rng.integers(len(self.driven))]
            process.c_out.gather(self.rng.integers(0, n, target.shape[0])).connect(into)

    # -- projections -------------------------------------------------------------------------------------------------

    def projection(self) -> None:
        source, out = self.spiking[self.rng.integers(len(self.spiking))]
        target, into = self.driven[self.rng.integers(len(self.driven))]
        n_pre, n_post = out.shape[0], target.shape[0]
        # Delay 0 only forwards, so that no cycle is without delay.
        forward = self.processes.index(source) < self.processes.index(target) and not isinstance(source, Echo)
        least = 0 if forward else 1
        kind = self.pick("dense", "sparse", "rule", "one", "all", "conv", *self.extra)
        if kind == "plastic":
            self._plastic(source, out, target, into)
            return
        scale = SCALES.get(type(target).__name__, 1.0)
        synapse = getattr(self, f"_{kind}")(n_pre, n_post, least, scale)
        self.processes.append(synapse)
        view = out
        if kind == "one":
            view = out.gather(self.rng.integers(0, n_pre, n_post))
        elif kind == "conv":
            view = out.gather(self.rng.integers(0, n_pre, 2 * 4 * 5)).reshape(2, 4, 5)
        options: dict[str, Any] = {"delay": int(self.rng.integers(0, 3))}
        if self.rng.random() < 0.25:
            options |= {"capacity": int(self.rng.integers(1, 6)), "when_full": self.pick(*DROPPING)}
        view.connect(synapse.s_in, **options)
        made = synapse.a_out
        if kind == "conv":
            made = made.flatten().gather(self.rng.integers(0, 2 * 3 * 4, n_post))
        made.connect(into, delay=int(self.rng.integers(0, 3)))

    def delay(self, least: int, shape: Any) -> Any:
        if shape is None or self.rng.random() < 0.5:
            return int(self.rng.integers(least, 6))
        return self.rng.integers(least, 6, shape)

    def weights(self, shape: Any, scale: float) -> Any:
        return (self.rng.normal(0.1, 0.4, shape) * scale).astype(np.float32)

    def options(self, kind: str) -> dict[str, Any]:
        return {"name": self.name(kind), **self.timing()}

    def _dense(self, n_pre: int, n_post: int, least: int, scale: float) -> Any:
        shape = (n_post, n_pre)
        return zoo.Dense(self.weights(shape, scale), delay=self.delay(least, shape), **self.options("dense"))

    def _sparse(self, n_pre: int, n_post: int, least: int, scale: float) -> Any:
        m = int(self.rng.integers(0, 60))
        pre, post = self.rng.integers(0, n_pre, m), self.rng.integers(0, n_post, m)
        return zoo.Sparse(
            self.weights(m, scale),
            pre=pre,
            post=post,
            n_pre=n_pre,
            n_post=n_post,
            delay=self.delay(least, (m,)),
            **self.options("sparse"),
        )

    def _rule(self, n_pre: int, n_post: int, least: int, scale: float) -> Any:
        rule = self.pick("fixed_probability", "fixed_in_degree", "fixed_out_degree", "fixed_total", "distance")
        chosen: dict[str, Any] = {"rule": rule}
        if rule == "distance":
            return self._grids(n_pre, n_post, least, scale)
        if rule == "fixed_probability":
            chosen["p"] = float(self.pick(0.0, 0.1, 0.5, 1.0))
        else:
            chosen["count"] = int(self.rng.integers(0, 5))
            others = {"fixed_in_degree": n_pre, "fixed_out_degree": n_post}.get(rule, 0)
            chosen["multapses"] = bool(others <= chosen["count"] or self.rng.integers(2))
            chosen["autapses"] = bool(n_pre != n_post or n_pre < 2 or self.rng.integers(2))
            chosen["multapses"] = chosen["multapses"] or (not chosen["autapses"] and chosen["count"] >= others - 1)
        weights, delay = self.drawn_weights(scale), self.drawn_delay(least)
        return zoo.Sparse(weights, n_pre=n_pre, n_post=n_post, delay=delay, **chosen, **self.options("rule"))

    def _grids(self, n_pre: int, n_post: int, least: int, scale: float) -> Any:
        """Grids of one side, or of two where both numbers are even."""
        both = n_pre % 2 == n_post % 2 == 0 and self.rng.random() < 0.7
        pre, post = ((n // 2, 2) if both else (n,) for n in (n_pre, n_post))
        kernel = self.pick(pg.Gaussian(0.9, 0.3), pg.Exponential(0.5, 0.2), pg.Box(1.0, outer=0.3), pg.Linear(0.1, 0.2))
        weights, delay = self.drawn_weights(scale), self.drawn_delay(least)
        if self.rng.random() < 0.4:
            weights = pg.Gaussian(0.5 * scale, 0.2)
        if self.rng.random() < 0.4:
            delay = pg.Linear(2.0 if least else 0.0, 3.0)
        return zoo.Sparse(
            weights,
            rule="distance",
            kernel=kernel,
            pre_grid=pre,
            post_grid=post,
            periodic=bool(self.rng.integers(2)),
            autapses=bool(pre != post or self.rng.integers(2)),
            delay=delay,
            **self.options("rule"),
        )

    def drawn_weights(self, scale: float) -> Any:
        """A number, or a distribution on a grid or off it."""
        mean, grid = float(self.rng.normal(0.2, 0.3)) * scale, float(self.pick(0.0, 2.0**-6))
        kind = self.pick("number", "number", "normal", "uniform")
        if kind == "normal":
            return pg.Normal(mean, 0.2 * scale, grid=grid)
        return mean if kind == "number" else pg.Uniform(mean - 0.1, mean + 0.3 * scale, grid=grid)

    def drawn_delay(self, least: int) -> Any:
        """A number, or a distribution in ms (of unknown step, hence from 2 ms on where there must be a delay)."""
        kind = self.pick("number", "number", "normal", "uniform")
        low = 2.0 if least else 0.0
        if kind == "number":
            return self.delay(least, None)
        return pg.Normal(2.5, 1.0, low=low, high=5.0) if kind == "normal" else pg.Uniform(low, low + 2.0)

    def _one(self, n_pre: int, n_post: int, least: int, scale: float) -> Any:
        return zoo.OneToOne(self.weights(n_post, scale), delay=self.delay(least, (n_post,)), **self.options("one"))

    def _all(self, n_pre: int, n_post: int, least: int, scale: float) -> Any:
        return zoo.AllToAll(
            float(self.rng.normal(0.0, 0.3) * scale),
            n_pre=n_pre,
            n_post=n_post,
            delay=self.delay(least, None),
            **self.options("all"),
        )

    def _conv(self, n_pre: int, n_post: int, least: int, scale: float) -> Any:
        groups = int(self.pick(1, 2))
        shape = (2, 2 // groups, 2, 2)
        return zoo.Conv2d(
            self.weights(shape, scale),
            in_shape=(2, 4, 5),
            groups=groups,
            delay=self.delay(least, shape),
            **self.options("conv"),
        )

    def _plastic(self, source: Process, out: Any, target: Process, into: Any) -> None:
        n_pre, n_post = out.shape[0], target.shape[0]
        kind = self.pick("dense", "sparse", "rule")
        described = getattr(self, f"_{kind}")(n_pre, n_post, 1, 1.0)
        described.period = 1
        rule = self.pick(*RULES)
        values = {"w_min": -2.5, "w_max": 2.5}
        if getattr(described, "drawn_weights", None) is None:  # limits that are reached
            known = np.asarray(described.values["weights"])
            values = {"w_min": float(known.min(initial=0.0)) - 0.05, "w_max": float(known.max(initial=0.0)) + 0.05}
        if hasattr(rule, "on_epoch"):
            values["epoch"] = int(self.rng.integers(1, 8))
        options = {"sign": int(self.pick(1, -1)), "dendritic": bool(self.rng.integers(2)), "name": self.name("plastic")}
        learned = zoo.Plastic(described, rule(**values), **options)
        self.processes.append(learned)
        out.connect(learned.s_in, delay=int(self.rng.integers(0, 3)))
        watched = next((o for p, o in self.spiking if p is target), None)
        if watched is not None:
            watched.connect(learned.post_in, delay=int(self.rng.integers(0, 3)))
        if self.rng.random() < 0.5:
            frames = self.rng.normal(size=(5, int(self.pick(1, n_post))))
            modulator = zoo.FrameSource(frames.astype(np.float32), cycle=True, name=self.name("modulator"))
            modulator.frame.connect(learned.m)
        learned.a_out.connect(into, delay=int(self.rng.integers(0, 2)))

    # -- the whole ---------------------------------------------------------------------------------------------------

    def build(self) -> pg.Graph:
        """A graph of up to 12 Processes (and the target that each current source needs)."""
        for _ in range(int(self.rng.integers(1, 3))):
            self.source()
        for _ in range(int(self.rng.integers(1, 4))):
            self.population()
        if self.rng.random() < 0.4:
            self.host()
        while len(self.processes) < int(self.rng.integers(5, 13)):
            self.projection()
        if self.rng.random() < 0.3:
            _, out = self.spiking[self.rng.integers(len(self.spiking))]
            decoder = zoo.Argmax(
                window=int(self.rng.integers(1, 7)), idle=int(self.pick(-1, 0)), name=self.name("argmax")
            )
            out.connect(decoder.s_in)
            self.processes.append(decoder)
        return pg.Graph(*self.processes, dt=float(self.pick(1.0, 0.5, 0.1)), seed=int(self.rng.integers(2**40)))


def run_graph(
    graph: pg.Graph,
    device: str,
    steps: int,
    batch: int = 1,
    split: int | None = None,
    threads: int = 1,
    synapses: bool = True,
) -> dict[str, Any]:
    """Everything that a run shows: records of all outputs (of synapses, too, if wanted), canonical state, statistics."""
    with pg.compile(graph, devices=device, batch=batch, threads=threads) as rt:
        nodes = rt.program.ir.nodes
        probed = [n for n in nodes if synapses or not n.is_synapse]
        probes = {f"{n.name}.{o.name}": rt.probe(f"{n.name}.{o.name}") for n in probed for o in n.outputs}
        compiled = [n for n in nodes if n.op != "plastic"]
        states = {f"{n.name}.{s.name}": rt.probe(f"{n.name}.{s.name}", every=3) for n in compiled for s in n.states}
        for n in [n for n in nodes if n.op == "plastic"]:
            names = ["weights", *(s.name for s in n.states), *(t["name"] for t in n.attrs["traces"])]
            states |= {f"{n.name}.{k}": rt.probe(f"{n.name}.{k}", every=29) for k in names}
        rt.run(steps=steps if split is None else split)
        if split is not None:
            rt.run(steps=steps - split)
        result: dict[str, Any] = {k: (p.events if p.is_events else p.data) for k, p in probes.items()}
        result |= {k: p.data for k, p in states.items()}
        result |= {f"state {k}": v for k, v in rt._executor.export_state().items()}
        result["stats"] = rt._executor.stats()
        return result


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Names of what is not equal bit by bit."""
    found = [f"only in one: {sorted(set(a) ^ set(b))}"] if set(a) != set(b) else []
    for key in sorted(set(a) & set(b)):
        x, y = a[key], b[key]
        if isinstance(x, np.ndarray):
            same = x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()
        else:
            same = x == y
        if not same:
            found.append(key)
    return found
