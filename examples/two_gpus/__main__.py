"""python -m examples.two_gpus"""

from examples.shared.command_line import run_program
from examples.two_gpus.program import main

if __name__ == "__main__":
    run_program(main)
