"""Ever smaller pieces of images: how long a network still knows what is in them."""
