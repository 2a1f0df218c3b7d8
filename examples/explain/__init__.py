"""One number of a layer taken apart: the terms that it is the sum of."""
