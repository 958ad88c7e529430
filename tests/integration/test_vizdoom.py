"""ViZDoom as a Process, with the real game: what its ports carry; that it never hangs, and leaves nothing behind."""

from __future__ import annotations

import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import CheckpointError, DeviceError, ModelError, ParameterError, UnknownNameError
from procgraph.models.python import vizdoom as model
from procgraph.processes import VizDoom

pytest.importorskip("vizdoom")
pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the game's processes in /proc")

EXAMPLE = Path(__file__).parents[2] / "examples" / "vizdoom"
RANDOM_MEAN = 0.3  # of 200 episodes of defend_the_center, standard error 0.1


class Keys(pg.Process):
    index = pg.Out(pg.Array("int32"))


class KeysModel(pg.PythonModel, process=Keys):
    """0, 1, 2, 0, 1, …"""

    def run_step(self) -> None:
        self.index.emit(np.array([self.step % 3], np.int32))


def game_graph(**values: object) -> tuple[pg.Graph, VizDoom]:
    game = VizDoom(name="game", **{"scenario": "basic", **values})
    Keys(name="keys", shape=1).index.connect(game.action)
    return pg.Graph(game), game


def descendants(process: int) -> list[int]:
    """All processes that descend from one, those that have ended but were not waited for left out."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)] if state(child) not in ("", "Z") else []
    return found


def state(process: int) -> str:
    """R, S, Z and so on; empty if there is no such process."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def the_game() -> int:
    (found,) = [p for p in descendants(os.getpid()) if name_of(p) == "vizdoom"]
    return found


def shared_memory(names: list[str]) -> list[Path]:
    """What games of these names share with the library and have not removed."""
    return [path for name in names for path in Path("/dev/shm").glob(f"ViZDoom*{name}")]


def soon(condition: Callable[[], bool], seconds: float = 3.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.fixture(autouse=True)
def nothing_left(tmp_path, monkeypatch):
    """No process, shared memory or file outlives a test."""
    names, find = [], model._shared_memory
    monkeypatch.setattr(model, "_shared_memory", lambda process: names.append(find(process)) or names[-1])
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path)
    before = set(descendants(os.getpid()))
    yield
    assert soon(lambda: not set(descendants(os.getpid())) - before)
    assert "" not in names and shared_memory(names) == []
    assert soon(lambda: not list(tmp_path.iterdir())), list(tmp_path.iterdir())


def record(seed: int, steps: int, **values: object) -> dict[str, np.ndarray]:
    graph, game = game_graph(**values)
    with pg.compile(graph, devices="reference", seed=seed) as runtime:
        ports = [game.screen, game.depth, game.audio, game.variables, game.reward, game.done]
        probes = {port.name: runtime.probe(port) for port in ports}
        runtime.run(steps=steps)
        return {name: probe.data for name, probe in probes.items()}


def test_ports():
    got = record(1, 30, resolution="200x125", variables=["AMMO2", "HEALTH"], frame_skip=2, audio=True)
    assert got["screen"].shape == got["depth"].shape == (30, 125, 200)
    assert got["screen"].dtype == got["depth"].dtype == np.uint8
    assert got["screen"].std() > 5 and got["depth"].std() > 5
    assert got["variables"][0].tolist() == [50.0, 100.0]
    assert got["variables"].dtype == np.float32 and got["variables"][-1, 0] < 50.0  # it has shot
    assert got["audio"].shape == (30, 1260, 2) and got["audio"].dtype == np.int16
    assert got["reward"].shape == got["done"].shape == (30, 1)
    assert got["reward"][0] == 0.0 and got["reward"][1] == -2.0  # two tics of -1


def test_defaults_of_a_scenario():
    got = record(1, 3)
    assert got["screen"].shape == (3, 120, 160)
    assert got["variables"].tolist() == [[50.0]] * 3  # AMMO2
    assert got["audio"].shape == (3, 1, 2) and not got["audio"].any()


