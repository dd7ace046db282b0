"""The network as files other programs run: ONNX, OpenVINO, torch.export."""
