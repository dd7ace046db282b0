"""Render furnished rooms from OBJ models: images with exact depth.

The world of a room has x to the right, y up and z towards its front, metres; the floor is y = 0.
"""
