"""Every code block of the README, of docs/, of the examples and of bench/ does what the page says.

``python`` blocks of a page run in order in one namespace, in a folder that is empty but for ``examples`` and ``bench``. Lines ``$ procgraph …`` of ``console`` and
``bash`` blocks run there too and must end with 0; other commands must be skipped. ``yaml`` blocks that declare ``processes``
must validate. A note in the lines right before a block changes that: ``<!-- file: NAME -->`` only writes the block, of any
language, to that file; ``<!-- skip: REASON -->`` leaves it out, and it is counted; ``<!-- exit: N -->`` says that its commands
end with N.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("docs", "examples", "bench")
PAGES = sorted(
    [p for p in (ROOT / "README.md", ROOT / "CONTRIBUTING.md") if p.exists()]
    + [page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")]
)
PAGE_SECONDS = 100
RUNS = {"python", "yaml", "console", "bash"}
FENCE = re.compile(
    r"^(?P<indent> *)(?P<mark>`{3,})(?P<language>[\w+-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)(?P=mark) *$", re.M | re.S
)
NOTE = re.compile(r"<!-- *(?P<key>skip|file|exit|command): *(?P<value>.*?) *-->")

# Runs in the page's folder with a list of blocks on standard input.
PAGE_RUNNER = """
import json, pathlib, subprocess, sys
space = {"__name__": "__main__"}
sys.path.insert(0, "")
for block in json.load(sys.stdin):
    if "file" in block:
        pathlib.Path(block["file"]).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(block["file"]).write_text(block["text"])
    for command in block.get("commands", []):
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != block["exit"]:
            sys.exit(f"{block['where']}: {command} ended with {done.returncode}, not {block['exit']}")
    if "python" in block:
        exec(compile(block["python"], block["where"], "exec"), space)
"""


@dataclass
class Block:
    """A fenced block with the notes right before it."""

    where: str
    language: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> list[list[str]]:
        joined = self.text.replace("\\\n", " ")
        return [shlex.split(line[2:], comments=True) for line in joined.splitlines() if line.startswith("$ ")]


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page that this test runs, or that the page says to skip."""
    text, found, end = page.read_text(encoding="utf-8"), [], 0
    for match in FENCE.finditer(text):
        between = text[end : match.start()].rstrip().rpartition("\n\n")[2]
        notes = {m["key"]: m["value"] for m in NOTE.finditer(between)}
        end = match.end()
        if match["language"] in RUNS or "file" in notes:
            line = text.count("\n", 0, match.start()) + 1
            body = re.sub(f"^{match['indent']}", "", match["text"], flags=re.M)
            found.append(Block(f"{page.relative_to(ROOT)}:{line}", match["language"], body, notes))
    return found


ALL = {page: blocks_of(page) for page in PAGES}


def reason_to_skip(block: Block) -> str | None:
    """Why a block is left out: the page says so, or it is a command of the README that scripts/check runs."""
    return "scripts/check runs it" if "command" in block.notes else block.notes.get("skip")


LEFT_OUT = [b for blocks in ALL.values() for b in blocks if reason_to_skip(b) is not None]


def test_there_are_blocks_to_run() -> None:
    assert sum(map(len, ALL.values())) > len(LEFT_OUT)
    assert not [b.where for b in LEFT_OUT if not reason_to_skip(b)], "a skip needs its reason"


if LEFT_OUT:

    @pytest.mark.parametrize("block", LEFT_OUT, ids=lambda b: b.where)
    def test_left_out(block: Block) -> None:
        """So that the summary counts them, with their reasons."""
        pytest.skip(reason_to_skip(block) or "no reason")


@pytest.mark.parametrize("page", [p for p in PAGES if ALL[p]], ids=lambda p: str(p.relative_to(ROOT)))
def test_page(page: Path, tmp_path: Path) -> None:
    for folder in ("examples", "bench"):  # as seen from the root
        (tmp_path / folder).symlink_to(ROOT / folder, target_is_directory=True)
    jobs = [_job(block) for block in ALL[page] if reason_to_skip(block) is None]
    done = subprocess.run(
        [sys.executable, "-c", PAGE_RUNNER],
        input=json.dumps(jobs),
        cwd=tmp_path,
        env={**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "MPLBACKEND": "Agg"},
        text=True,
        capture_output=True,
        timeout=PAGE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def _job(block: Block) -> dict[str, object]:
    job: dict[str, object] = {"where": block.where, "exit": int(block.notes.get("exit", 0))}
    line = int(block.where.rpartition(":")[2])
    if "file" in block.notes:
        job |= {"file": block.notes["file"], "text": block.text}
    elif block.language == "python":
        job["python"] = "\n" * line + block.text
    elif block.language == "yaml" and re.search(r"^processes:", block.text, re.M):
        name = f"block_{line}.yaml"
        job |= {"file": name, "text": block.text, "commands": [[*_procgraph(), "validate", name]]}
    elif block.language in ("console", "bash"):
        job["commands"] = [_resolve(block, c) for c in block.commands]
    return job


def _procgraph() -> list[str]:
    return [sys.executable, "-c", "import sys; from procgraph.cli import main; sys.exit(main())"]


def _resolve(block: Block, command: list[str]) -> list[str]:
    if command[:1] == ["procgraph"]:
        return [*_procgraph(), *command[1:]]
    if command[:1] == ["python"]:
        return [sys.executable, *command[1:]]
    raise AssertionError(
        f"{block.where}: cannot run {shlex.join(command)!r} here. Put <!-- skip: REASON --> before the block."
    )
