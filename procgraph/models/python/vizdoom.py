"""Model of ``VizDoom`` processes; the only module that imports vizdoom.

The library talks to the game through mutexes in shared memory: a game that dies while it holds one blocks its caller
forever, with the interpreter's lock held. It also writes files to the working directory, and crashes where a window
cannot be opened. So it runs in a helper, a Python process in a folder of its own, and the model asks the helper over a
socket that it never reads without a time limit.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, TypedDict

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import CheckpointError, DeviceError, ParameterError, UnknownNameError, did_you_mean
from procgraph.models.python.episodes import EpisodeModel
from procgraph.models.python.messages import receive, send, uninterrupted
from procgraph.spec.process import Process

__all__ = ["Helper", "Settings", "VizDoomModel", "serve", "settings"]

START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.05
LAST_WORDS_SECONDS = 0.2  # for a helper whose game has just ended
CLOSE_SECONDS = 2.0
LOG = "log.txt"

Sensors = dict[str, NDArray[Any]]


class Settings(TypedDict):
    """What a game is started with; buttons, variables and the rest by ViZDoom's names."""

    config: str
    resolution: str
    tics: int
    buttons: list[str]
    actions: list[list[str]]
    variables: list[str]
    audio: bool
    watch: bool


def _vizdoom(owner: str) -> Any:
    try:
        return importlib.import_module("vizdoom")
    except ImportError as error:
        raise DeviceError(f"{owner} needs vizdoom: {error}. Install procgraph-snn[vizdoom].") from error


def settings(process: Process) -> Settings:
    """What the game of a ``VizDoom`` Process is started with; no game is started here.

    Raises:
        DeviceError: vizdoom is not installed.
        UnknownNameError: no such scenario, resolution, button or variable.
        ParameterError: a button that is not held but has a value, or a configuration that cannot be read.
    """
    owner, values = process.label, process.values
    vizdoom = _vizdoom(owner)
    config = _config(vizdoom, values["scenario"], owner)
    game = vizdoom.DoomGame()
    try:
        game.load_config(str(config))
    except Exception as error:
        raise ParameterError(f"{owner}.scenario is {values['scenario']!r}: {error}") from error
    _known(f"RES_{values['resolution'].upper()}", vizdoom.ScreenResolution, f"{owner}.resolution")
    given, watched = getattr(process, "actions", None), getattr(process, "watched", None)
    actions = [[b.name] for b in game.get_available_buttons()] if given is None else given
    variables = [v.name for v in game.get_available_game_variables()] if watched is None else watched
    for name in variables:
        _known(name, vizdoom.GameVariable, f"{owner}.variables")
    for name in (name for held in actions for name in held):
        _known(name, vizdoom.Button, f"{owner}.actions")
        if vizdoom.is_delta_button(vizdoom.Button.__members__[name]):
            raise ParameterError(
                f"{owner}.actions: {name} takes a value; allowed: buttons that are held. Give a table of actions."
            )
    if not actions:
        raise ParameterError(f"{owner}.scenario {values['scenario']!r} has no buttons. Give actions.")
    return {
        "config": str(config),
        "resolution": f"RES_{values['resolution'].upper()}",
        "tics": values["frame_skip"],
        "buttons": list(dict.fromkeys(name for held in actions for name in held)),
        "actions": actions,
        "variables": variables,
        "audio": bool(getattr(process, "audible", False)),
        "watch": values["watch"],
    }


def _config(vizdoom: Any, scenario: str, owner: str) -> Path:
    if scenario.endswith(".cfg"):
        path = Path(scenario).resolve()
        if not path.is_file():
            raise ParameterError(f"{owner}.scenario is {scenario!r}: no such file ({path}).")
        return path
    shipped = {path.stem: path for path in Path(vizdoom.scenarios_path).glob("*.cfg")}
    if scenario not in shipped:
        raise UnknownNameError(f"{owner}.scenario {scenario!r} is unknown.{did_you_mean(scenario, shipped)}")
    return shipped[scenario]


