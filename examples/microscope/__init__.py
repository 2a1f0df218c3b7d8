"""A page that shows what every layer computes of an image."""
