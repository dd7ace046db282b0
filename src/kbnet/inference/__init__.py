"""Ways to run the network: eager or compiled torch, ONNX Runtime, OpenVINO."""
