"""Checkpoint files: the canonical state in the container of Programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from procgraph.errors import CheckpointError, ProgramFormatError
from procgraph.ir.container import TensorStore, read_container, write_container, write_whole
from procgraph.spec.checks import as_path

__all__ = ["read_checkpoint", "write_checkpoint"]

VERSION = 1


def write_checkpoint(
    path: str | Path, digest: str, step: int, seed: int, batch: int, state: dict[str, NDArray[Any]]
) -> None:
    """Write a checkpoint file.

    Raises:
        CheckpointError: the file cannot be written.
    """
    store = TensorStore()
    entries = {key: store.add(value) for key, value in sorted(state.items())}
    header = {
        "kind": "checkpoint",
        "version": VERSION,
        "program": digest,
        "step": step,
        "seed": seed,
        "batch": batch,
        "state": entries,
    }
    try:
        write_whole(as_path(path), write_container(header, store))
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written: {error.strerror}. Nothing is lost: a file of that name is as it was, and the run goes on from here."
        ) from None


def read_checkpoint(path: str | Path, digest: str, batch: int) -> tuple[int, int, dict[str, NDArray[Any]]]:
    """Step, seed and state of a checkpoint of this Program.

    Raises:
        CheckpointError: the file is corrupt, or from another Program or batch size.
    """
    what = str(as_path(path))
    try:
        header, tensors = read_container(Path(what).read_bytes(), what)
    except ProgramFormatError as error:
        raise CheckpointError(str(error)) from None
    except OSError as error:
        raise CheckpointError(f"{what} cannot be read: {error.strerror}.") from None
    if header.get("kind") != "checkpoint" or header.get("version") != VERSION:
        raise CheckpointError(
            f"{what} is a {header.get('kind')!r} of version {header.get('version')!r}; wanted a checkpoint of version {VERSION}."
        )
    if header.get("program") != digest:
        raise CheckpointError(
            f"{what} was made from another Program ({header.get('program')}, this one is {digest}). Compile the same graph."
        )
    if header.get("batch") != batch:
        raise CheckpointError(
            f"{what} has {header.get('batch')} lanes; this run has {batch}. Compile with batch={header.get('batch')}."
        )
    step, seed, state = header.get("step"), header.get("seed"), header.get("state")
    if (
        type(step) is not int
        or not 0 <= step < 2**63
        or type(seed) is not int
        or not 0 <= seed < 2**64
        or not isinstance(state, dict)
    ):
        raise CheckpointError(f"{what}: step {step!r}, seed {seed!r} or the state is malformed.")
    if not all(isinstance(k, str) and type(v) is int and 0 <= v < len(tensors) for k, v in state.items()):
        raise CheckpointError(f"{what}: an entry of the state names no tensor.")
    return step, seed, {key: tensors[index] for key, index in state.items()}
