"""Write the network's weights, set by hand: ``python weights.py``. The README derives them."""

from pathlib import Path

import numpy as np

COLUMNS, ROWS = 160, 8
WIDTH = 8.0  # columns over which the pull towards a target falls to 1/e
DARK = 0.25  # what something dark pulls, relative to something near

column = np.arange(COLUMNS) - (COLUMNS - 1) / 2
pull = -np.sign(column) * np.exp(-np.abs(column) / WIDTH) * (np.abs(column) > 1)
centre = (np.abs(column) < 1).astype(np.float64)
motor = np.stack([centre, pull, -pull])  # attack, turn left, turn right

WEIGHTS = {
    "column": np.full((1, 1, ROWS, 1), -1.0),
    "near": motor,
    "dark": DARK * motor,
    "wait": np.array([[-10.0], [0.0], [0.0]]),
}
ARRAYS = {name: weights.astype(np.float32) for name, weights in WEIGHTS.items()}

if __name__ == "__main__":
    np.savez(Path(__file__).with_name("weights.npz"), **ARRAYS)
