"""Ever smaller pieces of pictures: how long a network still knows what is on them."""
