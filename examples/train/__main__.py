"""python -m examples.train"""

from examples.shared.command_line import run_program
from examples.train.program import main

if __name__ == "__main__":
    run_program(main)
