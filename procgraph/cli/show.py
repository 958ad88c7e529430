"""``procgraph graph`` and ``procgraph compile``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from procgraph.cli.output import Code, CommandError, keep_input, print_json
from procgraph.cli.progress import Building
from procgraph.compiler.pipeline import front
from procgraph.config.load import Config, load_config
from procgraph.config.overrides import parse_override
from procgraph.errors import ProcgraphError, ProgramFormatError
from procgraph.ir.program import Program
from procgraph.ir.text import render
from procgraph.runtime.compile import compile as compile_graph
from procgraph.spec.declare import In, Out

__all__ = ["compile_file", "read_program", "show_graph", "show_storage"]


def show_graph(file: Path, mermaid: bool, as_json: bool, overrides: tuple[str, ...], imports: bool) -> None:
    """Print the Processes and channels of a file as tables, Mermaid or JSON."""
    config = load_config(file, dict(map(parse_override, overrides)), imports=imports)
    processes, channels = _processes(config), _channels(config)
    if as_json:
        print_json(
            {
                "file": str(file),
                "dt_ms": config.graph.dt,
                "seed": config.graph.seed,
                "processes": processes,
                "channels": channels,
            }
        )
    elif mermaid:
        print(_mermaid(processes, channels), end="")
    else:
        print(f"{file}: dt {config.graph.dt:g} ms, seed {config.graph.seed}\n")
        _table("processes", processes)
        print()
        _table("channels", channels)


def show_storage(file: Path, as_json: bool, overrides: tuple[str, ...], imports: bool) -> None:
    """Load a file and print how the device stores each projection."""
    config = load_config(file, dict(map(parse_override, overrides)), imports=imports)
    threads = config.run.threads or 1
    with Building(quiet=as_json) as progress:
        try:
            rt = compile_graph(config.graph, config.run.devices, threads=threads, progress=progress)
        except ProcgraphError as error:
            raise config.error(error) from error
    with rt:
        rows = rt.storage()
    if as_json:
        print_json({"file": str(file), "projections": rows})
        return
    total, synapses = sum(r["bytes"] for r in rows), sum(r["synapses"] for r in rows)
    print(f"{file}: {synapses:,} synapses in {total / 1e6:,.3g} MB, {total / max(1, synapses):.3g} bytes each\n")
    _table("projections", [_storage_row(row) for row in rows])


def _storage_row(row: dict[str, Any]) -> dict[str, str]:
    merged = f" with {row['shared_with']} more" if row["shared_with"] else ""
    return {
        "projection": row["projection"],
        "synapses": f"{row['synapses']:,}",
        "format": row["format"],
        "bytes each": f"{row['bytes_per_synapse']:.3g}",
        "MB": f"{row['bytes'] / 1e6:.3g}",
        "delivered by": "node" if row["delivery"] == "node" else f"{row['delivery']} of {row['source']}{merged}",
        "weights off by": f"{row['weight_error_max']:.2g} at most, {row['weight_error_rms']:.2g} rms",
    }


def _processes(config: Config) -> list[dict[str, Any]]:
    shapes = front(config.graph).shapes
    rows = []
    for name, process in config.graph.processes.items():
        ports = [k for k, d in process.declarations.items() if isinstance(d, (In, Out))]
        known = ", ".join(f"{k}{_shape(shapes[process, k])}" for k in ports if (process, k) in shapes)
        rows.append(
            {
                "name": name,
                "type": type(process).__name__,
                "ports": known,
                "period": str(process.period),
                "device": process.device or "auto",
                "execution": process.execution,
            }
        )
    return rows


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _channels(config: Config) -> list[dict[str, Any]]:
    rows = []
    for c in config.graph.connections:
        full = "" if c.capacity is None else f"{c.capacity}, {c.policy}"
        rows.append(
            {
                "from": str(c.source),
                "to": str(c.target),
                "carries": str(c.source.type),
                "delay": str(c.delay),
                "capacity": full,
            }
        )
    return rows


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = 10_000
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for key in rows[0] if rows else ():
        table.add_column(key, overflow="fold")
    for row in rows:
        table.add_row(*(str(v).replace("[", r"\[") for v in row.values()))
    console.print(table, highlight=False)


def _mermaid(processes: list[dict[str, Any]], channels: list[dict[str, Any]]) -> str:
    names = {row["name"]: f"n{i}" for i, row in enumerate(processes)}
    lines = ["flowchart LR", *(f'    {names[r["name"]]}["{r["name"]}<br/>{r["type"]}"]' for r in processes)]
    for row in channels:
        ends = [max((n for n in names if re.match(rf"{re.escape(n)}\.", row[k])), key=len) for k in ("from", "to")]
        label = row["carries"].split("[")[0] + (f", delay {row['delay']}" if row["delay"] != "0" else "")
        lines.append(f"    {names[ends[0]]} -->|{label}| {names[ends[1]]}")
    return "\n".join(lines) + "\n"


def compile_file(
    file: Path, output: Path | None, show: bool, as_json: bool, overrides: tuple[str, ...], imports: bool
) -> None:
    """Compile a file and write or show the Program; a ``.pgx`` file is shown.

    Raises:
        CommandError: a ``.pgx`` file that is not a Program, or nothing to do with it; the output is the file that is read.
    """
    if file.suffix == ".pgx":
        if not show or output is not None:
            raise CommandError(
                Code.USAGE, f"{file} is compiled already. Give --show to print it, or a YAML file to compile."
            )
        program = read_program(file)
    else:
        program = load_config(file, dict(map(parse_override, overrides)), imports=imports).compile()
        if output is not None or not show:
            output = output or file.with_suffix(".pgx")
            keep_input(file, output)
            program.save(output)
    if as_json:
        written = None if output is None else str(output)
        print_json(
            {
                "ok": True,
                "file": str(file),
                "output": written,
                "bytes": len(program.data),
                "digest": program.digest,
                "nodes": len(program.ir.nodes),
            }
        )
    elif show:
        print(render(program.ir), end="")
    else:
        print(f"{output}: {len(program.ir.nodes)} nodes, {len(program.data)} bytes, digest {program.digest}")


def read_program(file: Path) -> Program:
    """Read a ``.pgx`` file.

    Raises:
        CommandError: with code 2 if it cannot be read, or is not a Program.
    """
    try:
        return Program.load(file)
    except ProgramFormatError as error:
        raise CommandError(Code.USAGE, str(error)) from None
    except OSError as error:
        raise CommandError(Code.USAGE, f"{file}: {error.strerror}.") from None
