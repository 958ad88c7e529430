"""``procgraph run`` as users and scripts meet it: in a process of its own, with exit codes, streams and signals."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import GRAPH, cli, inside, run_json, start, write_files

ENDLESS = """\
procgraph: 1
processes:
  game: {type: Gymnasium, env: CartPole-v1, episodes: 0}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_files(tmp_path, monkeypatch)


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


def test_a_restored_run_tells_the_seed_of_its_checkpoint() -> None:
    assert run_json("graph.yaml", "--seed", 4, "--steps", 10, "--checkpoint", "a.ckpt")["seed"] == 4
    assert run_json("graph.yaml", "--steps", 10, "--restore", "a.ckpt")["seed"] == 4


@pytest.mark.parametrize(
    "arguments", [("compile", "graph.yaml", "-o", "./graph.yaml"), ("run", "graph.yaml", "--checkpoint", "graph.yaml")]
)
def test_the_file_that_is_read_is_not_written_over(
    capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...]
) -> None:
    code, _, err = inside(capsys, *arguments)
    assert code == 2 and err == "graph.yaml is the file that is read; give another name to write to.\n"
    assert Path("graph.yaml").read_text() == GRAPH


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
        (("run", "graph.yaml", "--seed", 1, "--restore", "a.ckpt"), "--seed and --restore exclude each other"),
        (("run", "graph.yaml", "--seconds", "inf"), "Invalid value for '--seconds'"),
        (("run", "graph.yaml", "--raster-window", "inf", "--raster", "r.png"), "Invalid value for '--raster-window'"),
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
        (("run", "graph.yaml", "--raster-of", "pop"), "--raster-of says what --raster draws"),
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