def test_episodes_start_again_and_end():
    graph, game = game_graph(frame_skip=10, episodes=2)
    with pg.compile(graph, devices="reference", seed=4) as runtime:
        reward, done = runtime.probe(game.reward), runtime.probe(game.done)
        runtime.run(steps=80)
        ends = np.flatnonzero(done.data[:, 0])
        assert ends.size >= 2 and done.data[ends[1] :].all()  # both were played, then nothing changes
        assert reward.data[ends[0] + 1] == 0.0
        scores = [reward.data[: ends[0] + 1].sum(), reward.data[ends[0] + 1 : ends[1] + 1].sum()]
        host = runtime._host.nodes[[n.node.name for n in runtime._host.nodes].index("game")].model
        assert host.done_all and host.scores == scores
        assert host.progress()["finished"] == 2


def test_a_seed_gives_the_same_game():
    one, same, other = record(7, 60, audio=True), record(7, 60, audio=True), record(8, 60)
    for name in one:
        assert np.array_equal(one[name], same[name]), name
    assert not np.array_equal(one["screen"], other["screen"])


def test_reset_plays_the_same_game():
    graph, game = game_graph()
    with pg.compile(graph, devices="reference", seed=7) as runtime:
        screen = runtime.probe(game.screen)
        runtime.run(steps=40)
        first = screen.data.copy()
        runtime.reset()
        runtime.run(steps=40)
        assert np.array_equal(screen.data[-40:], first)


@pytest.mark.parametrize("attempt", range(6))
def test_a_killed_game_ends_the_run(attempt):
    graph, _ = game_graph()
    runtime = pg.compile(graph, devices="reference")
    try:
        runtime.run(blocking=False)
        time.sleep(0.2 + 0.1 * random.random())
        os.kill(the_game(), signal.SIGKILL)
        killed = time.monotonic()
        with pytest.raises(ModelError, match="game.*has ended unexpectedly"):
            assert runtime.wait(timeout=10)
        assert time.monotonic() - killed < 1.5
    finally:
        closing = time.monotonic()
        runtime.close()
    assert time.monotonic() - closing < 1.5


def test_a_game_killed_between_runs():
    graph, _ = game_graph()
    with pg.compile(graph, devices="reference") as runtime:
        runtime.run(steps=3)
        os.kill(the_game(), signal.SIGKILL)
        with pytest.raises(ModelError, match="game"):
            runtime.run(steps=3)


def test_a_killed_helper_ends_the_run_and_takes_the_game_along():
    graph, _ = game_graph()
    with pg.compile(graph, devices="reference") as runtime:
        runtime.run(steps=3)
        game = the_game()
        parent = int(Path(f"/proc/{game}/stat").read_text().rpartition(")")[2].split()[1])
        assert parent != os.getpid()
        os.kill(parent, signal.SIGKILL)
        with pytest.raises(ModelError, match="game.*has ended unexpectedly"):
            runtime.run(steps=3)
    assert soon(lambda: state(game) in ("", "Z"))


def test_a_frozen_game_ends_the_run(monkeypatch):
    monkeypatch.setattr(model, "ANSWER_SECONDS", 0.3)
    graph, _ = game_graph()
    with pg.compile(graph, devices="reference") as runtime:
        runtime.run(steps=3)
        os.kill(the_game(), signal.SIGSTOP)
        with pytest.raises(ModelError, match="has not answered for 0.3 s"):
            runtime.run(steps=3)


def test_no_game_outlives_a_killed_program():
    script = """
        import procgraph as pg
        from procgraph.processes import VizDoom
        game = VizDoom(name="game")
        runtime = pg.compile(pg.Graph(game), devices="reference")
        runtime.run(steps=2)
        print("ready", flush=True)
        runtime.run(steps=10**9)
    """
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as program:
        assert program.stdout is not None and program.stdout.readline() == b"ready\n"
        started = descendants(program.pid)
        names = [model._shared_memory(p) for p in started if name_of(p) == "vizdoom"]
        assert names and shared_memory(names)
        program.kill()
        assert soon(lambda: all(state(p) in ("", "Z") for p in started))


