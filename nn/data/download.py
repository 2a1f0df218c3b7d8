"""Files from the web: fetched once, from the first address that works, checked by SHA-256, and kept.

`pooch` keeps the files: it checks whether the wanted one is there already, downloads to a temporary file beside it,
compares the SHA-256, and only then gives the file its name. So a file that has its name is whole, whatever happens in
between; the temporary file goes away with the attempt. What is added here: several addresses in turn, a cut connection
resumed where it broke off, an end to what is too long or stalls, and one sentence if nothing helps.

The files lie in the user's cache folder; the environment variable LENET_TO_ALEXNET_CACHE names another one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from platformdirs import user_cache_path
from tqdm import tqdm

CACHE_VARIABLE = "LENET_TO_ALEXNET_CACHE"
CONNECT_SECONDS = 5  # to reach a server: one that is up needs far less, and a firewall may never refuse
SILENT_SECONDS = 20  # to wait for the next bytes; there is no limit to how long a whole file may take
TRIES = 10  # connections to one mirror, as long as each brings the file further
CHUNK = 2**16


class DownloadError(OSError):
    """No address gave the file; the message says which were tried and how to get it by hand."""


@dataclass(frozen=True)
class WebFile:
    """A file of known content: its name, its length in bytes, and the SHA-256 of its bytes."""

    name: str
    size: int
    sha256: str


def cache_folder() -> Path:
    """Where downloaded files are kept: "data" in the user's cache folder, or in the one that the variable names."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return (Path(chosen).expanduser() if chosen else user_cache_path("lenet-to-alexnet")) / "data"


def fetch(file: WebFile, mirrors: Sequence[str], data_set: str) -> Path:
    """The path of the file, downloaded if it is not there yet; DownloadError where it cannot be had.

    mirrors   addresses to which the file's name is appended, tried in this order
    data_set  the folder in the cache to keep it in: files of different data sets have the same names
    """
    # Imported here, so that a program that downloads nothing does not wait for them.
    import pooch
    import requests

    folder = cache_folder().absolute() / data_set
    failures = []
    for mirror in mirrors:
        url = mirror + file.name
        try:
            return Path(
                pooch.retrieve(
                    url,
                    known_hash=f"sha256:{file.sha256}",
                    fname=file.name,
                    path=folder,
                    downloader=functools.partial(_download, size=file.size),
                )
            )
        except requests.RequestException as error:
            failures.append(f"{url} ({_reason(error)})")
        except _WrongLengthError as error:
            failures.append(f"{url} ({error})")
        except ValueError:  # pooch's word for a SHA-256 that differs
            failures.append(f"{url} (what it sends is damaged: another SHA-256)")
        except OSError as error:  # the disk, not the network, so another address would not help
            reason = error.strerror or " ".join(str(error).split())
            raise DownloadError(
                f"{file.name} cannot be kept in {folder} ({reason}): make room or allow writing there, "
                f"or let the environment variable {CACHE_VARIABLE} name another folder"
            ) from None
    there = " in place of the damaged one" if (folder / file.name).exists() else ""
    raise DownloadError(
        f"{file.name} could not be downloaded from {', nor from '.join(failures)}: get it in another way or on another "
        f"computer and put it into {folder}{there}, or into a folder of your own, named instead of {data_set!r}"
    )


def _download(url: str, output_file: str, _pooch: object, size: int) -> None:
    """Receive a file of `size` bytes, over several connections if need be: the `downloader` that pooch calls."""
    import requests

    name = url.rsplit("/", 1)[-1]
    # pooch has made the file for its owner alone; made anew, others can read it too, where the folder is shared.
    os.unlink(output_file)
    with (
        requests.Session() as session,
        open(output_file, "xb") as out,
        # disable=None: no bar where stderr is not a terminal
        tqdm(total=size, desc=name, unit="B", unit_scale=True, disable=None, dynamic_ncols=True) as bar,
    ):
        for attempt in range(TRIES):
            start = out.tell()
            try:
                _receive(session, url, out, size, bar)
                return
            except requests.HTTPError:  # the server is there and says no
                raise
            except requests.RequestException:
                if out.tell() <= start or attempt == TRIES - 1:
                    raise


def _receive(session, url: str, out: BinaryIO, size: int, bar: tqdm) -> None:
    """Append to `out` what it lacks of the file; an error where the connection ends before `size` bytes are there."""
    import requests

    start = out.tell()
    # identity: these files are compressed already, and the SHA-256 is that of the compressed file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with session.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, SILENT_SECONDS)) as response:
        response.raise_for_status()
        sent = response.headers.get("Content-Range", "") if response.status_code == 206 else "everything"
        if start and not sent.startswith(f"bytes {start}-"):  # a server that cannot resume begins again
            start = 0
            out.seek(0)
            out.truncate()
            bar.reset()
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and start + int(announced) != size:
            raise _WrongLengthError(start + int(announced), size)
        # Some servers call the file's own compression one of the connection, and requests would undo it.
        response.raw.headers.pop("Content-Encoding", None)
        for chunk in response.iter_content(CHUNK):
            if out.tell() + len(chunk) > size:
                raise _WrongLengthError(out.tell() + len(chunk), size)
            out.write(chunk)
            bar.update(len(chunk))
    if out.tell() < size:
        raise requests.exceptions.ChunkedEncodingError("the connection ended early")


class _WrongLengthError(ValueError):
    def __init__(self, length: int, expected: int) -> None:
        super().__init__(f"what it sends is not the file: {length:,} bytes or more instead of {expected:,}")


def _reason(error: Exception) -> str:
    """A few words for an error of requests, whose own messages are long and name its inner parts."""
    import requests

    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}".strip()
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refuses"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut"
    if isinstance(error, requests.TooManyRedirects):
        return "it redirects without end"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
