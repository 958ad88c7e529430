"""examples/quickstart: YAML and Python are one Program, and the output in its README is what comes out."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import procgraph as pg
from procgraph.compiler.pipeline import compile_graph
from procgraph.config import load_config

FOLDER = Path(__file__).parents[2] / "examples/quickstart"
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"quickstart_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_both_forms_are_one_program() -> None:
    assert load_config(FOLDER / "graph.yaml").compile().data == compile_graph(module("main").build()).data


def test_output_of_main(capsys: pytest.CaptureFixture[str]) -> None:
    module("main").main(devices="reference")
    assert f"$ python examples/quickstart/main.py\n{capsys.readouterr().out}```" in README


def test_events_of_the_yaml_form() -> None:
    config = load_config(FOLDER / "graph.yaml")
    with pg.compile(config.graph, devices="reference") as rt:
        rt.run(seconds=config.run.seconds)
        events = rt.stats()["events"]
    line = re.search(r"^events: ([\d,]+) .*?: (.*)$", README, re.MULTILINE)
    assert line is not None
    assert line.group(2) == ", ".join(f"{k} {v:,}" for k, v in sorted(events.items(), key=lambda i: -i[1]))
    assert int(line.group(1).replace(",", "")) == sum(events.values())


def test_inputs_are_what_the_script_writes() -> None:
    inputs = module("inputs")
    assert np.array_equal(np.load(FOLDER / "pattern.npy"), inputs.pattern())
    with np.load(FOLDER / "weights.npz") as saved:
        made = inputs.weights()
        assert sorted(saved) == sorted(made) and all(np.array_equal(saved[k], made[k]) for k in made)


def test_overrides_of_the_readme() -> None:
    assert load_config(FOLDER / "graph.yaml", {"left_inhibits.weights": -0.5}).compile()
