"""Slides and one-page sheets for a course, made from the lessons' own cells."""
