"""Findings in a configuration: where, and what is wrong; collected until all are known."""

from __future__ import annotations

from dataclasses import dataclass, field

from procgraph.errors import ConfigError

__all__ = ["Mark", "Problem", "Report"]


@dataclass(frozen=True)
class Mark:
    """A place: a file (or ``--set pop.tau_m``), line and column counted from 1; line 0 means the whole of it."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One finding; ``str()`` is ``file:line:column: message``."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{Mark(self.file, self.line, self.column)}: {self.message}"


@dataclass
class Report:
    """All findings of one file."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, mark: Mark, message: str) -> None:
        """Keep a finding; the same one twice is kept once."""
        problem = Problem(mark.file, mark.line, mark.column, message)
        if problem not in self.problems:
            self.problems.append(problem)

    def raise_if_any(self) -> None:
        """End with everything that was found.

        Raises:
            ConfigError: there is at least one problem; they are in order of place.
        """
        if self.problems:
            found = sorted(self.problems, key=lambda p: (p.file != self.file, p.file, p.line, p.column))
            number = f"{len(found)} problem" + ("s" if len(found) > 1 else "")
            raise ConfigError(f"{self.file} has {number}:\n" + "\n".join(map(str, found)), found)
