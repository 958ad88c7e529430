"""The command line as users and scripts meet it: in a process of its own, with exit codes, streams and signals."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
GRAPH = """\
procgraph: 1
seed: 7
processes:
  stim: {type: PoissonSource, shape: 20, rate: 50 Hz}
  syn: {type: Dense, weights: {uniform: [0, 0.3], shape: [8, 20], seed: 3}}
  pop: {type: LIF, shape: 8}
channels:
  - stim.s_out -> syn.s_in
  - syn.a_out -> pop.a_in
run: {steps: 200}
"""
CLOCK = """\
import time
import procgraph as pg

class Clock(pg.Process):
    count_out = pg.Out(pg.Array("int32"))
    limit = pg.Param(10, dtype="int32", scalar=True)
    mode = pg.Param("run", dtype="str", choices=("run", "raise", "hang"))
    watch = pg.Param(False, dtype="bool")

class ClockModel(pg.PythonModel, process=Clock):
    def on_reset(self, seed):
        self.count = 0

    @property
    def done(self):
        return self.count >= self.limit

    def progress(self):
        return {"count": self.count, "watched": self.watch}

    def run_step(self):
        self.count += 1
        if self.mode == "raise" and self.count > 3:
            raise ValueError("no more ticks")
        if self.mode == "hang" and self.count > 3:
            open("hangs", "w").close()
            time.sleep(60)
        self.count_out.emit(self.count)
"""
CLOCK_GRAPH = (
    GRAPH.replace("seed: 7", "imports: [clock.py]")
    .replace("steps: 200", "until: done")
    .replace("processes:", "processes:\n  clock: {type: Clock, shape: 1, period: 5 ms}")
)

ENDLESS = """\
procgraph: 1
processes:
  game: {type: Gymnasium, env: CartPole-v1, episodes: 0}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("graph.yaml").write_text(GRAPH)
    Path("clock.py").write_text(CLOCK)
    Path("clock.yaml").write_text(CLOCK_GRAPH)
    return tmp_path


