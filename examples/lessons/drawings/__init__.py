"""The drawings of the lessons, a module for each lesson that has some."""
