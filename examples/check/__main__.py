"""python -m examples.check"""

from examples.check.program import main
from examples.shared.command_line import run_program

if __name__ == "__main__":
    run_program(main)
