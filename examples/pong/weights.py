"""Write the network's weights, set by hand: ``python weights.py``. The README derives them.

Rows count from the top of the field (0 to 159). Weights are multiples of 1/4, so their fixed-point form is exact.
"""

from pathlib import Path

import numpy as np

ROWS = 160
BALL_SIZE, PADDLE_SIZE = 4, 16

row = np.arange(ROWS)
middle = (ROWS - 1) / 2
ball = row - (BALL_SIZE - 1) / 2 - middle  # centre of a ball whose lower edge is in this row
paddle = row - (PADDLE_SIZE - 1) / 2 - middle
# At the bottom of the field the paddle's lower edge is out of sight: the upper edge moves on and adds what is missing.
hidden = np.maximum(row - (ROWS - PADDLE_SIZE), 0.0)
motor = np.array([[0.0], [-1.0], [1.0]])  # stay, up, down


def rows_of(columns: int) -> np.ndarray:
    """Sum over the columns of a row: brightening counts +1/2, darkening -1/2 for each event."""
    return np.stack([np.full((1, columns), 0.5), np.full((1, columns), -0.5)])[None]


def network(columns: int, ball_lead: float, paddle_lead: float, aim: float) -> dict[str, np.ndarray]:
    """All weights; ``columns`` of the field are watched, leads are in game frames, ``aim`` in pixels."""
    return {
        "ball_filter": rows_of(columns),
        "paddle_filter": rows_of(4),
        "lower_edge": np.array([0.0, 1.0, -1.0]).reshape(1, 1, 3, 1),
        "upper_edge": np.array([-1.0, 1.0, 0.0]).reshape(1, 1, 3, 1),
        "ball_now": motor * ((1 + ball_lead) * ball + aim),
        "ball_before": motor * -ball_lead * ball,
        "paddle_now": motor * -(1 + paddle_lead) * paddle,
        "paddle_before": motor * paddle_lead * paddle,
        "hidden_now": motor * -(1 + paddle_lead) * hidden,
        "hidden_before": motor * paddle_lead * hidden,
    }


NETWORKS = {
    "weights.npz": network(columns=70, ball_lead=1.5, paddle_lead=0.75, aim=0.0),
    "weights_fast.npz": network(columns=50, ball_lead=2.0, paddle_lead=0.75, aim=5.0),
}

if __name__ == "__main__":
    for name, arrays in NETWORKS.items():
        np.savez(Path(__file__).with_name(name), **{k: v.astype(np.float32) for k, v in arrays.items()})
