"""A Gymnasium environment as a Process."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from procgraph.errors import ParameterError
from procgraph.spec.checks import is_whole
from procgraph.spec.declare import In, Out, Param
from procgraph.spec.ports import Shape
from procgraph.spec.process import Process
from procgraph.spec.types import Array

__all__ = ["Gymnasium"]


class Gymnasium(Process):
    """A Gymnasium environment: the observation, reward and end of an episode come out, the action goes in.

    At a tick the environment takes the action that arrived before, and the new observation leaves in the same step. The first tick, and the
    tick after the end of an episode, reset it (with a seed that follows from the run's seed and the episode) and take no action.

    Args:
        env: identifier, such as ``"ALE/Pong-v5"`` or ``"CartPole-v1"``; the package that registers it is imported if known.
        options: further arguments of ``gymnasium.make``, such as ``{"obs_type": "grayscale"}``.
        actions: environment action for each value of the input; the value itself if absent.
        episodes: number of episodes after which the Process is done; 0 means no end.
        watch: open a window.
    """

    frame = Out(Array("uint8"))
    observation = Out(Array("float32"))
    reward = Out(Array("float32"))
    done = Out(Array("bool"))
    action = In(Array("int32"))
    env = Param("CartPole-v1", dtype="str")
    episodes = Param(0, dtype="int32", ge=0, scalar=True)
    watch = Param(False, dtype="bool")
    model = "procgraph.models.python.gymnasium:GymnasiumModel"

    def __init__(
        self, *, options: Mapping[str, Any] | None = None, actions: list[int] | None = None, **values: Any
    ) -> None:
        super().__init__(**values)
        if options is not None and not (isinstance(options, Mapping) and all(isinstance(k, str) for k in options)):
            raise ParameterError(
                f"{self.label}.options is {options!r}; allowed: arguments of gymnasium.make, such as {{'obs_type': 'grayscale'}}."
            )
        self.options = dict(options or {})
        if actions is not None and (
            not isinstance(actions, (list, tuple, np.ndarray))
            or not len(actions)
            or not all(is_whole(a, -(2**63), 2**63 - 1) for a in actions)
        ):
            raise ParameterError(
                f"{self.label}.actions is {actions!r}; allowed: a list of environment actions, such as [0, 2, 3]."
            )
        self.actions = None if actions is None else [int(a) for a in actions]
        self._spaces: dict[str, Shape] | None = None

    def port_shape(self, name: str) -> Shape | None:
        if name in ("reward", "done", "action"):
            return (1,)
        if self._spaces is None:
            backing = importlib.import_module("procgraph.models.python.gymnasium")
            self._spaces = backing.observation_shapes(self.values["env"], self.options, self.label)
        return self._spaces[name]

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        return {}
