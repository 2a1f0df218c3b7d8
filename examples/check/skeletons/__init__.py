"""Files to start from: `lenet check 6 --start mine.py` writes one of them."""
