"""The frames of a sequence as one point cloud or surface; sparse points of neighbouring frames as one depth map."""
