"""A recording of an Azure Kinect, written element by element as its recorder does (RFC 9559, the SDK's src/record)."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOUR_PARAMETERS = [0.4987, 0.5021, 0.4782, 0.6374, 0.584, -2.494, 1.360, 0.465, -2.336, 1.301, 0, 0, -0.0018, 0.0065]
DEPTH_PARAMETERS = [0.5001, 0.5032, 0.4925, 0.4926, 6.084, 4.375, 0.2362, 6.409, 6.418, 1.220, 0, 0, 0.00065, -0.00055]
"""cx cy fx fy k1 k2 k3 k4 k5 k6 codx cody p2 p1, near those of a real camera, with ten times the tangential part."""
TILT = np.array([[1, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]])
TURN = np.array([[np.cos(0.02), 0, np.sin(0.02)], [0, 1, 0], [-np.sin(0.02), 0, np.cos(0.02)]])
SIZES = {"NFOV_UNBINNED": (576, 640), "NFOV_2X2BINNED": (288, 320), "WFOV_UNBINNED": (1024, 1024)}


def calibration() -> dict[str, Any]:
    """``calibration.json``: the frame that both cameras share is neither of theirs."""
    cameras = [
        camera("D0", DEPTH_PARAMETERS, TURN, [0.001, 0.002, 0.003], (1024, 1024), 1.74),
        camera("PV0", COLOUR_PARAMETERS, TILT @ TURN, [-0.032, -0.002, 0.004], (3072, 4096), 0),
    ]
    return {"CalibrationInformation": {"Cameras": cameras, "InertialSensors": []}}


def camera(
    location: str, parameters: list[float], R: np.ndarray, t: list[float], sensor: tuple[int, int], radius: float
) -> dict[str, Any]:
    return {
        "Intrinsics": {
            "ModelParameterCount": 14,
            "ModelParameters": list(parameters),
            "ModelType": "CALIBRATION_LensDistortionModelBrownConrady",
        },
        "Location": f"CALIBRATION_CameraLocation{location}",
        "MetricRadius": radius,
        "Rt": {"Rotation": R.ravel().tolist(), "Translation": t},
        "SensorHeight": sensor[0],
        "SensorWidth": sensor[1],
    }


def jpeg(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=95, subsampling="4:2:2")
    return file.getvalue()


@dataclass
class KinectRecording:
    """What is written; times are microseconds since the beginning.

    Attributes:
        colour, depth: frames and their times; depth in millimetres, (H, W), uint16.
        size: (H, W) of the images.
        codec: FourCC of the images.
        mode: of the depth camera.
        calibration: content of the attachment; None = there is none.
        tags: beside those of the tracks.
        tracks: those that are written.
    """

    colour: list[tuple[int, bytes]]
    depth: list[tuple[int, np.ndarray]]
    size: tuple[int, int] = (720, 1280)
    codec: str = "MJPG"
    mode: str = "NFOV_2X2BINNED"
    calibration: bytes | None = field(default_factory=lambda: json.dumps(calibration()).encode())
    tags: dict[str, str] = field(default_factory=dict)
    tracks: tuple[str, ...] = ("COLOR", "DEPTH", "IR", "IMU")

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path

    def content(self) -> bytes:
        head = [element("4282", b"matroska"), unsigned("4287", 2), unsigned("4285", 2)]
        parts = [element("EC", bytes(1024)), element("1549A966", unsigned("2AD7B1", 1000))]
        parts += [self._tracks(), *self._attachment(), self._tags(), element("EC", bytes(64)), *self._clusters()]
        return element("1A45DFA3", *head) + element("18538067", *parts)

    def _tracks(self) -> bytes:
        height, width = SIZES.get(self.mode, (288, 320))
        entries = {
            "COLOR": video(1, "COLOR", self.codec, self.size),
            "DEPTH": video(2, "DEPTH", "b16g", (height, width)),
            "IR": video(3, "IR", "b16g", (height, width)),
            "IMU": element(
                "AE", unsigned("D7", 4), unsigned("73C5", 104), unsigned("83", 17), element("536E", b"IMU"),
                element("86", b"S_K4A/IMU"),
            ),
        }  # fmt: skip
        return element("1654AE6B", *(entries[name] for name in self.tracks))

    def _attachment(self) -> list[bytes]:
        if self.calibration is None:
            return []
        file = [element("466E", b"calibration.json"), element("4660", b"application/octet-stream")]
        file += [unsigned("46AE", 999), element("465C", self.calibration)]
        return [element("1941A469", element("61A7", *file))]

    def _tags(self) -> bytes:
        uids = {"COLOR": 101, "DEPTH": 102, "IR": 103, "IMU": 104}
        tags = {f"K4A_{name}_TRACK": str(uids[name]) for name in self.tracks}
        tags |= {"K4A_COLOR_MODE": f"{self.codec}_{self.size[0]}P", "K4A_DEPTH_DELAY_NS": "0"}
        tags |= {"K4A_DEPTH_MODE": self.mode, "K4A_CALIBRATION_FILE": "calibration.json"} | self.tags
        made = (
            element("67C8", element("45A3", name.encode()), element("4487", text.encode()))
            for name, text in tags.items()
        )
        return element("1254C367", element("BF", bytes(4)), *(element("7373", one) for one in made))

    def _clusters(self) -> list[bytes]:
        """Of 32 ms each, as the recorder writes them; infrared is a copy of depth."""
        frames = [(time, 1, frame) for time, frame in self.colour if "COLOR" in self.tracks]
        stored = [(time, depth.astype(">u2").tobytes()) for time, depth in self.depth]
        for number, name in ((2, "DEPTH"), (3, "IR")):
            if name in self.tracks:
                frames += [(time, number, frame) for time, frame in stored]
        clusters = []
        frames.sort(key=lambda one: (one[0], one[1]))
        for begin in sorted({32_000 * (time // 32_000) for time, _, _ in frames}):
            blocks = [
                simple_block(number, time - begin, frame)
                for time, number, frame in frames
                if 0 <= time - begin < 32_000
            ]
            if "IMU" in self.tracks:
                blocks.append(element("A0", element("A1", b"\x84\0\0\x02\x01" + bytes(80)), unsigned("9B", 9)))
            clusters.append(element("1F43B675", element("BF", bytes(4)), unsigned("E7", begin), *blocks))
        return clusters


def element(id_: str, *parts: bytes) -> bytes:
    """Id, length in eight bytes, content."""
    content = b"".join(parts)
    return bytes.fromhex(id_) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def unsigned(id_: str, number: int) -> bytes:
    return element(id_, number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big"))


def video(number: int, name: str, codec: str, size: tuple[int, int]) -> bytes:
    """A track with the FourCC in a BITMAPINFOHEADER."""
    height, width = size
    header = struct.pack("<3I2H4s5I", 40, width, height, 1, 16, codec.encode(), 2 * height * width, 0, 0, 0, 0)
    return element(
        "AE", unsigned("D7", number), unsigned("73C5", 100 + number), unsigned("83", 1), element("536E", name.encode()),
        element("86", b"V_MS/VFW/FOURCC"), element("63A2", header), unsigned("23E383", 33_333_333),
        element("E0", unsigned("B0", width), unsigned("BA", height)),
    )  # fmt: skip


def simple_block(track: int, since: int, frame: bytes) -> bytes:
    return element("A3", bytes([0x80 | track]) + struct.pack(">hB", since, 0x80) + frame)
