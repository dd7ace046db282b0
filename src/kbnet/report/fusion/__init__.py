"""Fusion: frames to one point cloud or surface; sparse points of neighbouring frames to one depth map."""
