"""Export of networks to files for other programs: ONNX, OpenVINO, torch.export."""
