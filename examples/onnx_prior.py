"""Run a monocular depth network in ONNX on the images of a sequence, and write priors for `kbnet complete --prior`.

    python examples/onnx_prior.py network.onnx room/image priors
    kbnet complete room --output out --prior priors --prior-kind disparity

The network takes one RGB image, (1, 3, H, W), normalised with --mean and --std, and gives one map: depth, disparity or
ln depth, up to scale and shift. Images are resized to --size, or to the size that the file fixes.
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("images", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", nargs=2, type=int, metavar=("WIDTH", "HEIGHT"), default=(518, 518))
    parser.add_argument("--mean", nargs=3, type=float, default=(0.485, 0.456, 0.406), help="of RGB in 0..1")
    parser.add_argument("--std", nargs=3, type=float, default=(0.229, 0.224, 0.225), help="of RGB in 0..1")
    options = parser.parse_args()

    session = onnxruntime.InferenceSession(options.network, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    height, width = (
        fixed if isinstance(fixed, int) else chosen
        for fixed, chosen in zip(given.shape[2:], reversed(options.size), strict=True)
    )
    options.output.mkdir(parents=True, exist_ok=True)
    for path in sorted(options.images.iterdir()):
        if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            continue
        image = Image.open(path).convert("RGB")
        resized = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255
        normalised = ((resized - options.mean) / options.std).astype(np.float32).transpose(2, 0, 1)[None]
        values = np.squeeze(session.run(None, {given.name: normalised})[0]).astype(np.float32)
        enlarged = Image.fromarray(values).resize(image.size, Image.Resampling.BILINEAR)
        np.save(options.output / f"{path.stem}.npy", np.asarray(enlarged))
        print(f"wrote {options.output / path.stem}.npy")


if __name__ == "__main__":
    main()
