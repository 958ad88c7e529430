"""The graph of graph.yaml in Python. Both compile to the same Program, byte for byte."""

from pathlib import Path

import numpy as np

import procgraph as pg
from procgraph.processes import LIF, AllToAll, Argmax, Dense, FrameSource, PoissonEncoder

HERE = Path(__file__).parent


def build() -> pg.Graph:
    """The graph: a moving pattern, two populations that inhibit each other, and a decision."""
    w = np.load(HERE / "weights.npz")
    pattern = FrameSource(np.load(HERE / "pattern.npy"), cycle=True, period="10 ms", name="pattern")
    eye = PoissonEncoder(max_rate="200 Hz", name="eye")
    vote = LIF(shape=2, tau_m=5.0, v_th=1.0, name="vote")
    decide = Argmax(window=50, name="decide")
    pattern >> eye
    vote >> decide

    sides = {}
    for side in ("left", "right"):
        sides[side] = LIF(shape=16, tau_m=20.0, v_th=1.0, t_ref="2 ms", name=side)  # mV and ms, unless a unit is given
        look = Dense(w[side], delay="2 ms", name=f"to_{side}")
        eye.s_out.flatten().connect(look.s_in)
        look >> sides[side] >> Dense(w[f"vote_{side}"], name=f"count_{side}") >> vote
    sides["left"] >> AllToAll(-0.12, name="left_inhibits") >> sides["right"]
    sides["right"] >> AllToAll(-0.12, name="right_inhibits") >> sides["left"]
    return pg.Graph(vote, dt=1.0, seed=7)


def main(devices: str = "auto") -> None:
    """Run two seconds and print what happened."""
    graph = build()
    with pg.compile(graph, devices=devices) as rt:
        spikes = {side: rt.probe(f"{side}.s_out") for side in ("left", "right")}
        decision = rt.probe("decide.index", every=50)
        rt.run(seconds=2)
        for side, probe in spikes.items():
            print(f"{side}: {len(probe.events)} spikes")
        print("decision every 50 ms:", "".join("LR"[i] for i in decision.data.ravel()))


if __name__ == "__main__":
    main()
