"""Memory and time of `kbnet.VideoCompleter` over many frames of a camera that walks through a made room.

    python benchmarks/past.py --frames 10000

Every thousand frames: peak memory so far, and the median time of a frame.
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import replace

import numpy as np

import kbnet
from kbnet.sources.rendered.synthetic import SyntheticConfig, synthetic_frames

SHOWN = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--weights", default="indoor")
    options = parser.parse_args()
    config = SyntheticConfig(frames=60, width=352, height=256, points=300)
    there = [replace(frame, T_world_camera=pose) for frame, pose, _ in synthetic_frames(config)]
    walk = there + there[::-1]
    video = kbnet.VideoCompleter(kbnet.load(options.weights))
    seconds = []
    for index in range(options.frames):
        start = time.perf_counter()
        video(walk[index % len(walk)])
        seconds.append(time.perf_counter() - start)
        if (index + 1) % SHOWN == 0:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            print(
                f"{index + 1:6} frames  {memory:.0f} MiB at most  {1000 * np.median(seconds[-SHOWN:]):.1f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
