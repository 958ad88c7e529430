"""Graph files: what they mean, and that everything that is wrong in one is reported at once, each with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.compiler.pipeline import compile_graph
from procgraph.config import load_config, load_graph
from procgraph.config.overrides import parse_override
from procgraph.errors import ConfigError
from procgraph.processes import LIF, Dense, PoissonSource

GOOD = """\
procgraph: 1
dt: 0.5 ms
seed: 7
processes:
  stim: {type: PoissonSource, shape: 12, rate: 20 Hz}
  syn: {type: Dense, weights: w.npy, delay: 2 ms}
  pop: {type: LIF, tau_m: 20 ms, v_th: 1 mV, period: 1 ms}
channels:
  - stim.s_out -> syn.s_in
  - {from: syn.a_out, to: pop.a_in, delay: 1}
run: {seconds: 2, realtime: 1.0, devices: reference}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("w.npy", np.ones((3, 12), np.float32))
    return tmp_path


def write(text: str, name: str = "g.yaml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def problems(text: str, **options: Any) -> list[str]:
    """What loading and compiling a text reports, as ``line:column: message``."""
    with pytest.raises(ConfigError) as caught:
        load_config(write(text), **options).compile()
    return [str(p).removeprefix("g.yaml:") for p in caught.value.problems]


def test_yaml_and_python_compile_to_the_same_program(folder: Path) -> None:
    config = load_config(write(GOOD))
    stim, pop = PoissonSource(shape=12, rate=20.0, name="stim"), LIF(tau_m=20.0, period=2, name="pop")
    syn = Dense(np.ones((3, 12)), delay=4, name="syn")
    stim.s_out.connect(syn.s_in)
    syn.a_out.connect(pop.a_in, delay=1)
    assert config.compile().data == compile_graph(pg.Graph(pop, dt=0.5, seed=7)).data
    assert (config.run.seconds, config.run.realtime, config.run.devices) == (2, 1.0, "reference")


def test_lazy_export(folder: Path) -> None:
    graph = pg.from_yaml(write(GOOD))
    assert set(graph.processes) == {"stim", "syn", "pop"} and graph.dt == 0.5


MANY = """\
procgraph: 2
dt: 1 ms
sed: 7
processes:
  stim: {type: PoisonSource, shape: 784, rate: 20 Hz}
  src: {type: PoissonSource, shape: 10, rate: 20 mV}
  hot: {type: PoissonSource, shape: 10, rate: 90 kHz}
  syn: {type: Dense, weights: missing.npy, delay: 2 ms}
  nan: {type: Dense, weights: [[.nan, 1], [1, 2]]}
  pop: {type: LIF, shape: 128, tau_n: 20 ms, v_th: [1, 2, x], t_ref: -1}
  pop2: {type: LIF, shape: 0}
  half: {type: Dense, weights: [[1, 2]], delay: 0.5 ms}
  late: {type: LIF, shape: 3, device: "cuda:0", period: 2.5 ms}
  nowhere: {type: Dense}
  notype: {shape: 3}
  ok: {type: LIF, shape: 10}
  ok2: {type: LIF, shape: 11}
  from_ok: {type: Dense, weights: {constant: 1, shape: [11, 12]}}
  to_ok2: {type: OneToOne, shape: 11}
  pop: {type: LIF}
channels:
  - stim.s_out -> syn.s_in
  - src.s_outt -> ok.a_in
  - ok.s_out -> ok2.a_in
  - sorc.s_out -> ok2.a_in
  - ok.s_out - ok2.a_in
  - {from: ok.s_out, too: ok2.a_in}
  - ok.s_out[__import__('os')] -> ok2.a_in
  - {from: "ok.s_out[0:3, 0]", to: ok2.a_in, when_full: panic}
  - ok.s_out -> from_ok.s_in
  - to_ok2.a_out -> ok2.a_in
  - to_ok2.a_out -> ok2.a_in
  - {from: ok2.s_out, to: to_ok2.s_in, delay: -1}
  - ok2.a_in -> ok.a_in
run: {steps: 1.5, seconds: x}
"""

# (line:column, the message or a part of it)
EXPECTED = [
    ("1:1", "procgraph is 2; allowed: 1."),
    ("3:1", "the file has the unknown key 'sed'. Did you mean 'seed'?"),
    ("5:10", "stim: unknown type 'PoisonSource'. Did you mean 'PoissonSource'?"),
    ("6:41", "src.rate is given in 'mV'; allowed: one of Hz, kHz."),
    (
        "7:41",
        "hot: PoissonSource.rate is 90000 Hz, 90 events in a step of 1 ms; allowed: up to 4000 Hz. Lower the rate or dt.",
    ),
    ("8:22", "missing.npy: no such file"),
    ("9:22", "nan.weights[0, 0] is nan; allowed: finite float32 numbers. 1 of 4 are not."),
    ("10:32", "pop (LIF) has no argument 'tau_n'. Did you mean 'tau_m'? Known: bias, device, "),
    ("10:46", "pop.v_th is [1, 2, 'x']; allowed: a number, or an array with one per element."),
    ("10:63", "pop.t_ref is -1; allowed: >= 0 ms."),
    ("11:21", "pop2.shape is 0; allowed: whole numbers of at least 1"),
    ("12:42", "half.delay is '0.5 ms', 0.5 steps of 1 ms; allowed: whole steps"),
    ("13:31", "late.device: device 'cuda:0' is unknown. Known: cpu, reference. 'procgraph devices' lists them."),
    ("13:49", "late.period is '2.5 ms', 2.5 steps of 1 ms; allowed: whole steps"),
    ("14:3", "nowhere (Dense) needs the key 'weights'."),
    ("15:11", "notype needs the key 'type'."),
    ("20:3", "the key 'pop' stands twice (first at line 10). Remove one."),
    ("23:5", "src has no port 's_outt'. Did you mean 's_out'?"),
    ("24:5", "ok.s_out carries Spikes, but ok2.a_in takes Current."),
    ("25:5", "'sorc.s_out': no Process 'sorc'. Did you mean 'src'?"),
    ("26:5", "'ok.s_out - ok2.a_in' is not a channel; allowed: 'process.output -> process.input', one a line."),
    ("27:5", "channel 6 needs the key 'to'."),
    ("27:22", "channel 6 has the unknown key 'too'. Did you mean 'to'?"),
    (
        "28:5",
        "\"ok.s_out[__import__('os')]\" is not a port: expected a whole number, a slice a:b, or '...' (at character 10).",
    ),
    ("29:46", "channel 8: when_full is 'panic'; allowed: 'block', 'drop_oldest', 'drop_newest', 'latest' or 'error'."),
    ("30:5", "ok.s_out has shape (10,), but from_ok.s_in takes shape (12,)."),
    ("32:5", "to_ok2.a_out -> ok2.a_in is joined twice (first at bad.yaml:31:5). Remove one."),
    ("33:5", "ok2.s_out -> to_ok2.s_in: delay is -1; allowed: 0 to 100000 steps, or a time such as '2 ms'."),
    ("34:5", "ok2.a_in is an input; a channel begins at an output."),
    ("35:7", "run: steps is 1.5; allowed: a whole number."),
    ("35:19", "run: seconds is 'x'; allowed: a number."),
]


def test_all_mistakes_are_reported_at_once(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_graph(write(MANY, "bad.yaml"))
    found = [str(p) for p in caught.value.problems]
    assert [f.split(": ")[0] for f in found] == [f"bad.yaml:{place}" for place, _ in EXPECTED]
    for line, (place, message) in zip(found, EXPECTED, strict=True):
        assert line.startswith(f"bad.yaml:{place}: {message}")
    assert str(caught.value) == "\n".join([f"bad.yaml has {len(EXPECTED)} problems:", *found])


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        # found by the shapes' inference or a compiler pass
        (
            ("v_th: 1 mV", "v_th: [1, 2]"),
            "7:34",
            "pop.v_th has 2 values; allowed: one number, or one for each of the 3 elements.",
        ),
        (
            ("- {from: syn.a_out, to: pop.a_in, delay: 1}", "- {from: syn.a_out, to: pop.a_in, delay: 0.7 ms}"),
            "10:5",
            "syn.a_out -> pop.a_in: delay is '0.7 ms'",
        ),
        (("weights: w.npy", "weights: {eye: 5}"), "9:5", "stim.s_out has shape (12,), but syn.s_in takes shape (5,)"),
        (("tau_m: 20 ms", "phase: 4"), "7:20", "pop.phase is 4 steps; allowed: 0 to 1, below the period."),
        (("type: LIF,", "type: LIF, tau_n: 3,"), "7:20", "pop (LIF) has no argument 'tau_n'. Did you mean 'tau_m'?"),
        (("device", "devize"), "11:34", "run has the unknown key 'devizes'. Did you mean 'devices'?"),
        (("seconds: 2", "seconds: 2, steps: 3"), "11:6", "run: steps and seconds exclude each other. Remove one."),
        (("dt: 0.5 ms", "dt: 0"), "2:1", "dt is 0; allowed: greater than 0"),
        (("dt: 0.5 ms", "dt: 5 mV"), "2:1", "dt is given in 'mV'; allowed: one of s, ms, us."),
        (("dt: 0.5 ms", "dt: 1e9 s"), "2:1", "dt is 1e+12 ms; allowed: 1e-6 to 1e6 ms."),
        (("seed: 7", "seed: -1"), "3:1", "seed is -1; allowed: greater than or equal to 0."),
        (("seed: 7", "seed: true"), "3:1", "seed is True; allowed: a whole number."),
        (("pop: {", "po.p: {"), "7:3", "LIF.name is 'po.p'; allowed: letters, digits, '_' and '-'."),
        (("devices: reference", "devices: gpu"), "11:34", "device 'gpu' is unknown."),
    ],
)
def test_each_mistake_has_its_place(folder: Path, change: tuple[str, str], place: str, message: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    found = problems(text)
    assert found[0].startswith(f"{place}: {message}"), found


def test_cycle_without_delay_names_the_path(folder: Path) -> None:
    text = """\
procgraph: 1
processes:
  a: {type: LIF, shape: 2}
  b: {type: OneToOne, weights: 1, delay: 0}
channels:
  - a.s_out -> b.s_in
  - b.a_out -> a.a_in
"""
    assert problems(text) == [
        "3:3: cycle without delay: a -> b -> a. Give one of its connections or synapses a delay of at least 1 step."
    ]


def test_conflicting_pins_are_found_when_validating(folder: Path) -> None:
    text = GOOD.replace("rate: 20 Hz", "rate: 20 Hz, device: cpu").replace("devices: reference", "devices: auto")
    text = text.replace("tau_m: 20 ms", "tau_m: 20 ms, device: reference")
    with pytest.raises(ConfigError, match=r"pinned to cpu, reference|stim.device is 'cpu'"):
        load_config(write(text)).compile()


@pytest.mark.parametrize(
    "text",
    ["", "3", "[1, 2]", "processes: 3\nprocgraph: 1", "procgraph: 1\nprocesses: {}", "procgraph: 1\nprocesses: {a: 3}"],
)
def test_files_that_are_no_graph(folder: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_graph(write(text))


def test_missing_file_and_folder(folder: Path) -> None:
    for path in ("none.yaml", "."):
        with pytest.raises(ConfigError, match=r"no such file|is not a file"):
            load_graph(path)


def test_merge_keys_and_aliases(folder: Path) -> None:
    config = load_config(
        write("""\
procgraph: 1
processes:
  a: &neuron {type: LIF, shape: 3, tau_m: 5 ms}
  b: {<<: *neuron, tau_m: 7 ms}
  c: *neuron
"""),
        {"c.shape": 4},
    )
    assert [config.processes[k].values["tau_m"] for k in "abc"] == [5.0, 7.0, 5.0]
    assert [config.processes[k].shape for k in "abc"] == [(3,), (3,), (4,)]


def test_views_and_arrays(folder: Path) -> None:
    np.savez("many.npz", b=np.array([1, 0, 2]))
    config = load_config(
        write("""\
procgraph: 1
processes:
  frames: {type: FrameSource, frames: {uniform: [0, 1], shape: [2, 6, 8], seed: 3}}
  eye: {type: BernoulliEncoder}
  syn: {type: Sparse, pre: "many.npz:b", post: [0, 0, 1], weights: {normal: [1, 0.5], shape: 3, seed: 4}, n_pre: 12, n_post: 2}
  pop: {type: LIF, v_th: {constant: 3.0, shape: [1, 2]}, shape: [1, 2]}
channels:
  - frames.frame[0:3, ::2] -> eye.x_in
  - eye.s_out.transpose(1, 0).flatten() -> syn.s_in
  - {from: "syn.a_out.reshape(1, -1).gather([1, 0])", to: "pop.a_in.flatten()"}
""")
    )
    config.compile()
    frames = config.processes["frames"]
    assert np.array_equal(frames.frames, np.random.default_rng(3).uniform(0, 1, (2, 6, 8)).astype(np.float32))  # type: ignore[attr-defined]
    assert config.processes["eye"].period == 1 and np.array_equal(config.processes["pop"].values["v_th"], [[3.0, 3.0]])


# -- overrides -----------------------------------------------------------------------------------------------------------


def test_overrides(folder: Path) -> None:
    graph = load_graph(write(GOOD), {"pop.tau_m": "5 ms", "syn.weights": np.zeros((3, 12)), "dt": 0.25, "seed": 1})
    assert graph.processes["pop"].values["tau_m"] == 5.0 and graph.dt == 0.25 and graph.seed == 1
    assert not graph.processes["syn"].values["weights"].any()
    assert load_config(write(GOOD), {"run.realtime": 2}).run.realtime == 2
    lists = load_graph(write(GOOD), dict([parse_override("pop.v_th=[1, 2, 3]")]) | {"pop.t_ref": (1, 2.0, 3)})
    assert np.array_equal(lists.processes["pop"].values["v_th"], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pop.tau_n", 5, "--set pop.tau_n: pop (LIF) has no argument 'tau_n'. Did you mean 'tau_m'?"),
        ("pap.tau_m", 5, "--set pap.tau_m: leads nowhere. Did you mean 'pop.tau_m'?"),
        ("pop.tau_m", "5 mV", "--set pop.tau_m: pop.tau_m is given in 'mV'"),
        ("seeds", 5, "--set seeds: leads nowhere. Did you mean 'seed'?"),
        ("channels", [], "--set channels: leads nowhere. Known: dt, "),
        ("run.steps", -1, "--set run.steps: run: steps is -1; allowed: greater than or equal to 0."),
    ],
)
def test_wrong_overrides(folder: Path, key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(GOOD), {key: value})
    assert str(caught.value.problems[0]).startswith(message)


# -- user code -----------------------------------------------------------------------------------------------------------

MODELS = """\
import procgraph as pg

class Blinker(pg.Process):
    s_out = pg.Out(pg.Spikes)
    every = pg.Param(3, dtype="int32", scalar=True)
    watch = pg.Param(False, dtype="bool")

    def __init__(self, *, title: str = "", extra=None, **options):
        super().__init__(**options)
        self.title, self.extra = title, extra

class BlinkerModel(pg.PythonModel, process=Blinker):
    def run_step(self):
        self.s_out.emit(self.step % self.every == 0)

class Column(pg.Process):
    s_out = pg.Out(pg.Spikes)
    def build(self):
        self.inner = Blinker(shape=2)
        self.inner.s_out.connect(self.s_out)
"""
USER = """\
procgraph: 1
imports: [models.py]
processes:
  blink: {type: Blinker, shape: 2, title: names.npy, extra: {any: thing}}
  column: {type: Column}
  sink: {type: SpikeSink}
channels:
  - column.inner.s_out -> sink.s_in
"""


def test_user_processes_children_and_everywhere(folder: Path) -> None:
    Path("models.py").write_text(MODELS)
    config = load_config(write(USER), everywhere={"watch": True, "nothing": 1})
    blink = config.processes["blink"]
    assert blink.values["watch"] is True and config.taken == {"watch"}
    assert (blink.title, blink.extra) == ("names.npy", {"any": "thing"})  # type: ignore[attr-defined]
    assert len(config.graph.connections) == 2
    config.compile()


def test_user_code_can_be_refused(folder: Path) -> None:
    Path("models.py").write_text("raise SystemExit('executed')")
    found = problems(USER, imports=False)
    assert found[0].startswith("2:11: imports 'models.py', and user code was refused.")


def test_failing_user_code(folder: Path) -> None:
    Path("models.py").write_text("import math\n\nmath.sqrt(-1)\n")
    assert "models.py:3: ValueError: " in problems(USER)[0] and problems(USER)[0].startswith("2:11: ")
    Path("models.py").write_text(
        MODELS.replace("self.title, self.extra = title, extra", "raise RuntimeError('no title')")
    )
    assert problems(USER)[0] == "4:3: blink (Blinker): RuntimeError: no title"
    assert problems(USER.replace("models.py", "modles.py"))[0].startswith("2:11: imports 'modles.py': no such file")
    assert "No module named 'not_there'" in problems(USER.replace("models.py", "not_there"))[0]


@pytest.mark.parametrize("threads", [1, 255, "auto"])
def test_threads(folder: Path, threads: int | str) -> None:
    assert load_config(write(GOOD.replace("seconds: 2", f"threads: {threads}"))).run.threads == threads


@pytest.mark.parametrize("threads", ["0", "256", "many", "true", "1.5"])
def test_wrong_threads(folder: Path, threads: str) -> None:
    found = problems(GOOD.replace("seconds: 2", f"threads: {threads}"))
    assert len(found) == 1 and found[0].startswith("11:7: run: threads is ") and "'auto'" in found[0]
