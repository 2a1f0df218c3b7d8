"""How work is shared among threads, how loops are compiled, and the memory that layers borrow while they compute."""
