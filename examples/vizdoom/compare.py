"""Play episodes with the network and episodes with random actions, and print both means: ``python compare.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import procgraph as pg
from procgraph.config import load_config
from procgraph.processes import VizDoom

GRAPH = Path(__file__).with_name("graph.yaml")
STEPS_AT_ONCE = 4000


def play(graph: pg.Graph, game: pg.Process, seed: int, episodes: int, devices: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores and lengths (in tics) of the first episodes of a run."""
    with pg.compile(graph, devices=devices, seed=seed) as runtime:
        reward, done = runtime.probe(game.reward, every=game.period), runtime.probe(game.done, every=game.period)
        while np.count_nonzero(done.data) < episodes:
            runtime.run(steps=STEPS_AT_ONCE)
        rewards, ends = reward.data[:, 0], np.flatnonzero(done.data[:, 0])[:episodes]
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.array([rewards[a : b + 1].sum() for a, b in zip(starts, ends)]), ends - starts


class Dice(pg.Process):
    """An index below ``sides`` at every tick, all equally likely."""

    index = pg.Out(pg.Array("int32"))
    sides = pg.Param(2, dtype="int32", ge=1, scalar=True)


class DiceModel(pg.PythonModel, process=Dice):
    def on_reset(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def run_step(self) -> None:
        self.index.emit(self.random.integers(self.sides, size=1))


def random_player(process: VizDoom) -> tuple[pg.Graph, VizDoom]:
    """The same game, with dice instead of a network."""
    same = {key: process.values[key] for key in ("scenario", "resolution", "frame_skip")}
    game = VizDoom(actions=process.actions, variables=process.watched, **same)
    Dice(shape=1, sides=len(process.actions)).index.connect(game.action)
    return pg.Graph(game), game


def show(label: str, scores: np.ndarray, tics: np.ndarray) -> None:
    error = scores.std(ddof=1) / np.sqrt(scores.size)
    print(f"{label:<8} {scores.mean():6.2f} +- {error:.2f}   ({scores.size} episodes of {tics.mean():.0f} tics)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=77_000)
    parser.add_argument("--devices", default="auto")
    options = parser.parse_args()
    config = load_config(GRAPH, {"game.episodes": 0})
    game = config.processes["game"]
    show("network", *play(config.graph, game, options.seed, options.episodes, options.devices))
    show("random", *play(*random_player(game), options.seed, options.episodes, options.devices))
