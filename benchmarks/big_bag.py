"""Memory and time of reading a large MCAP file in place: ``python benchmarks/big_bag.py --megabytes 250 2000``.

Each size is written anew, images of 640x480 and scans of 20,000 points, and read by a process of its own, every frame
once. Memory is the peak of that process beyond what it holds after its imports: flat if it does not grow with the size.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

MEGABYTE = 1_000_000
POINTS = 20_000
K = (500.0, 0.0, 319.5, 0.0, 500.0, 239.5, 0.0, 0.0, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[250, 2000])
    for megabytes in parser.parse_args().megabytes:
        with tempfile.TemporaryDirectory() as folder:
            path = write_bag(Path(folder) / "drive", megabytes)
            frames, mebibytes, seconds = read_apart(path)
            print(
                f"{path.stat().st_size / MEGABYTE:.0f} MB, {frames} frames: {mebibytes:.0f} MiB, "
                f"{1000 * seconds / frames:.0f} ms of CPU a frame"
            )


def write_bag(folder: Path, megabytes: int) -> Path:
    """Write a bag of about so many megabytes; return its file."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store, random = get_typestore(Stores.ROS2_HUMBLE), np.random.default_rng(0)
    types = {name.rpartition("/")[2]: made for name, made in store.types.items()}
    picture = random.integers(0, 256, (480, 640, 3), np.uint8).reshape(-1)
    fields = [types["PointField"](name, 4 * index, 7, 1) for index, name in enumerate("xyz")]
    no_region = types["RegionOfInterest"](0, 0, 0, 0, False)
    matrices = np.zeros(5), np.array(K), np.zeros(9), np.zeros(12)
    written = 0
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}

        def write(topic: str, at_ns: int, message: Any) -> int:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.__msgtype__, typestore=store)
            content = store.serialize_cdr(message, message.__msgtype__)
            writer.write(connections[topic], at_ns, content)
            return len(content)

        at_ns = 1_700_000_000 * 10**9
        while written < megabytes * MEGABYTE:
            header = types["Header"](types["Time"](at_ns // 10**9, at_ns % 10**9), "camera")
            info = types["CameraInfo"](header, 480, 640, "plumb_bob", *matrices, 0, 0, no_region)
            cloud = random.uniform([-3, -2, 2], [3, 2, 20], (POINTS, 3)).astype("<f4").view(np.uint8).reshape(-1)
            written += write("/camera/camera_info", at_ns, info)
            written += write("/camera/image_raw", at_ns, types["Image"](header, 480, 640, "rgb8", 0, 1920, picture))
            scan = types["PointCloud2"](header, 1, POINTS, fields, False, 12, 12 * POINTS, cloud, True)
            written += write("/points", at_ns, scan)
            at_ns += 10**8
    return folder / f"{folder.name}.mcap"


def read_apart(path: Path) -> tuple[int, float, float]:
    """Frames, MiB beyond those held after the imports, and seconds of CPU, of a process that reads all frames."""
    here, there = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_read, args=(path, there))
    process.start()
    there.close()
    frames, mebibytes, seconds = here.recv()
    process.join()
    return frames, mebibytes, seconds


def _read(path: Path, connection: Connection) -> None:
    import kbnet
    import kbnet.sources.ros  # imports are not counted

    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    frames = sum(1 for _ in kbnet.open_frames(path))
    seconds = time.process_time() - begun
    connection.send((frames, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024, seconds))


if __name__ == "__main__":
    main()
