"""Numbered lessons: scripts in cells, to be read and run in order."""
