"""Downloads from a server that cuts, corrupts, redirects, stalls, or is absent: a file comes whole or not at all."""

import hashlib
import importlib
import os
import threading
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from nn.data import download
from nn.data.download import DownloadError, WebFile, cache_folder, fetch

CONTENT = np.random.default_rng(0).bytes(300_000)
NAME = "numbers.gz"
FILE = WebFile(NAME, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def filled(server, monkeypatch):
    server.files[NAME] = CONTENT
    monkeypatch.setattr(download, "CHUNK", 10_000)
    monkeypatch.setattr(download, "SILENT_SECONDS", 0.7)


def get(server, *ways):
    return fetch(FILE, [server.mirror(way) for way in ways], "things")


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("way", ["whole", "redirect", "encoded", "cut", "forgetful", "lying"])
def test_the_file_arrives_whole_and_nothing_else_stays(server, cache, way):
    path = get(server, way)
    assert path == cache / "things" / NAME
    assert path.read_bytes() == CONTENT
    assert files_in(cache) == [NAME]


def test_a_cut_connection_is_resumed_where_it_broke_off(server):
    get(server, "cut")
    (_, first), (_, second) = server.requests
    assert first is None
    assert second == f"bytes={len(CONTENT) // 2}-"


def test_a_file_that_is_there_is_not_downloaded_again(server):
    first = get(server, "whole")
    assert get(server, "whole") == first
    assert len(server.requests) == 1


def test_without_a_network_a_file_that_is_there_is_enough(server, absent):
    path = get(server, "whole")
    assert fetch(FILE, [absent], "things") == path


def test_a_damaged_file_is_replaced(server, cache):
    (cache / "things").mkdir(parents=True)
    (cache / "things" / NAME).write_bytes(CONTENT[:1000])
    assert get(server, "whole").read_bytes() == CONTENT
    assert files_in(cache) == [NAME]


BAD = {
    "missing": "404 Not Found",
    "broken": "503 Service Unavailable",
    "corrupt": "another SHA-256",
    "page": r"not the file: 26 bytes or more instead of 300,000",
    "endless": r"not the file: 3\d\d,\d\d\d bytes or more instead of 300,000",
    "unannounced": "the connection was cut",
    "cut-always": "the connection was cut",
    "stall": "no answer in time",
    "loop": "redirects without end",
    "elsewhere": "InvalidSchema",
}


@pytest.mark.parametrize("way", BAD)
def test_the_next_mirror_helps_where_one_fails(server, cache, way):
    assert get(server, way, "whole", "unused").read_bytes() == CONTENT
    assert f"/{way}/{NAME}" in server.asked()
    assert f"/unused/{NAME}" not in server.asked()
    assert files_in(cache) == [NAME]


@pytest.mark.parametrize(("way", "reason"), BAD.items())
def test_a_failure_leaves_nothing_and_says_everything_in_one_sentence(server, cache, way, reason):
    with pytest.raises(DownloadError, match=reason) as error:
        get(server, way)
    message = str(error.value)
    assert "\n" not in message and message.startswith(f"{NAME} could not be downloaded from ")
    assert server.mirror(way) + NAME in message
    assert f"put it into {cache / 'things'}" in message and "'things'" in message
    assert files_in(cache) == []


def test_all_addresses_are_named_in_their_order(server, absent):
    with pytest.raises(DownloadError) as error:
        fetch(FILE, [absent, server.mirror("missing")], "things")
    message = str(error.value)
    assert f"from {absent}{NAME} (no connection), nor from {server.mirror('missing')}{NAME} (404 Not Found)" in message


def test_a_server_without_encryption_and_a_proxy_that_is_not_there_are_named(server, absent, monkeypatch):
    """Only the program's owner can tell what to do about these two, so they are not called a missing connection."""
    with pytest.raises(DownloadError, match=r"\(no secure connection\)"):
        fetch(FILE, [server.mirror("whole").replace("http:", "https:")], "things")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", absent)
    with pytest.raises(DownloadError, match=r"\(the proxy refuses\)"):
        get(server, "whole")
    assert server.asked() == []


def test_a_damaged_file_that_cannot_be_replaced_is_mentioned_and_not_used(absent, cache, server):
    (cache / "things").mkdir(parents=True)
    (cache / "things" / NAME).write_bytes(b"half a fi")
    with pytest.raises(DownloadError, match="in place of the damaged one"):
        fetch(FILE, [absent], "things")


def test_the_file_put_there_by_hand_is_used(absent, cache, server):
    (cache / "things").mkdir(parents=True)
    (cache / "things" / NAME).write_bytes(CONTENT)
    assert fetch(FILE, [absent], "things").read_bytes() == CONTENT


def test_giving_up_by_hand_leaves_nothing(server, cache, monkeypatch):
    class Bar(download.tqdm):
        def update(self, *_):
            raise KeyboardInterrupt

    monkeypatch.setattr(download, "tqdm", Bar)
    with pytest.raises(KeyboardInterrupt):
        get(server, "whole")
    assert files_in(cache) == []


def test_a_connection_that_brings_nothing_is_not_tried_for_ever(server):
    with pytest.raises(DownloadError):
        get(server, "cut-always")
    assert len(server.requests) == 2  # the second brought nothing new


def test_the_number_of_tries_is_bounded(server, monkeypatch):
    monkeypatch.setattr(download, "TRIES", 1)
    with pytest.raises(DownloadError, match="the connection was cut"):
        get(server, "cut")
    assert len(server.requests) == 1


def test_two_at_a_time_do_not_disturb_each_other(server, cache):
    results = []
    threads = [threading.Thread(target=lambda: results.append(get(server, "cut").read_bytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 4
    assert files_in(cache) == [NAME]


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_others_may_read_the_file_where_the_users_files_are_readable(server):
    previous = os.umask(0o022)
    try:
        assert get(server, "whole").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(previous)


def test_a_place_that_cannot_be_written_is_said_at_once(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LENET_TO_ALEXNET_CACHE", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="cannot be kept in .*LENET_TO_ALEXNET_CACHE") as error:
        get(server, "whole", "whole")
    assert "\n" not in str(error.value)
    assert len(server.requests) <= 1


def test_the_cache_is_the_users_unless_the_variable_says_otherwise(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache" / "data"
    monkeypatch.delenv("LENET_TO_ALEXNET_CACHE")
    assert cache_folder() == platformdirs.user_cache_path("lenet-to-alexnet") / "data"
    monkeypatch.setenv("LENET_TO_ALEXNET_CACHE", os.path.join("~", "pictures"))
    assert cache_folder() == Path.home() / "pictures" / "data"


@pytest.mark.parametrize(
    ("module", "files", "mirrors"),
    [
        ("mnist", "MNIST_FILES", "MNIST_MIRRORS"),
        ("mnist", "FASHION_FILES", "FASHION_MIRRORS"),
        ("cifar10", "FILE", "MIRRORS"),
    ],
)
def test_published_files_have_more_than_one_address_and_a_whole_check_sum(module, files, mirrors):
    module = importlib.import_module(f"nn.data.{module}")
    files, mirrors = getattr(module, files), getattr(module, mirrors)
    assert len(set(mirrors)) >= 2 and all(mirror.endswith("/") for mirror in mirrors)
    for file in files if isinstance(files, tuple) else (files,):
        assert len(bytes.fromhex(file.sha256)) == 32 and file.size > 4000
