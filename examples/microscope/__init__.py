"""A page that shows what every layer computes of a picture."""