def test_ctrl_c_is_a_keyboard_interrupt():
    graph, _ = game_graph()
    with pg.compile(graph, devices="reference") as runtime:
        previous = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
        try:
            for moment in range(30):  # also while a message is on its way
                signal.setitimer(signal.ITIMER_REAL, 0.02 + 0.0007 * moment)
                with pytest.raises(KeyboardInterrupt):
                    runtime.run(steps=10**9)
                runtime.run(steps=5)  # the game lives on
        finally:
            signal.signal(signal.SIGALRM, previous)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"scenario": "basik"}, UnknownNameError, "Did you mean 'basic'"),
        ({"scenario": "no/such.cfg"}, ParameterError, "no such file"),
        ({"resolution": "161x120"}, UnknownNameError, "RES_161X120"),
        ({"actions": [["ATACK"]]}, UnknownNameError, "Did you mean 'ATTACK'"),
        ({"actions": [["TURN_LEFT_RIGHT_DELTA"]]}, ParameterError, "takes a value"),
        ({"variables": ["AMO2"]}, UnknownNameError, "Did you mean 'AMMO2'"),
    ],
)
def test_wrong_names(values, error, message):
    with pytest.raises((error, ModelError), match=message) as caught:
        pg.compile(game_graph(**values)[0], devices="reference")
    assert isinstance(caught.value, error) or isinstance(caught.value.__cause__, error)


@pytest.mark.parametrize(
    "values",
    [
        {"actions": []},
        {"actions": ["ATTACK"]},
        {"actions": [[1]]},
        {"variables": []},
        {"variables": "AMMO2"},
        {"resolution": "160"},
        {"frame_skip": 0},
        {"episodes": -1},
        {"audio": 1},
    ],
)
def test_wrong_arguments(values):
    with pytest.raises(ParameterError, match="allowed"):
        VizDoom(**values)


def test_an_action_beyond_the_table():
    graph, _ = game_graph(actions=[["ATTACK"], []])
    with pg.compile(graph, devices="reference") as runtime, pytest.raises(ModelError, match=r"got 2; allowed: 0 to 1"):
        runtime.run(steps=10)


def test_no_checkpoints(tmp_path):
    with pg.compile(game_graph()[0], devices="reference") as runtime, pytest.raises(CheckpointError, match="random"):
        runtime.checkpoint(tmp_path / "a.ckpt")


def test_one_lane_only():
    with pytest.raises(ModelError, match="batch=1"):
        pg.compile(game_graph()[0], devices="reference", batch=2)


def test_a_window_needs_a_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ModelError, match="no display"):
        pg.compile(game_graph(watch=True)[0], devices="reference")


def test_without_vizdoom(monkeypatch):
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(DeviceError, match=r"procgraph-snn\[vizdoom\]"):
        pg.compile(game_graph()[0], devices="reference")


def test_the_declaration_does_not_import_vizdoom():
    code = "import sys, procgraph.processes as p; p.VizDoom(); assert 'vizdoom' not in sys.modules"
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


def test_the_example_beats_random():
    example = runpy.run_path(str(EXAMPLE / "compare.py"))
    config = example["load_config"](EXAMPLE / "graph.yaml", {"game.episodes": 0})
    scores, _ = example["play"](config.graph, config.processes["game"], 100, 3, "auto")
    assert scores.mean() > RANDOM_MEAN + 15


def test_the_weights_are_those_of_the_script():
    arrays = runpy.run_path(str(EXAMPLE / "weights.py"))["ARRAYS"]
    with np.load(EXAMPLE / "weights.npz") as stored:
        assert sorted(stored) == sorted(arrays)
        for name, array in arrays.items():
            assert np.array_equal(stored[name], array)
