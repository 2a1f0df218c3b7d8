"""The process in which a student's file runs: it judges the functions that the file defines, and writes a report.

Arguments: the file, the exercise, where to write the report, where to write the place of an endless loop, and after
how many seconds.
"""

from __future__ import annotations

import faulthandler
import importlib.util
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from examples.check.checker import find_exercise
from examples.check.judging import Finding, in_a_line, where
from examples.check.report import Report, judge_functions

PRINTED = 2000  # characters of what the file prints that are kept


class Beginning(io.StringIO):
    """Keeps the beginning of what is written."""

    def write(self, text: str) -> int:
        if self.tell() < PRINTED:
            super().write(text[: PRINTED - self.tell()])
        return len(text)


def main(file: str, exercise: str, report: str, place: str, seconds: str) -> None:
    sys.dont_write_bytecode = True  # nothing is left beside the student's file
    sys.path.append(str(Path(file).parent))  # what it imports from beside it; last, lest it hide our packages
    with open(place, "w", encoding="utf-8") as stack:
        faulthandler.dump_traceback_later(float(seconds), exit=True, file=stack)
        printed = Beginning()
        with redirect_stdout(printed), redirect_stderr(printed):
            found = judge_file(file, exercise)
        found.printed = printed.getvalue()
        Path(report).write_text(json.dumps(found.to_json()), encoding="utf-8")
        faulthandler.cancel_dump_traceback_later()


def judge_file(file: str, exercise: str) -> Report:
    """Run the file, and judge the functions that it defines."""
    spec = importlib.util.spec_from_file_location("handed_in", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["handed_in"] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        hint = ""
        if "null bytes" in str(error) or isinstance(error, UnicodeDecodeError):
            hint = "It looks as if the file were not UTF-8: save it as UTF-8 in your editor."
        elif not isinstance(error, SyntaxError | ImportError):
            hint = "Only functions are asked for: put what else the file does below if __name__ == '__main__':"
        return Report(trouble=Finding(False, f"the file cannot be run: {in_a_line(error)}{where(error, file)}", hint))
    return judge_functions(find_exercise(exercise)[1], vars(module))


if __name__ == "__main__":
    main(*sys.argv[1:])
