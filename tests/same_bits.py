"""python -m tests.same_bits FILE FILE: whether two runs wrote the same, byte for byte."""

import hashlib
import sys
from pathlib import Path


def main(paths: list[str]) -> int:
    digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    for path, digest in zip(paths, digests):
        print(digest[:16], path)
    is_same = len(set(digests)) == 1
    print("The same bits." if is_same else "They differ.")
    return not is_same


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