def _known(name: str, enumeration: Any, what: str) -> None:
    if name not in enumeration.__members__:
        raise UnknownNameError(f"{what}: {name!r} is unknown.{did_you_mean(name, enumeration.__members__)}")


# -- in the helper ---------------------------------------------------------------------------------------------------


def serve(descriptor: int) -> None:
    """Play what the other end of a socket asks for, until it closes."""
    os.set_inheritable(descriptor, False)
    connection = Connection(descriptor)
    wanted: Settings = receive(connection)
    game = None
    orphaned = False
    try:
        game = _start(wanted)
        send(connection, _children())
        while (request := receive(connection)) is not None:
            send(connection, _sense(game, wanted, request))
    except (EOFError, ConnectionError):
        orphaned = True
    except Exception as error:
        with contextlib.suppress(OSError):
            send(connection, f"{type(error).__name__}: {error}")
    finally:
        if game is not None:
            game.close()
        if orphaned:
            shutil.rmtree(Path.cwd(), ignore_errors=True)


def _start(wanted: Settings) -> Any:
    vizdoom = _vizdoom("VizDoom")
    game = vizdoom.DoomGame()
    game.load_config(wanted["config"])
    game.set_mode(vizdoom.Mode.PLAYER)
    game.set_screen_format(vizdoom.ScreenFormat.GRAY8)
    game.set_screen_resolution(vizdoom.ScreenResolution.__members__[wanted["resolution"]])
    game.set_depth_buffer_enabled(True)
    game.set_available_buttons([vizdoom.Button.__members__[name] for name in wanted["buttons"]])
    game.set_available_game_variables([vizdoom.GameVariable.__members__[name] for name in wanted["variables"]])
    game.set_audio_buffer_enabled(wanted["audio"])
    game.set_audio_sampling_rate(vizdoom.SamplingRate.SR_22050)
    game.set_audio_buffer_size(wanted["tics"])
    game.set_window_visible(wanted["watch"])
    game.set_console_enabled(False)
    game.init()
    return game


def _children() -> list[int]:
    """Processes that this one started, where the system tells."""
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def _sense(game: Any, wanted: Settings, request: tuple[str, int]) -> tuple[float, bool, Sensors]:
    verb, value = request
    reward = 0.0
    if verb == "episode":
        game.set_seed(value)
        game.new_episode()
    else:
        held = wanted["actions"][value]
        reward = game.make_action([name in held for name in wanted["buttons"]], wanted["tics"])
    state = game.get_state()
    if game.is_episode_finished() or state is None:
        return float(reward), True, {}
    sensors = {"screen": state.screen_buffer, "depth": state.depth_buffer}
    if wanted["variables"]:
        sensors["variables"] = state.game_variables
    if wanted["audio"]:
        sensors["audio"] = state.audio_buffer
    return float(reward), False, {name: np.array(value) for name, value in sensors.items()}


# -- in the runtime --------------------------------------------------------------------------------------------------


