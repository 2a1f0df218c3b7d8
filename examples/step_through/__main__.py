"""python -m examples.step_through"""

from examples.shared.command_line import run_program
from examples.step_through.program import main

if __name__ == "__main__":
    run_program(main)
