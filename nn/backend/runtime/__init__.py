"""How work is shared out among threads, how loops are compiled, and the memory that passes borrow."""
