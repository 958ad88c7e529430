"""The other commands and the options of the command line."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import CLOCK_GRAPH, GRAPH, ROOT, inside, run_json, start, write_files

import procgraph as pg


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_files(tmp_path, monkeypatch)


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


def test_validate_prints_what_every_pass_finds(capsys: pytest.CaptureFixture[str]) -> None:
    late = "  one: {type: LIF, shape: 8, period: 2, phase: 2}\n  two: {type: LIF, shape: 8, period: 3, phase: 5}\nchannels:"
    Path("passes.yaml").write_text(GRAPH.replace("channels:", late))
    code, _, err = inside(capsys, "validate", "passes.yaml")
    places = [line.split(": ")[0] for line in err.splitlines()]
    assert code == 2 and places == ["passes.yaml:7:41", "passes.yaml:8:41"], err


def test_validate_prints_cycles_beside_other_findings(capsys: pytest.CaptureFixture[str]) -> None:
    loop = "  back: {type: Dense, weights: {constant: 0.1, shape: [8, 8]}, delay: 0}\nchannels:\n  - pop.s_out -> back.s_in\n"
    text = GRAPH.replace("channels:\n", loop + "  - back.a_out -> pop.a_in\n")
    Path("loop.yaml").write_text(text.replace("{steps: 200}", "{devices: nowhere}"))
    code, _, err = inside(capsys, "validate", "loop.yaml")
    assert code == 2 and "nowhere" in err and "cycle" in err, err


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


def test_output_that_nobody_reads_to_its_end() -> None:
    process = start("graph", "graph.yaml")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 1
    process.stderr.close()


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = inside(capsys, "schema")
    assert code == 0 and out == (ROOT / "docs/reference/procgraph.schema.json").read_text(encoding="utf-8")
    assert inside(capsys, "schema", "-o", "s.json")[0] == 0 and Path("s.json").read_text(encoding="utf-8") == out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert inside(capsys, "--version")[:2] == (0, f"procgraph {pg.__version__}\n")


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
    result = run_json("graph.yaml", "--raster", "plain.svg")
    assert result["raster"] == "plain.svg" and result["raster_left_out"] == []


def test_a_raster_shows_what_was_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the time before a checkpoint; and an axis without length makes matplotlib warn."""
    plot = pytest.importorskip("procgraph.runtime.plot")
    shown: list[tuple[float, float]] = []
    monkeypatch.setattr(plot, "overview", lambda *given: shown.append(given[4]))
    for arguments in (
        ("--steps", 0, "--checkpoint", "a.ckpt"),
        ("--steps", 150, "--checkpoint", "a.ckpt"),
        ("--steps", 50, "--restore", "a.ckpt"),
        ("--steps", 50, "--restore", "a.ckpt", "--raster-window", 0.02),
    ):
        code, _, err = inside(capsys, "run", "graph.yaml", *arguments, "--raster", "r.png")
        assert (code, err) == (0, "")
    assert np.allclose(shown, [(0.0, 0.001), (0.0, 0.15), (0.15, 0.2), (0.18, 0.2)])


def test_a_raster_leaves_out_what_it_cannot_hold(capsys: pytest.CaptureFixture[str]) -> None:
    """A million events in its window are no dots any more, and recording them takes longer than the run."""
    pytest.importorskip("matplotlib")
    Path("loud.yaml").write_text(GRAPH.replace("50 Hz", "900 Hz").replace("20", "600", 1).replace("20]", "600]"))
    code, out, _ = inside(capsys, "run", "loud.yaml", "--raster", "r.svg", "--steps", 100)
    assert code == 0 and "not drawn, too many events: stim (see --raster-of)" in out
    assert ">stim" not in Path("r.svg").read_text() and "pop" in Path("r.svg").read_text()
    assert run_json("loud.yaml", "--raster", "all.svg", "--raster-window", 0.2, "--steps", 100)["raster_left_out"] == []
    assert run_json("loud.yaml", "--raster", "s.svg", "--raster-of", "stim", "--steps", 100)["raster_left_out"] == []
    names = {name: ["stim" in Path(name).read_text(), "pop" in Path(name).read_text()] for name in ("all.svg", "s.svg")}
    assert names == {"all.svg": [True, True], "s.svg": [True, False]}
    code, _, err = inside(capsys, "run", "loud.yaml", "--raster", "r.svg", "--raster-of", "stm", "--steps", 1)
    assert code == 2 and err.startswith(
        "--raster-of: no Process 'stm' emits events. Did you mean 'stim'? Known: pop, stim."
    )


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
