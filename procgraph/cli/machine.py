"""``procgraph devices`` and ``procgraph doctor``: what this machine has, and what would install the rest."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from typing import Any

import procgraph
from procgraph.cli.output import print_json
from procgraph.compiler.backend import available_backends, backend
from procgraph.errors import ProcgraphError

__all__ = ["devices", "diagnose", "list_devices"]

DISTRIBUTION = "procgraph-snn"
# Used where the package runs from its sources; an installed distribution says itself what its extras hold.
EXTRAS = {
    "games": ["ale-py", "gymnasium", "pygame"],
    "plot": ["matplotlib"],
    "sparse": ["scipy"],
    "vizdoom": ["gymnasium", "vizdoom"],
}
DEPENDENCIES = ("numpy", "msgpack", "pydantic", "ruamel.yaml", "typer", "rich")
COMPILERS = ("c++", "g++", "clang++", "cl")
LEVELS = (
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
    ("x86-64-v3", {"avx2", "bmi1", "bmi2", "fma", "f16c", "movbe"}),
    ("x86-64-v2", {"sse4_2", "ssse3", "popcnt"}),
)


def devices() -> list[dict[str, str]]:
    """Every device by name; ``problem`` says why one is missing."""
    found = []
    for name in sorted(available_backends()):
        try:
            found += [
                {"name": d.name, "description": d.description, "problem": d.problem} for d in backend(name).devices()
            ]
        except ProcgraphError as error:
            found.append({"name": name, "description": "", "problem": str(error)})
    return found


def list_devices(as_json: bool) -> None:
    """Print the devices."""
    found = devices()
    if as_json:
        print_json({"devices": found})
        return
    width = max(len(d["name"]) for d in found)
    for d in found:
        print(f"{d['name']:<{width}}  {d['description'] if not d['problem'] else 'missing: ' + d['problem']}")


def diagnose(as_json: bool) -> None:
    """Print what the machine and the installation have."""
    report: dict[str, Any] = {
        "procgraph": procgraph.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in DEPENDENCIES},
        "cpu": _cpu(),
        "compiler": _compiler(),
        "devices": devices(),
        "extras": _extras(),
    }
    if as_json:
        print_json(report)
        return
    print(f"procgraph {report['procgraph']}, Python {report['python']}, {report['platform']}")
    print("packages  " + ", ".join(f"{k} {v or 'MISSING'}" for k, v in report["packages"].items()))
    print(f"cpu       {report['cpu']['name']}, {report['cpu']['cores']} cores, {report['cpu']['isa']}")
    compiler = report["compiler"]
    print(
        f"compiler  {compiler['version'] if compiler else 'none found: your own Processes run as NumPy. Install g++ or clang++, or set CXX.'}"
    )
    for d in report["devices"]:
        print(f"device    {d['name']}: {'missing: ' + d['problem'] if d['problem'] else d['description']}")
    for name, extra in report["extras"].items():
        text = "installed" if not extra["missing"] else f"lacks {', '.join(extra['missing'])}; {extra['install']}"
        print(f"extra     {name}: {text}")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> dict[str, Any]:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            text = stream.read()
    except OSError:
        text = ""
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    line = re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)
    flags = set(line.group(1).split()) if line else set()
    isa = next((level for level, wanted in LEVELS if wanted <= flags), platform.machine())
    return {
        "name": model.group(1) if model else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "isa": isa,
    }


def _compiler() -> dict[str, str] | None:
    for command in filter(None, (os.environ.get("CXX"), *COMPILERS)):
        path = shutil.which(command)
        if path is not None:
            return {"path": path, "version": _first_line(path)}
    return None


def _first_line(compiler: str) -> str:
    try:
        done = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return compiler
    return next(iter(done.stdout.splitlines()), compiler)


def _extras() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, packages in (_declared_extras() or EXTRAS).items():
        missing = [p for p in packages if _version(p) is None]
        found[name] = {
            "missing": missing,
            "install": f"{os.path.basename(sys.executable)} -m pip install '{DISTRIBUTION}[{name}]'",
        }
    return found


def _declared_extras() -> dict[str, list[str]]:
    """Extras that the installed distribution declares, those for its developers left out."""
    extras: dict[str, list[str]] = {}
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    for line in required:
        match = re.match(r"([A-Za-z0-9._-]+)[^;]*;.*extra\s*==\s*['\"]([^'\"]+)['\"]", line)
        if match and match.group(2) not in ("dev", "test"):
            extras.setdefault(match.group(2), []).append(match.group(1))
    return extras
