"""Writes the goldens that compare a Process with a model of the NEST simulator: tests/golden/nest_*.yaml.

    python scripts/nest_traces.py [NAME ...]        default: all; needs nest-simulator 3

NEST runs every case; what it recorded goes into the file as the expectation, and how far the Process is from it (over
all steps, not only the recorded ones) into the text. A sample at step k is NEST's record at the time (k + 1) dt: the
state after the step.
"""

from __future__ import annotations

import sys
from functools import partial

from nest_golden.cases import CASES, COUNTS
from nest_golden.counts import make_counts
from nest_golden.layout import write
from nest_golden.simulators import GOLDEN
from nest_golden.traces import make
from nest_golden.tsodyks import make_tsodyks


def main() -> None:
    makers = {name: partial(make, case) for name, case in CASES.items()}
    makers |= {name: partial(make_counts, case) for name, case in COUNTS.items()} | {"tsodyks2_synapse": make_tsodyks}
    for name in sys.argv[1:] or makers:
        golden = makers[name]()
        write(GOLDEN / f"nest_{name}.yaml", golden)
        print(name, golden["source"].splitlines()[-1])


if __name__ == "__main__":
    main()
