"""The command line: ``procgraph run | validate | graph | compile | devices | schema | doctor``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``procgraph`` command."""
    try:
        from procgraph.cli.app import app

        app()
    except KeyboardInterrupt:  # while it is imported, which takes longer than some commands
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
