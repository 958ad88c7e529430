"""Model of ``Gymnasium`` processes; the only module that imports gymnasium."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import CheckpointError, DeviceError, ParameterError
from procgraph.models.python.episodes import SEED_RANGE, EpisodeModel
from procgraph.spec.ports import Shape

if TYPE_CHECKING:
    from procgraph.processes.io.gymnasium import Gymnasium

__all__ = ["GymnasiumModel", "observation_shapes"]

# Namespace of an identifier -> package that registers its environments.
REGISTERED_BY = {"ALE": "ale_py"}


def _make(env: str, options: Mapping[str, Any], owner: str, watch: bool = False) -> Any:
    try:
        import gymnasium
    except ImportError as error:
        raise DeviceError(f"{owner} needs gymnasium: {error}. Install procgraph-snn[games].") from error
    package = REGISTERED_BY.get(env.partition("/")[0])
    if package is not None:
        try:
            gymnasium.register_envs(importlib.import_module(package))
        except ImportError as error:
            raise DeviceError(f"{owner}: {env!r} needs {package}: {error}. Install procgraph-snn[games].") from error
        _quiet(package)
    arguments = dict(options) | ({"render_mode": "human"} if watch else {})
    try:
        return gymnasium.make(env, **arguments)
    except (gymnasium.error.Error, TypeError, ValueError) as error:
        raise ParameterError(f"{owner}.env is {env!r} with options {arguments}: {error}") from error


def _quiet(package: str) -> None:
    """Keep the emulator's banner out of the output."""
    if package == "ale_py":
        ale_py = importlib.import_module(package)
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)


def observation_shapes(env: str, options: Mapping[str, Any], owner: str) -> dict[str, Shape]:
    """Shapes of the ports ``frame`` and ``observation`` of an environment; the one it does not have is (1,).

    Raises:
        DeviceError: gymnasium, or the package that has the environment, is not installed.
        ParameterError: no such environment, or its observations or actions are of a kind that has no port.
    """
    made = _make(env, options, owner)
    try:
        space, actions = made.observation_space, made.action_space
        if (
            getattr(space, "shape", None) is None
            or getattr(space, "dtype", None) is None
            or type(actions).__name__ != "Discrete"
        ):
            raise ParameterError(
                f"{owner}: {env!r} has observations {space} and actions {actions}; "
                "allowed: Box observations, Discrete actions. Wrap it."
            )
        image = space.dtype == np.uint8 and len(space.shape) >= 2
        shape = tuple(int(n) for n in space.shape) or (1,)
        return {"frame": shape if image else (1,), "observation": (1,) if image else shape}
    finally:
        made.close()


class GymnasiumModel(EpisodeModel):
    """Steps the environment once a tick."""

    process: Gymnasium

    def open(self) -> None:
        self.refuse_batch()
        self.env_made = _make(self.process.values["env"], self.process.options, self.name, self.process.values["watch"])
        self.count = int(self.env_made.action_space.n)

    def run_step(self) -> None:
        if self.done_all:
            return
        if self.fresh:
            observation, _ = self.env_made.reset(seed=self.begin())
            reward = 0.0
        else:
            observation, reward, terminated, truncated, _ = self.env_made.step(self._action())
            self.earn(reward, terminated or truncated)
        outlets = self.outlets
        outlets["frame" if outlets["frame"].shape == np.shape(observation) else "observation"].emit(
            np.reshape(observation, np.shape(observation) or (1,))
        )
        outlets["reward"].emit(np.float32(reward))
        outlets["done"].emit(self.fresh)

    def _action(self) -> int:
        table = self.process.actions
        return self.choice(self.count) if table is None else int(table[self.choice(len(table))])

    def save(self) -> dict[str, NDArray[Any]]:
        clone = getattr(self.env_made.unwrapped, "clone_state", None)
        if clone is None:
            raise CheckpointError(
                f"{self.name}: {self.process.values['env']!r} cannot save its state, "
                "so this graph cannot be checkpointed."
            )
        emulator = np.frombuffer(clone(include_rng=True).serialize(), np.uint8)
        numbers = np.array([self.episode, self.score, self.fresh, self.seed % SEED_RANGE, self._elapsed()], np.float64)
        return {"emulator": emulator, "numbers": numbers, "scores": np.array(self.scores, np.float64)}

    def _elapsed(self) -> int:
        return int(getattr(self.env_made, "_elapsed_steps", 0) or 0)

    def load(self, entries: Mapping[str, NDArray[Any]]) -> None:
        import ale_py

        if set(entries) != {"emulator", "numbers", "scores"}:
            raise CheckpointError(f"{self.name}: checkpoint entries {sorted(entries)} are not those of a game.")
        self.env_made.reset(seed=0)
        self.env_made.unwrapped.restore_state(ale_py.ALEState(entries["emulator"].tobytes()))
        episode, self.score, fresh, seed, _ = entries["numbers"].tolist()
        self.episode, self.fresh, self.seed = int(episode), bool(fresh), int(seed)
        self.scores = entries["scores"].tolist()

    def close(self) -> None:
        made = self.__dict__.pop("env_made", None)
        if made is not None:
            made.close()
