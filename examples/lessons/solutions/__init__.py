"""Solutions of the lessons' exercises."""
