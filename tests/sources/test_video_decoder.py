"""Pictures of a video: the same in any order, and those before the cut of a file that is cut off."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kbnet.errors import KBNetError
from kbnet.sources.video_decoder import VideoDecoder, open_video

av = pytest.importorskip("av")


def write_noise(path: Path, codec: str, pixels: str, frames: int = 60) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        generator = np.random.default_rng(0)
        for _ in range(frames):
            picture = av.VideoFrame.from_ndarray(generator.integers(0, 256, (48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(picture.reformat(format=pixels)))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("whole_range", [False, True])
@pytest.mark.parametrize(("tag", "red", "blue"), [(2, 0.299, 0.114), (1, 0.2126, 0.0722), (9, 0.2627, 0.0593)])
def test_colours_are_those_of_the_tags(tag: int, red: float, blue: float, whole_range: bool, tmp_path: Path) -> None:
    """Without a tag, BT.601; BT.709; BT.2020; by their equations."""
    stored = (120, 90, 170)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        picture = av.VideoFrame(64, 48, "yuv444p")
        for plane, value in zip(picture.planes, stored, strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        for target in (stream.codec_context, picture):
            target.colorspace, target.color_range = tag, 2 if whole_range else 1
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    y, u, v = (
        (value - offset) / (255 if whole_range else scale)
        for value, offset, scale in zip(stored, (0 if whole_range else 16, 128, 128), (219, 224, 224), strict=True)
    )
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    expected = 255 * np.array([r, (y - red * r - blue * b) / (1 - red - blue), b])
    (decoded,) = VideoDecoder(open_video(tmp_path / "a.mkv")).all()
    assert np.abs(decoded.image()[20, 20] - expected).max() < 0.6


@pytest.mark.parametrize(("name", "codec", "pixels"), [("a.mp4", "mpeg4", "yuv420p"), ("a.mkv", "ffv1", "bgr0")])
def test_a_frame_is_the_same_whatever_was_read_before(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    decoder = VideoDecoder(open_video(write_noise(tmp_path / name, codec, pixels)))
    pictures = [(decoded.timestamp, decoded.image()) for decoded in decoder.all()]
    assert len(pictures) == 60
    for index in (0, 59, 30, 31, 33, 2, 2):
        timestamp, picture = pictures[index]
        np.testing.assert_array_equal(decoder.at(index, timestamp).image(), picture)


@pytest.mark.parametrize("share", [0.9, 0.5])
def test_of_a_video_that_is_cut_off_the_frames_before_the_cut_are_read(tmp_path: Path, share: float) -> None:
    path = write_noise(tmp_path / "walk.mkv", "ffv1", "bgr0")
    whole = [decoded.image() for decoded in VideoDecoder(open_video(path)).all()]
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.warns(UserWarning, match=r"walk\.mkv is cut off: it says 6\.0 s but holds \d+ frames"):
        cut = [decoded.image() for decoded in VideoDecoder(open_video(path)).all()]
    assert 20 < len(cut) < 60
    np.testing.assert_array_equal(cut, whole[: len(cut)])


def test_a_video_that_begins_late_is_not_called_cut_off(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    with av.open(str(tmp_path / "walk.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 8, "bgr0"
        for index in range(8):
            frame = av.VideoFrame.from_ndarray(np.zeros((8, 16, 4), np.uint8), format="bgra").reformat(format="bgr0")
            frame.pts = index + 20
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert len(list(VideoDecoder(open_video(tmp_path / "walk.mkv")).all())) == 8
    assert not recwarn.list


@pytest.mark.parametrize("order", [(0, 1, 0), (1, 0)])
def test_a_frame_larger_than_allowed_is_refused_whatever_the_file_says(
    order: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "walk.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 8, "yuvj420p"
        for index, large in enumerate(order):
            picture = io.BytesIO()
            Image.new("RGB", (16, 8) if not large else (64, 32)).save(picture, "JPEG")
            packet = av.Packet(picture.getvalue())
            packet.pts, packet.stream = index, stream
            container.mux(packet)
    monkeypatch.setenv("KBNET_LIMITS", "1e-5")
    video = open_video(path)
    if order[0]:
        with pytest.raises(KBNetError, match=r"expected a whole video, but .*walk\.avi cannot be read"):
            list(VideoDecoder(video).all())
    else:
        with pytest.warns(UserWarning, match=r"only the first 1 frames of .*walk\.avi are read"):
            assert len(list(VideoDecoder(video).all())) == 1


@pytest.mark.parametrize(("tag", "name"), [(16, "PQ"), (18, "HLG"), (14, "")])
def test_hdr_is_refused(tag: int, name: str, tmp_path: Path) -> None:
    """Its numbers mean another brightness; BT.2020 with the usual one, in ten bits, is read."""
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p10le"
        picture = av.VideoFrame(64, 48, "yuv444p10le")
        for plane, value in zip(picture.planes, (64 + 438, 512, 512), strict=True):
            plane.update(np.full(plane.buffer_size // 2, value, "<u2").tobytes())
        for target in (stream.codec_context, picture):
            target.colorspace, target.color_range, target.color_primaries, target.color_trc = 9, 1, 9, tag
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    decoder = VideoDecoder(open_video(tmp_path / "a.mkv"))
    if name:
        with pytest.raises(ValueError, match=rf"got HDR \({name}\) in .*a\.mkv; convert it: ffmpeg -i"):
            next(iter(decoder.all()))
    else:
        assert np.abs(next(iter(decoder.all())).image()[20, 20] - 127.5).max() <= 1


def write_grey(path: Path, pixels: str, colour_range: int, *values: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        stream.codec_context.color_range = colour_range
        for value in values:
            picture = av.VideoFrame(64, 48, pixels)
            size = picture.planes[0].buffer_size // (1 if pixels == "gray" else 2)
            picture.planes[0].update(np.full(size, value, np.uint8 if pixels == "gray" else "<u2").tobytes())
            picture.color_range = colour_range
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("colour_range", "expected"), [(0, 100), (1, (100 - 16) * 255 / 219), (2, 100)])
def test_grey_has_the_range_of_its_tag(colour_range: int, expected: float, tmp_path: Path) -> None:
    (decoded,) = VideoDecoder(open_video(write_grey(tmp_path / "a.mkv", "gray", colour_range, 100))).all()
    assert np.abs(decoded.image() - expected).max() < 0.6


def test_sixteen_bits_are_refused_where_no_frame_uses_more_than_twelve(tmp_path: Path) -> None:
    dark, bright = VideoDecoder(open_video(write_grey(tmp_path / "a.mkv", "gray16le", 0, 9 * 257, 200 * 257))).all()
    assert np.abs(dark.image().astype(int) - 9).max() <= 1
    assert np.abs(bright.image().astype(int) - 200).max() <= 1
    (decoded,) = VideoDecoder(open_video(write_grey(tmp_path / "b.mkv", "gray16le", 0, 3000))).all()
    with pytest.raises(ValueError, match="expected 16 bits of brightness in"):
        decoded.image()
