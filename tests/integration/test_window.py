"""``--watch`` opens a window that shows the game: on a virtual screen, whose pixels are read."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
WIDTH, HEIGHT = 800, 600

pytestmark = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of pixels of a virtual screen, which DISPLAY names."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", str(tmp_path)]
    # A server resets itself when its last client leaves, and refuses who comes just then: SDL opens the display twice,
    # and without a display it draws where nobody sees it.
    server = subprocess.Popen([*command, "-noreset", "-nolisten", "tcp"], pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()
    assert number, "the virtual screen did not start"
    monkeypatch.setenv("DISPLAY", f":{number}")
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    yield tmp_path / "Xvfb_screen0"
    server.terminate()
    server.wait(timeout=10)


def pixels(screen: Path) -> np.ndarray:
    """What the screen shows, (y, x), from a file in the X window dump format."""
    data = screen.read_bytes()
    header, colors = (int(np.frombuffer(data, ">u4", 20)[i]) for i in (0, 19))
    return np.frombuffer(data, "<u4", WIDTH * HEIGHT, header + 12 * colors).reshape(HEIGHT, WIDTH) & 0xFFFFFF


@pytest.mark.parametrize("game", ["pong", "vizdoom"])
def test_a_window_shows_the_game(game: str, screen: Path) -> None:
    assert len(np.unique(pixels(screen))) == 1
    command = [sys.executable, "-m", "procgraph", "run", f"{EXAMPLES}/{game}/graph.yaml", "--watch", "--seconds", "600"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        pictures: set[bytes] = set()
        deadline = time.monotonic() + 60
        while len(pictures) < 4 and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            shown = pixels(screen)
            if len(np.unique(shown)) >= 4:
                pictures.add(shown.tobytes())
        ended = run.poll()
    finally:
        run.terminate()
        said = "nothing"
        with contextlib.suppress(subprocess.TimeoutExpired):
            said = run.communicate(timeout=10)[1][-2000:]
        run.kill()
    assert ended is None, f"the run ended by itself with {ended}: {said}"
    assert len(pictures) >= 4, f"{len(pictures)} pictures within a minute; the run said: {said}"
