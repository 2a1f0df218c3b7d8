"""Any network of the library, trained on any images."""
