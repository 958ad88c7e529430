"""Events of a probe as an array: one row for each step that was recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

import procgraph as pg
from procgraph.processes import SpikeSource


def test_rows_are_the_steps_since_the_probe_was_made(backend: str) -> None:
    source = SpikeSource(steps=[1, 6, 7], index=[0, 2, 1], payload=[1, 5, 2], shape=3, name="source")
    whole = np.zeros((10, 3), np.int32)
    whole[[1, 6, 7], [0, 2, 1]] = 1, 5, 2

    def equal(probe: Any, rows: Any) -> bool:
        return np.array_equal(probe.data, rows)

    with pg.compile(pg.Graph(source), backend) as rt:
        early = rt.probe("source.s_out")
        assert early.data.shape == (0, 3)
        rt.run(steps=5)
        late = rt.probe("source.s_out")
        assert late.data.shape == (0, 3) and equal(early, whole[:5])  # silent steps at the end are steps, too
        rt.run(steps=5)
        assert equal(early, whole) and equal(late, whole[5:])
        late.take()
        rt.run(steps=2)
        assert equal(late, np.zeros((2, 3)))
        rt.reset()
        rt.run(steps=7)
        assert equal(early, whole[:7]) and equal(late, whole[:7])
    with pg.compile(pg.Graph(source), backend, batch=2) as rt:
        probe = rt.probe("source.s_out")
        rt.run(steps=10)
        assert equal(probe, np.stack([whole, whole], axis=1))
