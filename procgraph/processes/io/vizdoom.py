"""A ViZDoom scenario as a Process."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from procgraph.errors import ParameterError
from procgraph.spec.checks import as_flag
from procgraph.spec.declare import In, Out, Param
from procgraph.spec.ports import Shape
from procgraph.spec.process import Process
from procgraph.spec.types import Array

__all__ = ["VizDoom"]

AUDIO_RATE = 22050
TICS_PER_SECOND = 35


class VizDoom(Process):
    """Doom with several sensors: screen, depth, sound and game variables come out, the index of an action goes in.

    At a tick the game takes the action that arrived before and runs ``frame_skip`` tics (of 1/35 s) with it; what it
    then shows leaves in the same step. The first tick, and the tick after the end of an episode, start an episode
    (with a seed that follows from the run's seed and the episode) and take no action. At the tick that ends an episode
    only ``reward`` and ``done`` are emitted; the sensors hold what they had.

    A checkpoint is not possible, because ViZDoom cannot save the state of its random numbers.

    Args:
        scenario: one of the scenarios that ViZDoom ships, such as ``"basic"``, or the path of a ``.cfg`` file.
        resolution: one of ViZDoom's, such as ``"160x120"``.
        frame_skip: tics per tick.
        actions: the buttons held for each value of the input, such as ``[["ATTACK"], ["TURN_LEFT"], []]``; each button
            of the scenario on its own if absent.
        variables: game variables on the port of that name, such as ``["AMMO2", "HEALTH"]``; the scenario's if absent.
        audio: emit the sound of the tick, int16 at 22050 Hz, (samples, 2); otherwise ``audio`` is silent, (1, 2).
        episodes: number of episodes after which the Process is done; 0 means no end.
        watch: open a window.
    """

    screen = Out(Array("uint8"))
    depth = Out(Array("uint8"))
    audio = Out(Array("int16"))
    variables = Out(Array("float32"))
    reward = Out(Array("float32"))
    done = Out(Array("bool"))
    action = In(Array("int32"))
    scenario = Param("basic", dtype="str")
    resolution = Param("160x120", dtype="str")
    frame_skip = Param(1, dtype="int32", ge=1, le=1000, scalar=True)
    episodes = Param(0, dtype="int32", ge=0, scalar=True)
    watch = Param(False, dtype="bool")
    model = "procgraph.models.python.vizdoom:VizDoomModel"

    def __init__(
        self,
        *,
        actions: Sequence[Sequence[str]] | None = None,
        variables: Sequence[str] | None = None,
        audio: bool = False,
        **values: Any,
    ) -> None:
        super().__init__(**values)
        if actions is not None and (not _is_list(actions) or not actions or not all(map(_is_names, actions))):
            allowed = "a list of button lists, such as [['ATTACK'], ['TURN_LEFT'], []]"
            raise ParameterError(f"{self.label}.actions is {actions!r}; allowed: {allowed}.")
        if variables is not None and (not _is_names(variables) or not variables):
            raise ParameterError(
                f"{self.label}.variables is {variables!r}; allowed: a list such as ['AMMO2', 'HEALTH']."
            )
        size = re.fullmatch(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})", self.values["resolution"])
        if size is None:
            raise ParameterError(
                f"{self.label}.resolution is {self.values['resolution']!r}; allowed: '160x120' and the like."
            )
        self.size = (int(size[2]), int(size[1]))
        self.actions = None if actions is None else [list(held) for held in actions]
        self.watched = None if variables is None else list(variables)
        self.audible = as_flag(audio, f"{self.label}.audio")

    def port_shape(self, name: str) -> Shape | None:
        if name in ("screen", "depth"):
            return self.size
        if name == "audio":
            return (AUDIO_RATE // TICS_PER_SECOND * self.values["frame_skip"] if self.audible else 1, 2)
        if name != "variables":
            return (1,)
        if self.watched is None:
            backing = importlib.import_module("procgraph.models.python.vizdoom")
            self.watched = list(backing.settings(self)["variables"])
        return (max(1, len(self.watched)),)

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        return {}


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _is_names(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
