"""Writes ``pattern.npy`` and ``weights.npz``, which graph.yaml and main.py both read."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SIDE, NEURONS = 8, 16


def pattern() -> np.ndarray:
    """A bright bar that moves over an 8 x 8 field, from left to right and back; (28, 8, 8), intensity 0 to 1."""
    columns = np.repeat([*range(SIDE), *range(SIDE - 2, 0, -1)], 2)
    distance = np.abs(np.arange(SIDE)[None, :] - columns[:, None])
    bar = np.exp(-((distance / 1.2) ** 2))
    return np.repeat(bar[:, None, :], SIDE, axis=1).astype(np.float32)


def weights() -> dict[str, np.ndarray]:
    """One population looks at the left half of the field and one at the right half."""
    rng = np.random.default_rng(3)
    left = np.zeros((NEURONS, SIDE, SIDE))
    right = np.zeros((NEURONS, SIDE, SIDE))
    left[:, :, : SIDE // 2] = rng.uniform(0.0, 0.1, left[:, :, : SIDE // 2].shape)
    right[:, :, SIDE // 2 :] = rng.uniform(0.0, 0.1, right[:, :, SIDE // 2 :].shape)
    votes = np.zeros((2, 2, NEURONS))
    votes[0, 0] = votes[1, 1] = 0.5
    named = {
        "left": left.reshape(NEURONS, -1),
        "right": right.reshape(NEURONS, -1),
        "vote_left": votes[0],
        "vote_right": votes[1],
    }
    return {name: array.astype(np.float32) for name, array in named.items()}


if __name__ == "__main__":
    np.save(HERE / "pattern.npy", pattern())
    np.savez(HERE / "weights.npz", **weights())