class Helper:
    """A game in its own process, and the process of its library."""

    def __init__(self, wanted: Settings, owner: str) -> None:
        if os.name != "posix":
            raise DeviceError(f"{owner}: VizDoom runs on Linux and macOS only.")
        if wanted["watch"] and sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
            raise DeviceError(f"{owner}.watch is true, but there is no display for a window. Set watch to false.")
        self.owner = owner
        self.games: list[int] = []
        self.shared: list[str] = []
        self.unanswered = 0
        self.folder = Path(tempfile.mkdtemp(prefix="procgraph-vizdoom-"))
        ours, theirs = socket.socketpair()
        code = f"from procgraph.models.python.vizdoom import serve; serve({theirs.fileno()})"
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
        with theirs, open(self.folder / LOG, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": path},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the runtime, and one call ends the helper and its game
            )
        self.connection = Connection(ours.detach())
        try:
            self.unanswered = 1
            send(self.connection, wanted)
            self.games = self._answer(START_SECONDS)
            self.shared = [name for name in map(_shared_memory, self.games) if name]
        except BaseException:
            self.close()
            raise

    def ask(self, verb: str, value: int) -> tuple[float, bool, Sensors]:
        """Start an episode with a seed, or take an action.

        Raises:
            DeviceError: the game has ended or does not answer.
        """
        while self.unanswered:  # the call was interrupted
            self._answer(ANSWER_SECONDS)
        with uninterrupted():
            try:
                send(self.connection, (verb, value))
            except OSError:
                self._fail("has ended unexpectedly")
            self.unanswered = 1
        reward, over, sensors = self._answer(ANSWER_SECONDS)
        return reward, over, sensors

    def _answer(self, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while not self.connection.poll(POLL_SECONDS):
            if time.monotonic() > deadline:
                self._fail(f"has not answered for {seconds:g} s")
            if not all(map(_alive, self.games)) and not self.connection.poll(LAST_WORDS_SECONDS):
                self._fail("has ended unexpectedly")
        with uninterrupted():
            try:
                answer = receive(self.connection)
            except (EOFError, OSError, ValueError):
                self._fail("has ended unexpectedly")
            self.unanswered = 0
        if isinstance(answer, str):
            self._fail(f"has failed: {answer}" if all(map(_alive, self.games)) else "has ended unexpectedly")
        return answer

    def _fail(self, what: str) -> NoReturn:
        games = f" (process {', '.join(map(str, self.games))})" if self.games else ""
        with contextlib.suppress(OSError):
            lines = (self.folder / LOG).read_text(errors="replace").strip().splitlines()[-3:]
            what += "".join(f"\n  {line}" for line in lines)
        raise DeviceError(f"{self.owner}: the ViZDoom game{games} {what}")

    def close(self) -> None:
        """End the game and the helper, the hard way if need be, and remove what they leave behind."""
        # Without its game the helper may wait forever; see the top of this file.
        seconds = CLOSE_SECONDS if self.games and all(map(_alive, self.games)) else LAST_WORDS_SECONDS
        deadline = time.monotonic() + seconds
        with contextlib.suppress(EOFError, OSError):
            send(self.connection, None)
            while self.connection.poll(max(0.0, deadline - time.monotonic())):
                self.connection.recv_bytes()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.connection.close()
        for name in self.shared:
            for path in Path("/dev/shm").glob(f"ViZDoom*{name}"):
                path.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _shared_memory(process: int) -> str:
    """Name under which a game shares memory with the library, where its command line can be read."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return ""
    return words[words.index("+viz_instance_id") + 1] if "+viz_instance_id" in words else ""


class VizDoomModel(EpisodeModel):
    """Plays the game one action a tick."""

    def open(self) -> None:
        self.refuse_batch()
        self.wanted = settings(self.process)
        self.helper = Helper(self.wanted, self.name)

    def run_step(self) -> None:
        if self.done_all:
            return
        if self.fresh:
            reward, over, sensors = self.helper.ask("episode", self.begin())
        else:
            reward, over, sensors = self.helper.ask("act", self.choice(len(self.wanted["actions"])))
        self.earn(reward, over)
        for name, value in sensors.items():
            self.outlets[name].emit(value)
        self.outlets["reward"].emit(np.float32(reward))
        self.outlets["done"].emit(over)

    def save(self) -> dict[str, NDArray[Any]]:
        raise CheckpointError(
            f"{self.name}: ViZDoom cannot save its random numbers, so this graph cannot be checkpointed."
        )

    def load(self, entries: Mapping[str, NDArray[Any]]) -> None:
        raise CheckpointError(
            f"{self.name}: ViZDoom cannot restore its random numbers, so this graph has no checkpoints."
        )

    def close(self) -> None:
        helper = self.__dict__.pop("helper", None)
        if helper is not None:
            helper.close()
