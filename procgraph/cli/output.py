"""Exit codes, and how errors and results reach the terminal or a script."""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from procgraph.errors import ConfigError, ModelError, ProcgraphError

__all__ = ["Code", "CommandError", "describe", "keep_input", "print_json", "reporting"]


class Code(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends the command with a code and, if there is one, a message."""

    def __init__(self, code: Code, message: str = "", problems: list[Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.problems = code, message, problems or []


def keep_input(file: Path, output: Path) -> None:
    """Refuse to write over the file that is read.

    Raises:
        CommandError: both are one file.
    """
    if output.exists() and file.exists() and output.samefile(file):
        raise CommandError(Code.USAGE, f"{output} is the file that is read; give another name to write to.")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else str(value)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of standard output."""
    print(json.dumps(value, default=_plain))


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {message}", file=file or sys.stderr)


@contextmanager
def reporting(debug: bool, as_json: bool) -> Iterator[None]:
    """Turn what a command raises into text on standard error and an exit code; ``debug`` adds the traceback."""
    code = Code.OK
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            yield
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read the output, such as `head`, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = Code.FAILED
        except (CommandError, ProcgraphError, OSError, MemoryError) as error:
            if debug:
                traceback.print_exc()
            code = _report(error, as_json)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            code = Code.INTERRUPTED
        except Exception as error:
            if debug:
                raise
            print(
                f"internal error: {type(error).__name__}: {error}. Run again with --debug and report what it shows.",
                file=sys.stderr,
            )
            code = Code.FAILED
    if code is not Code.OK:
        sys.stdout.flush()
        raise SystemExit(int(code))


def _report(error: BaseException, as_json: bool) -> Code:
    problems = list(getattr(error, "problems", []))
    message = error.message if isinstance(error, CommandError) else describe(error)
    code = (
        error.code if isinstance(error, CommandError) else Code.USAGE if isinstance(error, ConfigError) else Code.FAILED
    )
    text = "\n".join(map(str, problems)) or message
    if text:
        print(text, file=sys.stderr)
    if as_json and code is not Code.INTERRUPTED:
        print_json({"ok": False, "error": message, "problems": [p.__dict__ for p in problems]})
    return code


def describe(error: BaseException) -> str:
    """The message of an error, and the user's line where a Python model raised."""
    if isinstance(error, MemoryError):
        return f"out of memory. Make populations or recordings smaller. {error}".strip()
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    cause = error.__cause__
    if not isinstance(error, ModelError) or cause is None:
        return str(error)
    package = str(Path(__file__).parents[1])
    frames = [f for f in traceback.extract_tb(cause.__traceback__) if not f.filename.startswith(package)]
    place = (
        f"\n  at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}: {frames[-1].line}" if frames else ""
    )
    return f"{error}{place}"
