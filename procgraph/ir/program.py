"""Spike IR to Program bytes and back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from procgraph.errors import ProgramFormatError
from procgraph.ir.container import TensorStore, read_container, write_container, write_whole
from procgraph.ir.nodes import Channel, Column, Input, KernelSource, Node, Output, SpikeIR
from procgraph.spec.checks import as_path

__all__ = ["Program", "decode", "encode"]

VERSION = 1
_INPUT = ("name", "kind", "n", "dtype", "scale", "limit")
TENSOR_ATTRS = frozenset(
    {"weights", "delays", "pre", "post", "table", "ticks", "index", "payload", "values", "weight_table", "delay_table"}
    | {"begin", "offsets", "thresholds", "codes"}
)
_OUTPUT = ("name", "kind", "n", "dtype", "scale", "depth", "components", "limit", "bound")


@dataclass(frozen=True)
class Program:
    """A compiled graph: the IR after all passes, and its bytes."""

    ir: SpikeIR
    data: bytes

    @property
    def digest(self) -> str:
        """Content hash of the bytes."""
        return hashlib.blake2b(self.data, digest_size=16).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the ``.pgx`` file."""
        write_whole(as_path(path), self.data)

    @classmethod
    def from_ir(cls, ir: SpikeIR) -> Program:
        return cls(ir, encode(ir))

    @classmethod
    def from_bytes(cls, data: bytes, what: str = "Program") -> Program:
        """Check and decode a Program.

        Raises:
            ProgramFormatError: corrupt, truncated or of another version.
        """
        if not isinstance(data, bytes):
            raise ProgramFormatError(f"{what} is {type(data).__name__}; allowed: the bytes of a Program.")
        return cls(decode(data, what), data)

    @classmethod
    def load(cls, path: str | Path) -> Program:
        """Read a ``.pgx`` file; errors as ``from_bytes``."""
        return cls.from_bytes(as_path(path).read_bytes(), str(path))


def _columns(columns: list[Column], store: TensorStore) -> list[dict[str, Any]]:
    return [{"name": c.name, "dtype": c.dtype, "tensor": store.add(c.tensor)} for c in columns]


def _attrs(attrs: dict[str, Any], store: TensorStore) -> dict[str, Any]:
    return {k: store.add(v) if k in TENSOR_ATTRS else v for k, v in sorted(attrs.items())}


def _node(node: Node, store: TensorStore) -> dict[str, Any]:
    return {
        "name": node.name,
        "type": node.type,
        "op": node.op,
        "n": node.n,
        "period": node.period,
        "phase": node.phase,
        "inputs": [{k: getattr(p, k) for k in _INPUT} for p in node.inputs],
        "outputs": [{k: getattr(p, k) for k in _OUTPUT} for p in node.outputs],
        "columns": _columns(node.columns, store),
        "states": _columns(node.states, store),
        "attrs": _attrs(node.attrs, store),
    }


def encode(ir: SpikeIR) -> bytes:
    """The canonical bytes of a Program."""
    store = TensorStore()
    nodes = [_node(node, store) for node in ir.nodes]
    channels = [
        {
            "src": list(c.src),
            "dst": list(c.dst),
            "delay": c.delay,
            "map": None if c.map is None else [store.add(c.map[0]), store.add(c.map[1])],
            "capacity": c.capacity,
            "policy": c.policy,
        }
        for c in ir.channels
    ]
    header = {
        "kind": "program",
        "version": VERSION,
        "dt": float(ir.dt),
        "seed": ir.seed,
        "nodes": nodes,
        "channels": channels,
        "schedule": [list(s) for s in ir.schedule],
        "kernels": [{"name": k.name, "hash": k.hash, "source": k.source} for k in ir.kernels],
    }
    return write_container(header, store)


def decode(data: bytes, what: str = "Program") -> SpikeIR:
    """Rebuild the IR from bytes; ``ir.verify`` checks its rules.

    Raises:
        ProgramFormatError: corrupt, truncated or of another version.
    """
    from procgraph.ir.verify import verify

    header, tensors = read_container(data, what)
    if header.get("kind") != "program" or header.get("version") != VERSION:
        raise ProgramFormatError(
            f"{what} is a {header.get('kind')!r} of version {header.get('version')!r}; wanted a program of version {VERSION}."
        )
    try:
        ir = SpikeIR(float(header["dt"]), int(header["seed"]))
        ir.nodes = [_read_node(n, tensors) for n in header["nodes"]]
        for c in header["channels"]:
            routes = None if c["map"] is None else (tensors[c["map"][0]], tensors[c["map"][1]])
            ir.channels.append(
                Channel(
                    (c["src"][0], c["src"][1]),
                    (c["dst"][0], c["dst"][1]),
                    c["delay"],
                    routes,
                    c["capacity"],
                    c["policy"],
                )
            )
        ir.schedule = [(str(action), int(node)) for action, node in header["schedule"]]
        ir.kernels = [KernelSource(k["name"], k["hash"], k["source"]) for k in header["kernels"]]
        verify(ir, final=True)
    except ProgramFormatError:
        raise
    except Exception as error:
        raise ProgramFormatError(
            f"{what}: header does not describe a Program ({type(error).__name__}: {error})."
        ) from error
    return ir


def _read_node(n: dict[str, Any], tensors: list[Any]) -> Node:
    attrs = {k: tensors[v] if k in TENSOR_ATTRS else v for k, v in n["attrs"].items()}
    return Node(
        n["name"],
        n["type"],
        n["op"],
        n["n"],
        n["period"],
        n["phase"],
        [Input(**{k: p[k] for k in _INPUT}) for p in n["inputs"]],
        [Output(**{k: p[k] for k in _OUTPUT}) for p in n["outputs"]],
        [Column(c["name"], c["dtype"], tensors[c["tensor"]]) for c in n["columns"]],
        [Column(c["name"], c["dtype"], tensors[c["tensor"]]) for c in n["states"]],
        attrs,
    )
