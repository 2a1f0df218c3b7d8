"""A network step by step, forward and backward."""
