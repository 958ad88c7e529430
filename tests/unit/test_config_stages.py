"""Mistakes of all kinds in one graph file: those that an early check finds do not hide those of a later one."""

from __future__ import annotations

from pathlib import Path

import pytest

from procgraph.config import load_config
from procgraph.errors import ConfigError


def problems(folder: Path, text: str) -> list[str]:
    """Line, column and message of everything that is wrong."""
    (folder / "graph.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(folder / "graph.yaml").compile()
    return [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems]


EVERY_STAGE = """\
procgraph: 1
seed: -3
processes:
  nope: {type: LIFF, shape: 3}
  partial: {type: LIF, shape: 4, tau_n: 3}
  after: {type: LIF}
  joined: {type: OneToOne, weights: [1, 2, 3, 4]}
  a: {type: LIF, shape: 3}
  b: {type: Dense, weights: {eye: 5}}
  sizes: {type: LIF, shape: 3, v_th: [1, 2]}
  phase: {type: LIF, shape: 3, period: 2, phase: 4}
  x: {type: LIF, shape: 2}
  y: {type: OneToOne, weights: 1, delay: 0}
channels:
  - nope.s_out -> after.a_in
  - partial.s_out -> joined.s_in
  - a.s_out -> b.s_in
  - x.s_out -> y.s_in
  - y.a_out -> x.a_in
run: {devices: gpu}
"""


def test_what_one_stage_finds_does_not_hide_the_next(tmp_path: Path) -> None:
    """Schema, construction, shapes, lowering and device at once; nothing follows from what is known to be wrong."""
    expected = [
        "2:1: seed is -3",
        "4:10: nope: unknown type 'LIFF'",
        "5:34: partial (LIF) has no argument 'tau_n'",
        "10:32: sizes.v_th has shape (2,)",
        "11:43: phase.phase is 4 steps",
        "17:5: a.s_out has shape (3,), but b.s_in takes shape (5,)",
        "20:7: device 'gpu' is unknown",
    ]
    found = problems(tmp_path, EVERY_STAGE)
    assert len(found) == len(expected), found
    assert all(line.startswith(start) for line, start in zip(found, expected)), found
    healed = EVERY_STAGE.replace("v_th: [1, 2]", "v_th: 1").replace("phase: 4", "phase: 1")
    assert "12:3: cycle without delay: x -> y -> x." in " ".join(problems(tmp_path, healed))
