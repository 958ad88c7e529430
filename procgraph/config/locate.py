"""From the message of an error to the line of the file that caused it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from procgraph.config.problems import Mark, Problem
from procgraph.config.tree import Entry
from procgraph.errors import DeviceError, ProcgraphError

__all__ = ["Locator"]


@dataclass
class Locator:
    """Knows where Processes and channels stand.

    ``channels`` holds (source, target, place) with ports as ``process.port``, views appended; ``devices`` is the
    place of the run's devices.
    """

    file: str
    processes: dict[str, Entry] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    channels: list[tuple[str, str, Mark]] = field(default_factory=list)
    devices: Mark | None = None

    def locate(self, error: BaseException | str) -> Problem:
        """The finding for an error; without a name in it, its place is the whole file."""
        text, place = self._written(str(error))
        mark = place or self._channel(text) or self._process(text) or self._devices(error) or Mark(self.file)
        return Problem(mark.file, mark.line, mark.column, text)

    def locate_all(self, error: ProcgraphError) -> list[Problem]:
        """The findings for an error, one for each of its parts."""
        return [self.locate(part) for part in error.parts or (error,)]

    def key(self, process: str, text: str) -> Mark | None:
        """The line of the argument that a message about one Process names, else of the Process."""
        entry = self.processes.get(process)
        if entry is None:
            return None
        owners = "|".join(map(re.escape, (process, self.types.get(process, process))))
        for match in re.finditer(rf"(?<![\w.-])(?:{owners})\.(\w+)", text):
            found = entry.node.entries().get(match.group(1))
            if found is not None:
                return found.key
        for key, found in entry.node.entries().items():
            if re.search(rf"'{re.escape(key)}'|(?<!\w){re.escape(key)}=", text) and key != "type":
                return found.key
        return entry.key

    def _devices(self, error: BaseException | str) -> Mark | None:
        return self.devices if isinstance(error, DeviceError) else None

    def _written(self, text: str) -> tuple[str, Mark | None]:
        """Messages that say where a connection was written."""
        match = re.search(rf"\s*\(?[Ww]ritten at {re.escape(self.file)}:(\d+):(\d+)[.)]*", text)
        if match is None:
            return text, None
        rest = (text[: match.start()] + text[match.end() :]).strip()
        return rest, Mark(self.file, int(match.group(1)), int(match.group(2)))

    def _channel(self, text: str) -> Mark | None:
        for source, target, mark in self.channels:
            if f"{source} -> {target}" in text:
                return mark
        for source, target, mark in self.channels:
            whole_source, whole_target = (re.escape(".".join(end.split(".")[:2])) for end in (source, target))
            if re.search(rf"(?<![\w.-]){whole_source}(?!\w)[^>]*->\W*{whole_target}(?!\w)", text):
                return mark
        return None

    def _process(self, text: str) -> Mark | None:
        found: list[tuple[int, int, str]] = []
        for name in self.processes:
            match = re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text)
            if match is not None:
                found.append((match.start(), -len(name), name))
        if found:
            return self.key(min(found)[2], text)
        owners = [name for name, kind in self.types.items() if re.search(rf"\b{re.escape(kind)}\b", text)]
        return self.key(owners[0], text) if len(owners) == 1 else None
