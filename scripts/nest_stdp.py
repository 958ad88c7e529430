"""Write tests/golden/nest_stdp.npz: weights of NEST's stdp_synapse under random spike trains (needs nest-simulator)."""

from __future__ import annotations

from pathlib import Path

import nest
import numpy as np

PAIRS, STEPS, DELAY = 20, 20_000, 3
DELAYS = [1 + 2 * (i % 10) for i in range(PAIRS)]
W_MAX, LEARNING, ALPHA, TAU = 1.0, 0.02, 1.05, 20.0


def main() -> None:
    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution = 1.0
    rng = np.random.default_rng(7)
    trains = {side: rng.random((PAIRS, STEPS)) < 0.03 for side in ("pre", "post")}
    # A spike generator's spike at t reaches a neuron at t + delay; parrots then emit at t + 1.
    neurons = {}
    for side, fired in trains.items():
        sources = nest.Create(
            "spike_generator", PAIRS, params=[{"spike_times": np.flatnonzero(row) + 1.0} for row in fired]
        )
        neurons[side] = nest.Create("parrot_neuron", PAIRS)
        nest.Connect(sources, neurons[side], "one_to_one", {"delay": 1.0})
    synapse = {
        "weight": 0.5,
        "Wmax": W_MAX,
        "lambda": LEARNING,
        "alpha": ALPHA,
        "mu_plus": 0.0,
        "mu_minus": 0.0,
        "tau_plus": TAU,
        "receptor_type": 1,  # parrots ignore these events, so that only the given train counts
    }
    nest.SetStatus(neurons["post"], "tau_minus", TAU)
    connections = {}
    for name, delays in {"weights": [DELAY] * PAIRS, "weights_of_delays": DELAYS}.items():
        nest.CopyModel("stdp_synapse", name)
        own = {"synapse_model": name, "delay": [float(delay) for delay in delays]}
        nest.Connect(neurons["pre"], neurons["post"], "one_to_one", synapse | own)
        connections[name] = nest.GetConnections(neurons["pre"], neurons["post"], name)
    sampled: dict[str, list[list[float]]] = {name: [] for name in connections}
    for _ in range(10):
        nest.Simulate(STEPS / 10)
        for name, made in connections.items():
            sampled[name].append(list(made.weight))
    out = Path(__file__).parents[1] / "tests" / "golden" / "nest_stdp.npz"
    np.savez_compressed(
        out,
        pre=np.argwhere(trains["pre"]).astype(np.int32),
        post=np.argwhere(trains["post"]).astype(np.int32),
        delays=np.array(DELAYS, np.int32),
        **{name: np.array(weights) for name, weights in sampled.items()},
    )
    print(nest.__version__, {name: weights[-1][:5] for name, weights in sampled.items()})


if __name__ == "__main__":
    main()
