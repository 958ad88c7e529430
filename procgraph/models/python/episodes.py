"""What the models of games share: episodes, their seeds and scores, and the check of actions."""

from __future__ import annotations

import numpy as np

from procgraph.errors import BackendError, ParameterError
from procgraph.models.python.model import PythonModel

__all__ = ["EpisodeModel"]

SEED_RANGE = 2**31


class EpisodeModel(PythonModel):
    """A game in episodes, one action a tick: ``begin`` where an episode starts, ``earn`` after each action.

    The Process has the input ``action`` and the parameter ``episodes``.
    """

    seed: int
    episode: int
    score: float
    scores: list[float]
    fresh: bool

    def refuse_batch(self) -> None:
        """A game has one lane.

        Raises:
            BackendError: there are more.
        """
        if self.batch > 1:
            kind = type(self.process).__name__
            raise BackendError(f"{self.name} runs one game; compile with batch=1, or use one {kind} Process a lane.")

    def on_reset(self, seed: int) -> None:
        self.seed, self.episode, self.scores = seed, 0, []
        self.score, self.fresh = 0.0, True

    @property
    def done_all(self) -> bool | None:
        """Whether all episodes that were asked for have been played; None where no number was given."""
        wanted = self.process.values["episodes"]
        return len(self.scores) >= wanted if wanted else None

    def progress(self) -> dict[str, object]:
        """What to show while running."""
        mean = f"{np.mean(self.scores):.2f}" if self.scores else "-"
        finished = len(self.scores)
        return {"episode": self.episode, "score": f"{self.score:g}", "finished": finished, "mean score": mean}

    def begin(self) -> int:
        """Count a new episode and return its seed."""
        seed = (self.seed + self.episode) % SEED_RANGE
        self.episode, self.score, self.fresh = self.episode + 1, 0.0, False
        return seed

    def earn(self, reward: float, over: bool) -> None:
        """Add a reward to the score, and end the episode if it is over."""
        self.score += float(reward)
        if over:
            self.scores.append(self.score)
            self.fresh = True

    def choice(self, count: int) -> int:
        """The input ``action``.

        Raises:
            ParameterError: not below ``count``.
        """
        value = int(self.inputs["action"][0])
        if not 0 <= value < count:
            raise ParameterError(f"{self.name}.action got {value}; allowed: 0 to {count - 1}.")
        return value
