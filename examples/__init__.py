"""Programs that people run: `python -m examples.compare --help` says what it does."""
