"""Training on what stays on the disk: the same as from memory, and the same when it goes on in the middle."""

import csv

import numpy as np
import pytest
from safetensors import safe_open

from examples import pack
from examples.train import program as train
from examples.train.network import check_crop
from examples.train.results import write_progress
from nn.data.preparation import Preparation
from nn.data.stream import StreamedImages
from nn.training import History, prefetch
from tests.streamed import make_folder, make_shards

FIRST = [
    "--model",
    "alexnet_small",
    "--width",
    "0.1",
    "--batch-size",
    "10",
    "--epochs",
    "2",
    "--augment",
    "crop,mirror",
]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LENET_TO_ALEXNET_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("streamed") / "set", each=9, test=3)


@pytest.fixture(scope="module")
def shards(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "shards"
    assert pack.main([str(folder), str(path), "--image-size", "32", "--per-shard", "11"]) == 0
    return path


def run(out, data, *more):
    return train.main([*FIRST, "--data", str(data), "--image-size", "32", "--out", str(out), *more])


def weights(out):
    with safe_open(out / "last.safetensors", framework="numpy") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118 (not a dict)


def metrics(out):
    with open(out / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_from_the_disk_as_from_memory(folder, tmp_path, capsys, monkeypatch):
    """To the same bits, with means that are the same: those of the two differ in the last one."""
    monkeypatch.setattr("models.recipes._statistics", lambda *_, **__: (np.float32(0.5), np.float32(0.25)))
    for stream in ("yes", "no"):
        assert run(tmp_path / stream, folder, "--stream", stream) == 0
    said = capsys.readouterr()
    assert "set: 54 images of 32x32 are streamed from the disk." in said.out and ", waited " in said.err
    streamed, in_memory = (metrics(tmp_path / name) for name in ("yes", "no"))
    assert "waited" in streamed[0] and "waited" not in in_memory[0]
    for one, other in zip(streamed, in_memory, strict=True):
        assert one["train_loss"] == other["train_loss"] and one["test_top5"] == other["test_top5"] != ""
    assert weights(tmp_path / "yes") == weights(tmp_path / "no")


@pytest.mark.parametrize("kind", ["folder", "shards"])
def test_stopped_in_the_middle_of_an_epoch_it_goes_on_to_the_same_bits(kind, request, tmp_path, monkeypatch):
    data = request.getfixturevalue(kind)
    assert run(tmp_path / "whole", data, "--stream", "yes", "--held-out", "6") == 0
    real = train.save_checkpoint

    def save(path, network, optimizer, history, *rest):
        real(path, network, optimizer, history, *rest)
        if history.unfinished and len(history.steps) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "save_checkpoint", save)
    assert run(tmp_path / "stopped", data, "--stream", "yes", "--held-out", "6", "--save-every", "1e-9") == 130
    monkeypatch.setattr(train, "save_checkpoint", real)
    # The rest with another number of threads and of batches ahead.
    monkeypatch.setattr(prefetch, "AHEAD", 1)
    monkeypatch.setattr("nn.data.stream.num_threads", lambda: 7)
    out = tmp_path / "stopped"
    assert run(out, data, "--stream", "yes", "--held-out", "6", "--save-every", "1e-9", "--resume") == 0
    assert weights(out) == weights(tmp_path / "whole")
    assert [row["train_loss"] for row in metrics(out)] == [row["train_loss"] for row in metrics(tmp_path / "whole")]


def test_broken_pictures_are_named_once(tmp_path, capsys):
    make_folder(tmp_path / "set")
    (tmp_path / "set" / "train" / "dog" / "1.jpg").write_bytes(b"broken")
    assert run(tmp_path / "run", tmp_path / "set", "--stream", "yes") == 0
    said = capsys.readouterr().err
    assert said.count("1 of 30 images cannot be read, and others of their classes stand in for them") == 1
    assert said.count("train/dog/1.jpg") == 1


def test_a_shard_that_vanishes_ends_the_run_with_a_sentence(tmp_path, capsys, monkeypatch):
    make_shards(tmp_path / "shards")
    real = train.fit

    def fit(*arguments):
        (tmp_path / "shards" / "00001.tar").unlink()
        return real(*arguments)

    monkeypatch.setattr(train, "fit", fit)
    assert run(tmp_path / "run", tmp_path / "shards") == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("train: ") and "00001.tar could be read before and no longer can" in said
    assert "bring it back; then, to continue from the last checkpoint" in said and said.endswith("--resume")


def test_a_run_that_began_with_fewer_columns_goes_on(tmp_path):
    history = History(
        epochs=[{"epoch": 1, "test_accuracy": 0.5}, {"epoch": 2, "test_accuracy": 0.25, "test_top5": 0.75}]
    )
    write_progress(tmp_path, None, history, {})
    assert metrics(tmp_path) == [
        {"epoch": "1", "test_accuracy": "0.5", "test_top5": ""},
        {"epoch": "2", "test_accuracy": "0.25", "test_top5": "0.75"},
    ]


def test_a_crop_that_cannot_move_is_refused():
    parser = train.make_parser()
    preparation = Preparation((227, 227), 3, (227, 227))
    for more in (["--image-size", "227"], ["--augment", "crop"]):
        options = parser.parse_args(["--model", "alexnet", *more])
        with pytest.raises(ValueError, match="crop does nothing; add --image-size 256"):
            check_crop(options, train.make_recipe(options), preparation)


def test_alexnet_reads_256_pixels_of_what_is_streamed(folder):
    parser = train.make_parser()
    options = parser.parse_args(["--model", "alexnet", "--data", str(folder), "--stream", "yes"])
    sets = train.load_sets(options, False)
    assert isinstance(sets.train_set.images, StreamedImages) and sets.train_set.image_shape == (256, 256, 3)


def test_several_sets_cannot_be_streamed(folder, shards, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path / "run", folder, "--data", str(shards))
    assert "take the others out, or --stream no" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(tmp_path / "run", folder, "--stream", "yes", "--held-out-files", "1")
    assert "take --held-out N" in capsys.readouterr().err


def test_classes_and_held_out_images_of_a_stream(shards, tmp_path, capsys):
    parser = train.make_parser()
    more = ["--classes", "hen,cat", "--held-out", "4", "--out", str(tmp_path)]
    options = parser.parse_args([*FIRST, "--data", str(shards), *more])
    sets = train.load_sets(options, False)
    assert sets.train_set.class_names == ("hen", "cat") and (len(sets.train_set), len(sets.test_set)) == (14, 4)
    assert np.bincount(sets.test_set.labels).tolist() == [2, 2]
    assert "near duplicates of streamed images are not looked for" in capsys.readouterr().out
