"""Write the network's weights, set by hand: ``python weights.py``. The README derives them."""

from pathlib import Path

import numpy as np

COLUMNS, ROWS = 160, 8
WIDTH = 8.0  # columns over which the pull towards a target falls to 1/e
DARK = 0.25  # what something dark pulls, relative to something near

column = np.arange(COLUMNS) - (COLUMNS - 1) / 2
distance = np.abs(column)
# Attack what covers one of the two centre columns, or is so thin that one tic of turning would jump over them.
sight = np.select([distance < 1, distance < 2, distance < 4], [1.0, 0.5, -0.25])
pull = -np.sign(column) * np.exp(-distance / WIDTH) * (distance > 1)
motor = np.stack([sight, pull, -pull])  # attack, turn left, turn right

WEIGHTS = {
    "column": np.full((1, 1, ROWS, 1), -1.0),
    "near": motor,
    "dark": DARK * motor,
    "wait": np.array([[-10.0], [0.0], [0.0]]),
}
ARRAYS = {name: weights.astype(np.float32) for name, weights in WEIGHTS.items()}

if __name__ == "__main__":
    np.savez(Path(__file__).with_name("weights.npz"), **ARRAYS)
