"""A right answer to each exercise. Nothing needs this folder: who teaches may pass the project on without it."""
