"""Ctrl-C before a command has begun."""

from __future__ import annotations

import sys

import pytest

from procgraph.cli import main


class Interrupting:
    """Where Ctrl-C comes: within the import of the commands."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "procgraph.cli.app":
            raise KeyboardInterrupt


def test_while_the_commands_are_imported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "procgraph.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
