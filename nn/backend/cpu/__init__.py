"""The array loops that cost time, for the processor."""
