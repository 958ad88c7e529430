"""The command line in a process of its own or in this one, and files for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def write_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder the working one, with a graph, and one that has a model of its own."""
    monkeypatch.chdir(folder)
    Path("graph.yaml").write_text(GRAPH)
    Path("clock.py").write_text(CLOCK)
    Path("clock.yaml").write_text(CLOCK_GRAPH)
    return folder


def start(*arguments: object, module: str = "procgraph", script: Path | None = None) -> subprocess.Popen[str]:
    paths = os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "100"}
    command = [sys.executable, *(["-m", module] if script is None else [str(script)]), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def cli(*arguments: object, script: Path | None = None) -> tuple[int, str, str]:
    process = start(*arguments, script=script)
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
