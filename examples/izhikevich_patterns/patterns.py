"""The twenty firing patterns of Izhikevich (2004), figure 1: parameters and inputs of the paper's program.

Three of them depend on the step of the program, and are changed here: (P) takes its second pulse at 208 ms (the
program at 216), because the phase of the oscillation decides whether a pulse ends the firing; (Q) has a pulse of 1.9
ms; and (T) has d = 0 (as the table at the program's head; its code has -2), with which bursts end whatever the step is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DT = 0.1  # ms; the paper's program takes 0.1 to 0.5 ms, one Euler step each

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Pattern:
    """One neuron, and its input as (time in ms, value) joined by straight lines; two values at one time are a jump."""

    title: str
    a: float
    b: float
    c: float
    d: float
    v: float
    length: float  # ms
    points: Points
    slope: float = 5.0
    offset: float = 140.0
    v_u: float = 0.0
    leak: float = 1.0
    u: float | None = None  # b v if absent

    def current(self) -> NDArray[np.float64]:
        """Input in every step."""
        times, values = np.array(self.points).T
        return np.interp((np.arange(round(self.length / DT)) + 0.5) * DT, times, values)


def step_at(time: float, value: float, before: float = 0.0) -> Points:
    """An input that jumps once."""
    return (0, before), (time, before), (time, value)


def pulses(*given: tuple[float, float, float], base: float = 0.0) -> Points:
    """An input with a pulse of a height, from each time on for a width, on top of ``base``."""
    edges = (
        ((at, base), (at, base + height), (at + width, base + height), (at + width, base))
        for at, width, height in given
    )
    return ((0.0, base), *(point for edge in edges for point in edge))


DIP = ((0, 80), (50, 80), (50, 75), (250, 75), (250, 80))
RAMPS = ((0, 0), (200, 8), (200, 0), (300, 0), (312.5, 4), (312.5, 0))
RESONANT = pulses((40, 4, 0.65), (60, 4, 0.65), (280, 4, 0.65), (320, 4, 0.65))
PAIRS = pulses((9.1, 2, 9), (14.1, 2, 9), (70, 2, 9), (80, 2, 9))

PATTERNS = (
    Pattern("(A) tonic spiking", 0.02, 0.2, -65, 6, -70, 100, step_at(10, 14)),
    Pattern("(B) phasic spiking", 0.02, 0.25, -65, 6, -64, 200, step_at(20, 0.5)),
    Pattern("(C) tonic bursting", 0.02, 0.2, -50, 2, -70, 220, step_at(22, 15)),
    Pattern("(D) phasic bursting", 0.02, 0.25, -55, 0.05, -64, 200, step_at(20, 0.6)),
    Pattern("(E) mixed mode", 0.02, 0.2, -55, 4, -70, 160, step_at(16, 10)),
    Pattern("(F) spike frequency adaptation", 0.01, 0.2, -65, 8, -70, 85, step_at(8.5, 30)),
    Pattern("(G) class 1 excitable", 0.02, -0.1, -55, 6, -60, 300, ((30, 0), (300, 20.25)), slope=4.1, offset=108),
    Pattern("(H) class 2 excitable", 0.2, 0.26, -65, 0, -64, 300, ((30, -0.5), (300, 3.55))),
    Pattern("(I) spike latency", 0.02, 0.2, -65, 6, -70, 100, pulses((10, 3, 7.04))),
    Pattern("(J) subthreshold oscillations", 0.05, 0.26, -60, 0, -62, 200, pulses((20, 5, 2))),
    Pattern("(K) resonator", 0.1, 0.26, -60, -1, -62, 400, RESONANT),
    Pattern("(L) integrator", 0.02, -0.1, -55, 6, -60, 100, PAIRS, slope=4.1, offset=108),
    Pattern("(M) rebound spike", 0.03, 0.25, -60, 4, -64, 200, pulses((20, 5, -15))),
    Pattern("(N) rebound burst", 0.03, 0.25, -52, 0, -64, 200, pulses((20, 5, -15))),
    Pattern("(O) threshold variability", 0.03, 0.25, -60, 4, -64, 100, pulses((10, 5, 1), (70, 5, -6), (80, 5, 1))),
    Pattern("(P) bistability", 0.1, 0.26, -60, 0, -61, 300, pulses((37.5, 5, 1), (208, 5, 1), base=0.24)),
    Pattern("(Q) depolarizing afterpotential", 1.0, 0.2, -60, -21, -70, 50, pulses((9, 1.9, 20))),
    Pattern("(R) accommodation", 0.02, 1.0, -55, 4, -65, 400, RAMPS, v_u=-65, leak=0, u=-16),
    Pattern("(S) inhibition-induced spiking", -0.02, -1.0, -60, 8, -63.8, 350, DIP),
    Pattern("(T) inhibition-induced bursting", -0.026, -1.0, -45, 0, -63.8, 350, DIP),
)
