"""Ways to run the network: torch, ONNX Runtime, OpenVINO."""
