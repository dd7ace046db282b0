"""Depth networks (KBNet, VOICED, ScaffNet, FusionNet), PoseNet, and the preparation of their inputs."""
