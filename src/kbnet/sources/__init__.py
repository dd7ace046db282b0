"""What others record, one file a kind, as sequence folders: bags, videos, lidar scans, RGB-D, COLMAP models."""
