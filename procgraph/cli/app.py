"""The commands and their options; what they do is in the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from procgraph.cli.output import Code, CommandError, reporting

__all__ = ["app", "compile_command", "devices", "doctor", "graph", "run", "schema", "validate"]

EXIT_CODES = "Exit codes: 0 ok, 1 the run failed, 2 wrong usage or file, 130 Ctrl-C."

app = typer.Typer(
    name="procgraph",
    help="Run graphs of spiking Processes.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(help="YAML file, or a compiled .pgx Program.", show_default=False)]
Yaml = Annotated[Path, typer.Argument(help="YAML file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
NoImports = Annotated[bool, typer.Option("--no-imports", help="Refuse files that import user code.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Replace a value of the file, e.g. pop.tau_m='5 ms'. May be repeated."
    ),
]


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    from procgraph import __version__

    typer.echo(f"procgraph {__version__}")
    raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog=EXIT_CODES)
def run(
    file: File,
    steps: Annotated[int | None, typer.Option(min=0, help="Steps to run.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, max=1e9, help="Simulated seconds to run.")] = None,
    until_done: Annotated[bool, typer.Option("--until-done", help="End when every game says that it is done.")] = False,
    realtime: Annotated[float | None, typer.Option(help="Keep to this ratio of simulated to wall-clock time.")] = None,
    devices: Annotated[str | None, typer.Option(help="Device; 'procgraph devices' lists them.")] = None,
    threads: Annotated[
        str | None, typer.Option(metavar="N", help="Threads of the native engine, or auto: one per processor.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of this run's random numbers (the wiring keeps the file's).")
    ] = None,
    overrides: Overrides = None,
    raster: Annotated[
        Path | None, typer.Option(help="Draw input, spikes and actions to this image (needs matplotlib).")
    ] = None,
    raster_window: Annotated[
        float, typer.Option(min=0.001, max=1e9, help="Last simulated seconds that the raster shows.")
    ] = 2.0,
    raster_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Draw events of this Process only; may be repeated. Otherwise of all but sources with more than can be drawn.",
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Open the windows of games.")] = False,
    json: Json = False,
    checkpoint: Annotated[Path | None, typer.Option(help="Write the state at the end.")] = None,
    restore: Annotated[Path | None, typer.Option(help="Continue from a checkpoint, with its seed.")] = None,
    trust_kernels: Annotated[
        bool, typer.Option("--trust-kernels", help="Compile the users' kernels that a .pgx file brings.")
    ] = False,
    no_imports: NoImports = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")] = False,
    debug: Debug = False,
) -> None:
    """Run a graph.

    How long: --steps, --seconds or --until-done, or the 'run:' section of the file. The 'imports:' of a file are executed: run only files that you trust.
    """
    from procgraph.cli.run import Options, execute

    with reporting(debug, json):
        execute(
            Options(
                file, steps, seconds, until_done, realtime, devices, threads, seed, tuple(overrides or ()), raster,
                raster_window, tuple(raster_of or ()), watch, json, checkpoint, restore, trust_kernels, not no_imports, quiet,
            )
        )  # fmt: skip


@app.command(epilog=EXIT_CODES)
def validate(
    files: Annotated[list[Path], typer.Argument(help="YAML files.", show_default=False)],
    json: Json = False,
    no_imports: NoImports = False,
    debug: Debug = False,
) -> None:
    """Check files and print every problem as file:line:column: message. 'imports:' are executed unless refused."""
    from procgraph.cli.validate import validate_files

    with reporting(debug, json):
        validate_files(files, json, not no_imports)


@app.command(epilog=EXIT_CODES)
def graph(
    file: Yaml,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="A Mermaid flowchart.")] = False,
    storage: Annotated[
        bool, typer.Option("--storage", help="Build the synapses, and show how each projection is stored.")
    ] = False,
    json: Json = False,
    overrides: Overrides = None,
    no_imports: NoImports = False,
    debug: Debug = False,
) -> None:
    """Show the Processes and channels of a graph, or how its synapses are stored."""
    from procgraph.cli.show import show_graph, show_storage

    with reporting(debug, json):
        if storage and mermaid:
            raise CommandError(Code.USAGE, "--storage and --mermaid exclude each other.")
        if storage:
            show_storage(file, json, tuple(overrides or ()), not no_imports)
            return
        show_graph(file, mermaid, json, tuple(overrides or ()), not no_imports)


@app.command("compile", epilog=EXIT_CODES)
def compile_command(
    file: File,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; FILE with .pgx by default.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the Program as text; write only with -o.")] = False,
    json: Json = False,
    overrides: Overrides = None,
    no_imports: NoImports = False,
    debug: Debug = False,
) -> None:
    """Compile a graph to a Program file."""
    from procgraph.cli.show import compile_file

    with reporting(debug, json):
        compile_file(file, output, show, json, tuple(overrides or ()), not no_imports)


@app.command(epilog=EXIT_CODES)
def devices(json: Json = False, debug: Debug = False) -> None:
    """List the devices of this machine, and what is missing."""
    from procgraph.cli.machine import list_devices

    with reporting(debug, json):
        list_devices(json)


@app.command(epilog=EXIT_CODES)
def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file instead.")] = None,
    debug: Debug = False,
) -> None:
    """Print the JSON Schema of graph files, for editors."""
    from procgraph.config.schema import schema_text

    with reporting(debug, False):
        text = schema_text()
        if output is None:
            print(text, end="")
        else:
            output.write_text(text, encoding="utf-8")


@app.command(epilog=EXIT_CODES)
def doctor(json: Json = False, debug: Debug = False) -> None:
    """Show versions, compiler, instruction set, devices and extras, and what would install what is missing."""
    from procgraph.cli.machine import diagnose

    with reporting(debug, json):
        diagnose(json)