def start(*arguments: object, module: str = "procgraph") -> subprocess.Popen[str]:
    paths = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "100"}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def cli(*arguments: object) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def inside(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The same in this process, for what neither runs long nor is killed."""
    from procgraph.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["procgraph", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def run_json(*arguments: object) -> dict[str, Any]:
    code, out, err = cli("run", *arguments, "--devices", "reference", "--json", "--quiet")
    assert code == 0 and err == "", err
    result: dict[str, Any] = json.loads(out)
    return result


# -- run -----------------------------------------------------------------------------------------------------------------


def test_run_prints_a_summary() -> None:
    code, out, err = cli("run", "graph.yaml", "--devices", "reference")
    assert (code, err) == (0, "")
    assert out.startswith("graph.yaml: 0.2 s simulated in ") and "200 steps, seed 7" in out and "stim 2" in out


def test_run_as_json() -> None:
    result = run_json("graph.yaml")
    assert result["ok"] and result["end"] == "steps" and result["step"] == 200 and result["dt_ms"] == 1.0
    assert set(result["events"]) == {"stim", "pop"} and result["events"]["stim"] > 100
    assert result["elapsed_s"] > 0 and result["realtime_factor"] > 0


def test_options_replace_the_files_defaults() -> None:
    base = run_json("graph.yaml")
    assert run_json("graph.yaml")["events"] == base["events"]
    assert run_json("graph.yaml", "--seed", 8)["events"] != base["events"]
    assert run_json("graph.yaml", "--seconds", 0.05)["step"] == 50
    assert run_json("graph.yaml", "--set", "stim.rate=0 Hz", "--set", "run.steps=30")["events"] == {"stim": 0, "pop": 0}
    paced = run_json("graph.yaml", "--steps", 300, "--realtime", 1)
    assert paced["elapsed_s"] >= 0.29 and paced["pacing"]["windows"] > 0


def test_checkpoint_and_restore_continue_with_the_same_spikes() -> None:
    run_json("graph.yaml", "--steps", 120, "--checkpoint", "half.ckpt")
    assert run_json("graph.yaml", "--steps", 80, "--restore", "half.ckpt", "--checkpoint", "b.ckpt")["step"] == 200
    run_json("graph.yaml", "--steps", 200, "--checkpoint", "a.ckpt")
    assert Path("a.ckpt").read_bytes() == Path("b.ckpt").read_bytes()
    code, _, err = cli("run", "graph.yaml", "--set", "pop.tau_m=3", "--restore", "a.ckpt", "--devices", "reference")
    assert code == 2 and "was made from another Program" in err


def test_compiled_program_runs_like_its_source() -> None:
    code, out, _ = cli("compile", "graph.yaml", "-o", "g.pgx")
    assert code == 0 and out.startswith("g.pgx: 3 nodes")
    assert run_json("g.pgx", "--steps", 200)["events"] == run_json("graph.yaml")["events"]
    code, shown, _ = cli("compile", "g.pgx", "--show")
    assert (
        code == 0
        and shown == cli("compile", "graph.yaml", "--show")[1]
        and shown.startswith("program dt 1 ms, seed 7: 3 nodes")
    )
    Path("cut.pgx").write_bytes(Path("g.pgx").read_bytes()[:-50])
    for command in (
        ("run", "cut.pgx", "--steps", 1),
        ("compile", "cut.pgx", "--show"),
        ("run", "no.pgx", "--steps", 1),
    ):
        code, _, err = cli(*command)
        assert code == 2 and command[1] in err and "Traceback" not in err


def test_until_done_and_progress() -> None:
    result = run_json("clock.yaml", "--set", "clock.limit=30")
    assert (
        result["end"] == "done"
        and result["step"] == 150
        and result["progress"] == {"clock": {"count": 30, "watched": False}}
    )
    assert run_json("clock.yaml", "--until-done", "--steps", 20)["end"] == "steps"
    assert run_json("clock.yaml", "--watch")["progress"]["clock"]["watched"] is True
    assert run_json("clock.yaml", "--until-done", "--realtime", 2)["end"] == "done"
    Path("endless.yaml").write_text(ENDLESS)
    for file in ("graph.yaml", "endless.yaml"):
        code, _, err = cli("run", file, "--until-done", "--devices", "reference")
        assert code == 2 and "no Process of this graph says when it is done" in err


def test_plain_progress_every_second() -> None:
    code, out, err = cli("run", "clock.yaml", "--seconds", 2.5, "--realtime", 1, "--devices", "reference")
    lines = err.splitlines()
    assert code == 0 and 1 <= len(lines) <= 5 and "pacing: jitter" in out
    pattern = r"\d\.\d\d s \(\d+%\), [\d.]+ x real time, [\d.]+( k)? events/s \| clock: count \d+, watched False"
    assert all(re.fullmatch(pattern, line) for line in lines), lines


# -- what goes wrong -----------------------------------------------------------------------------------------------------


def test_a_failing_model_names_itself_and_the_line() -> None:
    code, out, err = cli("run", "clock.yaml", "--set", "clock.mode=raise", "--devices", "reference", "--json")
    assert code == 1 and "Traceback" not in err
    assert err.startswith("clock (ClockModel) raised ValueError at step 15: no more ticks\n  at ")
    assert "clock.py:24 in run_step: raise ValueError" in err
    assert json.loads(out)["ok"] is False and "no more ticks" in json.loads(out)["error"]
    assert "Traceback" in cli("run", "clock.yaml", "--set", "clock.mode=raise", "--devices", "reference", "--debug")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "none.yaml"), "none.yaml: no such file."),
        (("run", "graph.yaml", "--steps", 1, "--seconds", 1), "--steps and --seconds exclude each other."),
        (("run", "graph.yaml", "--realtime", 0), "--realtime is 0; allowed: numbers above 0"),
        (("run", "graph.yaml", "--set", "pop.tau_m"), "--set pop.tau_m: allowed: process.parameter=value"),
        (
            ("run", "graph.yaml", "--set", "pop.tau_n=3"),
            "--set pop.tau_n: pop (LIF) has no argument 'tau_n'. Did you mean 'tau_m'?",
        ),
        (("run", "graph.yaml", "--set", "pop.tau_m=[1, 2"), "--set pop.tau_m=[1, 2:1:"),
        (("run", "graph.yaml", "--devices", "cuda:7"), "device 'cuda:7' is unknown. "),
        (("run", "graph.yaml", "--watch"), "--watch: no Process of graph.yaml has a window to open."),
        (("run", "graph.yaml", "--restore", "none.ckpt", "--devices", "reference"), "none.ckpt cannot be read"),
        (("run", "graph.yaml", "--checkpoint", "no/where.ckpt"), "the folder no does not exist"),
        (
            ("run", "graph.yaml", "--raster", "r.nope"),
            "--raster r.nope: allowed: names that end with .png, .svg, .pdf.",
        ),
        (("run", "clock.yaml", "--no-imports"), "clock.yaml:2:11: imports 'clock.py', and user code was refused."),
        (("run", "g.pgx", "--set", "a.b=1"), "--set and --watch need the YAML file"),
        (("run", "graph.yaml", "--stps", 3), "No such option"),
        (("graph", "none.yaml"), "none.yaml: no such file."),
        (("compile", "g.pgx"), "g.pgx is compiled already."),
        (("rum",), "No such command"),
    ],
)
def test_wrong_usage_ends_with_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...], message: str
) -> None:
    code, _, err = inside(capsys, *arguments)
    assert code == 2 and message in err and "Traceback" not in err, err


def test_how_long() -> None:
    Path("graph.yaml").write_text(GRAPH.replace("run: {steps: 200}", ""))
    code, _, err = cli("run", "graph.yaml")
    assert code == 2 and err == "how long? Give --steps, --seconds or --until-done, or a 'run:' section in the file.\n"


# -- Ctrl-C --------------------------------------------------------------------------------------------------------------


def interrupted(*arguments: object, when: Callable[[subprocess.Popen[str]], str]) -> tuple[int, str, str, float]:
    """Send Ctrl-C at a moment; exit code, streams, and the seconds that the end took."""
    process = start("run", *arguments, "--devices", "reference")
    seen = when(process)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, seen + err, time.monotonic() - sent


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def hanging(process: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + 30
    while not Path("hangs").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return ""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
@pytest.mark.parametrize(
    "arguments",
    [
        ("graph.yaml", "--seconds", 1e6, "--checkpoint", "x.ckpt"),
        ("graph.yaml", "--seconds", 1e6, "--realtime", 0.5, "--checkpoint", "x.ckpt"),
        ("clock.yaml", "--set", "clock.limit=1000000000", "--checkpoint", "x.ckpt"),
    ],
)
def test_ctrl_c_ends_between_two_steps(arguments: tuple[object, ...]) -> None:
    code, out, err, seconds = interrupted(*arguments, when=first_line)
    assert code == 130 and seconds < 2.5, (code, err)
    assert " s simulated in " in out and err.endswith("interrupted\n") and "Traceback" not in err
    assert Path("x.ckpt").stat().st_size > 100


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_ctrl_c_breaks_into_a_model_that_does_not_return() -> None:
    code, _, err, seconds = interrupted("clock.yaml", "--set", "clock.mode=hang", when=hanging)
    assert code == 130 and seconds < 3.5 and "interrupted inside a model that did not return" in err


# -- the other commands --------------------------------------------------------------------------------------------------


def test_validate_prints_all_problems(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(
        GRAPH.replace("rate: 50 Hz", "rate: 50 mV")
        .replace("shape: 8}", "shape: 8, tau_n: 3}")
        .replace("-> syn.s_in", "-> sin.s_in")
    )
    code, out, err = inside(capsys, "validate", "graph.yaml", "bad.yaml", "clock.yaml", "none.yaml")
    assert code == 2 and out == "graph.yaml: ok\nclock.yaml: ok\n"
    found = err.splitlines()
    assert found[0] == "bad.yaml:4:42: stim.rate is given in 'mV'; allowed: one of Hz, kHz."
    assert found[1].startswith("bad.yaml:6:30: pop (LIF) has no argument 'tau_n'. Did you mean 'tau_m'?")
    assert found[2].startswith("bad.yaml:8:5: 'sin.s_in': no Process 'sin'. Did you mean 'syn'?")
    assert found[3].startswith("none.yaml: no such file.") and len(found) == 4
    code, out, _ = inside(capsys, "validate", "graph.yaml", "bad.yaml", "--json")
    result = json.loads(out)
    assert (
        code == 2 and result["ok"] is False and result["files"][0] == {"file": "graph.yaml", "ok": True, "problems": []}
    )
    assert result["files"][1]["problems"][0] == {
        "file": "bad.yaml",
        "line": 4,
        "column": 42,
        "message": found[0].removeprefix("bad.yaml:4:42: "),
    }


def test_validate_prints_all_shapes_that_are_missing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("shapes.yaml").write_text(GRAPH.replace("channels:", "  one: {type: LIF}\n  two: {type: LIF}\nchannels:"))
    code, _, err = inside(capsys, "validate", "shapes.yaml")
    places = [line.split(": ")[0] for line in err.splitlines()]
    assert code == 2 and places == ["shapes.yaml:7:3", "shapes.yaml:8:3"], err


def test_types_of_one_file_do_not_reach_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.yaml").write_text(CLOCK_GRAPH.replace("imports: [clock.py]", "seed: 1"))
    code, _, err = inside(capsys, "validate", "clock.yaml", "other.yaml")
    assert code == 2 and "other.yaml:4:11: clock: unknown type 'Clock'." in err


def test_graph_as_table_mermaid_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = inside(capsys, "graph", "graph.yaml")
    assert code == 0 and "pop   LIF            a_in[8], s_out[8]" in out and "stim.s_out  syn.s_in" in out
    assert inside(capsys, "graph", "graph.yaml", "--mermaid")[1].splitlines() == [
        "flowchart LR",
        '    n0["stim<br/>PoissonSource"]',
        '    n1["syn<br/>Dense"]',
        '    n2["pop<br/>LIF"]',
        "    n0 -->|Graded| n1",
        "    n1 -->|Current| n2",
    ]
    result = json.loads(inside(capsys, "graph", "graph.yaml", "--json")[1])
    assert result["channels"][1] == {
        "from": "syn.a_out",
        "to": "pop.a_in",
        "carries": "Current",
        "delay": "0",
        "capacity": "",
    }


def test_devices_and_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = inside(capsys, "devices", "--json")
    assert code == 0 and {"cpu", "reference"} <= {d["name"] for d in json.loads(out)["devices"]}
    assert "reference  NumPy" in inside(capsys, "devices")[1]
    code, out, _ = inside(capsys, "doctor", "--json")
    report = json.loads(out)
    assert code == 0 and report["packages"]["numpy"] == np.__version__ and report["cpu"]["cores"] >= 1
    assert "[plot]" in report["extras"]["plot"]["install"]
    assert inside(capsys, "doctor")[1].startswith("procgraph ")


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = inside(capsys, "schema")
    assert code == 0 and out == (ROOT / "docs/reference/procgraph.schema.json").read_text(encoding="utf-8")
    assert inside(capsys, "schema", "-o", "s.json")[0] == 0 and Path("s.json").read_text(encoding="utf-8") == out


def test_help_lists_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = inside(capsys, "--help")
    assert code == 0 and "130 Ctrl-C" in out
    code, out, _ = inside(capsys, "run", "--help")
    assert code == 0 and "--until-done" in out and "--set" in out


# -- raster --------------------------------------------------------------------------------------------------------------


def test_raster(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    example = ROOT / "examples/quickstart/graph.yaml"
    result = run_json(example, "--raster", "r.png", "--raster-window", 0.5, "--seconds", 1)
    data = Path("r.png").read_bytes()
    assert result["raster"] == "r.png" and data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 20_000
    assert run_json("graph.yaml", "--raster", "plain.svg")["raster"] == "plain.svg"


def test_raster_without_matplotlib(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "matplotlib" else find(name, *rest)
    )
    code, _, err = inside(capsys, "run", "graph.yaml", "--raster", "r.png", "--devices", "reference")
    assert (code, err) == (2, "--raster needs matplotlib: pip install 'procgraph-snn[plot]'\n")


# -- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "threads"),
    [((), None), (("--threads", 3), 3), (("--threads", "auto"), "auto"), (("--set", "run.threads=2"), 2)],
)
@pytest.mark.parametrize("file", ["graph.yaml", "graph.pgx"])
def test_threads_reach_the_runtime(
    file: str,
    options: tuple[object, ...],
    threads: object,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from procgraph.cli import run

    given: list[dict[str, Any]] = []

    def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            given.append(keywords)
            return function(*arguments, **{k: v for k, v in keywords.items() if k != "threads"})

        return wrapped

    monkeypatch.setattr(run, "compile_graph", recorded(run.compile_graph))
    monkeypatch.setattr(run, "load", recorded(run.load))
    if file.endswith(".pgx"):
        inside(capsys, "compile", "graph.yaml")
        options = ("--threads", 2) if "--set" in options else options
    code, out, err = inside(capsys, "run", file, "--steps", 5, "--devices", "reference", "--json", "--quiet", *options)
    assert (code, err) == (0, "")
    assert [keywords.get("threads") for keywords in given] == [threads]
    assert ("threads" in given[0]) == (threads is not None)
    assert json.loads(out)["threads"] == threads


@pytest.mark.parametrize("threads", ["0", "256", "-1", "x", "1.5", "²"])
def test_wrong_threads(threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = inside(capsys, "run", "graph.yaml", "--threads", threads)
    assert (code, err) == (2, f"--threads is {threads}; allowed: 1 to 255, or auto.\n")
