"""Whatever a user's model raises, and wherever, becomes one typed error that names the Process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import CheckpointError, ModelError, ProcgraphError

Act = Callable[[], Any]
ACTS: dict[str, Act] = {}


class Failing(pg.Process):
    register = False
    level = pg.State(0.0)


class FailingModel(pg.PythonModel, process=Failing):
    def open(self) -> None:
        ACTS.get("open", dict)()

    def run_step(self) -> None:
        ACTS.get("run_step", dict)()

    def on_reset(self, seed: int) -> None:
        ACTS.get("on_reset", dict)()

    def close(self) -> None:
        ACTS.get("close", dict)()

    def save(self) -> dict[str, Any]:
        return ACTS.get("save", dict)()

    def load(self, entries: Any) -> None:
        ACTS.get("load", dict)()


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise KeyError("no text")


@pytest.fixture(autouse=True)
def acts() -> Any:
    ACTS.clear()
    yield ACTS
    ACTS.clear()


def raising(error: BaseException) -> Act:
    def act() -> None:
        raise error

    return act


def whole_life(path: Path, device: str) -> None:
    with pg.compile(Failing(shape=2, name="bad"), device) as rt:
        rt.run(steps=2)
        rt.checkpoint(path)
        rt.restore(path)
        rt.reset()


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("method", ["open", "run_step", "on_reset", "close", "save", "load"])
@pytest.mark.parametrize(
    "error", [KeyError("k"), StopIteration(), UnspeakableError(), MemoryError("m")], ids=lambda e: type(e).__name__
)
def test_every_method(tmp_path: Path, device: str, method: str, error: Exception) -> None:
    ACTS[method] = raising(error)
    with pytest.raises(ModelError, match=rf"bad \(FailingModel\) .*{type(error).__name__}") as caught:
        whole_life(tmp_path / "a.ckpt", device)
    assert caught.value.__cause__ is error


def test_a_reset_that_fails_after_the_start(tmp_path: Path) -> None:
    with pg.compile(Failing(shape=2, name="bad")) as rt:
        rt.run(steps=2)
        rt.checkpoint(tmp_path / "a.ckpt")
        ACTS["on_reset"] = raising(OSError("gone"))
        for call in (rt.reset, lambda: rt.restore(tmp_path / "a.ckpt")):
            with pytest.raises(ModelError, match=r"bad \(FailingModel\) could not be reset: OSError: gone"):
                call()


@pytest.mark.parametrize(
    "given", [None, 3, [1], {"x": None}, {"x": "text"}, {"x": [1, [2]]}, {3: 1.0}, {"x": np.zeros(2, "M8[s]")}], ids=str
)
def test_what_save_may_not_give(tmp_path: Path, given: object) -> None:
    ACTS["save"] = lambda: given
    with pytest.raises(ProcgraphError, match=r"bad \(FailingModel\)"):
        whole_life(tmp_path / "a.ckpt", "cpu")


def test_what_a_model_says_about_checkpoints_is_passed_on(tmp_path: Path) -> None:
    ACTS["save"] = raising(CheckpointError("the camera has no state"))
    with pytest.raises(CheckpointError, match="^the camera has no state$"):
        whole_life(tmp_path / "a.ckpt", "cpu")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=lambda e: type(e).__name__)
def test_all_models_are_closed_after_ctrl_c_in_one(error: BaseException) -> None:
    closed: list[int] = []

    def close() -> None:
        closed.append(1)
        if len(closed) == 1:
            raise error

    ACTS["close"] = close
    graph = pg.Graph(Failing(shape=1, name="first"), Failing(shape=1, name="second"))
    with pytest.raises(type(error)), pg.compile(graph):
        pass
    assert len(closed) == 2
