"""The command line: ``procgraph run | validate | graph | compile | devices | schema | doctor``."""

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``procgraph`` command."""
    from procgraph.cli.app import app

    app()
