"""KITTI depth completion: archives, splits, standing frames."""
