"""The training program from the command line: what it writes, that it resumes to the same bits, and bad input."""

import csv

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

import models
from examples.train import program as train
from examples.train import results
from models import alexnet_small
from models.registry import load as load_model
from nn.data import load, split
from nn.files.weights import read_metadata
from nn.training import evaluate

FILES = ["best.safetensors", "checkpoint.previous.safetensors", "checkpoint.safetensors", "curves.png"]
FILES += ["last.safetensors", "metrics.csv"]
COLUMNS = ["epoch", "learning_rate", "train_loss", "train_accuracy", "test_loss", "test_accuracy"]
COLUMNS += ["seconds", "images_per_second", "test_top5"]
TIMES = ("seconds", "images_per_second")
DRAW = train.draw


def run(data, out, *options, model="lenet", status=0):
    arguments = ["--model", model, "--data", str(data), "--out", str(out), *map(str, options)]
    assert train.main(arguments) == status
    return out


def rows(folder):
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def timeless(folder):
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows(folder)]


def arrays(path):
    with safe_open(path, framework="numpy") as file:
        # What lies there as JSON says how long each epoch took.
        return {name: file.get_tensor(name) for name in file.keys() if name != "history/others"}  # noqa: SIM118


def assert_same_arrays(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].tobytes() == other[name].tobytes(), name


@pytest.fixture(autouse=True)
def curves_are_not_drawn(monkeypatch):
    """Only those of `finished` are, and of whoever undoes this: matplotlib takes longer than the trainings here."""
    monkeypatch.setattr(train, "draw", lambda folder, network, history: (folder / "curves.png").touch())


# ------------------------------------------------------------------------------------------------ a whole run
@pytest.fixture(scope="module")
def finished(few_digits, tmp_path_factory):
    return run(few_digits, tmp_path_factory.mktemp("runs") / "deep" / "out", "--epochs", 4, "--batch-size", 16)


def test_exactly_the_promised_files_are_written(finished):
    assert sorted(path.name for path in finished.iterdir()) == FILES


def test_metrics(finished):
    table = rows(finished)
    assert list(table[0]) == COLUMNS
    assert [row["epoch"] for row in table] == ["1", "2", "3", "4"]
    for row in table:
        assert 0 <= float(row["train_accuracy"]) <= 1 and 0 <= float(row["test_accuracy"]) <= 1
        assert float(row["train_loss"]) > 0 and float(row["test_loss"]) > 0
        assert float(row["seconds"]) > 0
        assert float(row["images_per_second"]) == pytest.approx(75 / float(row["seconds"]))


def test_curves(finished):
    with Image.open(finished / "curves.png") as image:
        assert image.format == "PNG"
        assert image.width >= 500
        assert np.asarray(image.convert("L")).min() < 100


def test_best_is_the_network_of_its_epoch(finished, few_digits):
    """`load` needs nothing but the file, and what it gives scores as the log says."""
    network = load_model(finished / "best.safetensors")
    assert network.name == "lenet" and network.num_parameters == 61_706
    best = int(read_metadata(finished / "best.safetensors")["extra"]["epoch"])
    logged = rows(finished)[best - 1]
    assert float(logged["test_accuracy"]) == max(float(row["test_accuracy"]) for row in rows(finished))
    train_set, test_set = load(few_digits)
    recipe = train.make_recipe(train.make_parser().parse_args(["--model", "lenet", "--data", "x"]))
    prepare = train.make_prepare(train.make_preparation(recipe, train_set, network.image_shape), (), train_set)
    loss, accuracy, _ = evaluate(network, test_set.images, test_set.labels, prepare=prepare)
    assert accuracy == float(logged["test_accuracy"])
    assert loss == pytest.approx(float(logged["test_loss"]), rel=1e-6)


def test_what_is_printed(few_digits, tmp_path, capsys):
    folder = run(few_digits, tmp_path / "out", "--epochs", 2)
    out, err = capsys.readouterr()
    assert "61,706 parameters; 75 images, 15 held out" in out
    assert "lenet epoch 1/2" in err and "lenet epoch 2/2" in err and "\r" not in err
    (last,) = [line for line in out.splitlines() if line.startswith("Best: epoch")]
    assert str(folder) in last
    assert f"Best: epoch {read_metadata(folder / 'best.safetensors')['extra']['epoch']} of 2" in last


def test_the_printed_best_epoch_is_the_one_in_the_file_even_if_epochs_tie(few_digits, tmp_path, capsys):
    # A rate of next to nothing changes nothing: all epochs are equally good.
    folder = run(few_digits, tmp_path / "out", "--epochs", 3, "--lr", 1e-30, "--schedule", "constant")
    assert len({row["test_accuracy"] for row in rows(folder)}) == 1
    epoch = read_metadata(folder / "best.safetensors")["extra"]["epoch"]
    assert f"Best: epoch {epoch} of 3" in capsys.readouterr().out


def test_a_worse_epoch_leaves_the_best_weights(few_digits, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(train.Network, "save", lambda self, path, extra, dtype: saved.append(extra["epoch"]))
    network = models.lenet()
    history = train.History()
    for epoch, accuracy in enumerate((0.5, 0.7, 0.6, 0.8, 0.1), 1):
        numbers = dict.fromkeys(COLUMNS, 0.5) | {"epoch": epoch, "test_accuracy": accuracy}
        history.epochs.append(numbers)
        history.steps.append(1.0)
        train.write_progress(tmp_path, network, history, {})
    assert saved == [1, 2, 4]


def test_held_out_pictures_replace_the_test_set(few_digits, tmp_path, capsys):
    folder = run(few_digits, tmp_path / "out", "--epochs", 1, "--held-out", 25, "--seed", 3)
    assert "50 images, 25 held out" in capsys.readouterr().out
    # What is held out does not depend on the seed of the run, so that runs can be compared; and it is what was tested.
    train_set, held_out = split(load(few_digits)[0], 25, seed=0)
    network = load_model(folder / "best.safetensors")
    recipe = train.make_recipe(train.make_parser().parse_args(["--model", "lenet", "--data", "x"]))
    prepare = train.make_prepare(train.make_preparation(recipe, train_set, network.image_shape), (), train_set)
    loss, accuracy, _ = evaluate(network, held_out.images, held_out.labels, prepare=prepare)
    (row,) = rows(folder)
    assert float(row["test_accuracy"]) == accuracy
    assert float(row["test_loss"]) == pytest.approx(loss, rel=1e-6)


def test_without_test_pictures_the_training_error_decides(colours, tmp_path, capsys):
    folder = run(colours, tmp_path / "out", "--epochs", 1, "--width", 0.05, model="alexnet_small")
    out = capsys.readouterr().out
    assert "60 images, none held out" in out
    (row,) = rows(folder)
    assert row["test_accuracy"] == "nan"
    assert f"error {1 - float(row['train_accuracy']):.2%}" in out
    assert (folder / "best.safetensors").is_file()


@pytest.mark.parametrize(
    "model, options, parameters",
    [
        ("lenet5_1998", (), 60_000),
        ("lenet5_1998", ("--augment", "distort"), 60_000),
        ("alexnet_small", ("--width", 0.05, "--augment", "crop,mirror,distort,colour"), None),
    ],
)
def test_other_models_on_digits(few_digits, tmp_path, model, options, parameters):
    data = ("--image-size", 32) if model == "alexnet_small" else ()
    folder = run(few_digits, tmp_path / "out", "--epochs", 1, *data, *options, model=model)
    network = load_model(folder / "best.safetensors")
    assert network.name == model
    assert parameters is None or network.num_parameters == parameters


@pytest.mark.parametrize("variant", ["80sec", "18pct"])
@pytest.mark.parametrize("augment, side", [("none", 32), ("crop,mirror", 28)])
def test_cifar10_networks(colours, tmp_path, variant, augment, side):
    options = ("--variant", variant, "--augment", augment, "--epochs", 1, "--batch-size", 20, "--held-out", 15)
    folder = run(colours, tmp_path / "out", *options, model="alexnet_cifar10")
    network = load_model(folder / "best.safetensors")
    assert network.image_shape == (side, side, 3)
    assert ("norm1" in network.layers) == (variant == "18pct")
    assert network.output_shape(network.image_shape) == (3,)


@pytest.mark.parametrize("schedule", ["constant", "one-cycle", "steps", "plateau"])
def test_every_schedule(few_digits, tmp_path, schedule):
    folder = run(few_digits, tmp_path / "out", "--epochs", 4, "--batch-size", 75, "--lr", 0.1, "--schedule", schedule)
    rates = [float(row["learning_rate"]) for row in rows(folder)]
    expected = {"constant": [0.1] * 4, "plateau": [0.1] * 4, "steps": [0.1, 0.1, 0.01, 0.001]}.get(schedule)
    if expected:
        assert rates == pytest.approx(expected)
    else:
        assert rates[0] == pytest.approx(0.004) and max(rates) <= 0.1


def test_the_seed_fixes_the_run(few_digits, tmp_path):
    options = ("--epochs", 1, "--width", 0.05, "--image-size", 32, "--augment", "crop,mirror")
    one, again, other = (
        run(few_digits, tmp_path / name, *options, "--seed", seed, model="alexnet_small")
        for name, seed in (("one", 1), ("again", 1), ("other", 2))
    )
    assert timeless(one) == timeless(again) != timeless(other)
    assert_same_arrays(arrays(one / "checkpoint.safetensors"), arrays(again / "checkpoint.safetensors"))


# --------------------------------------------------------------------------------------------------- resuming
RESUMED = {
    "lenet one-cycle": ("lenet", ("--epochs", 4, "--batch-size", 16)),
    "alexnet_small": (
        "alexnet_small",
        ("--epochs", 4, "--batch-size", 16, "--width", 0.05, "--image-size", 32, "--augment", "crop,mirror,distort")
        + ("--schedule", "plateau", "--form", "pytorch"),
    ),
    "lenet5_1998": ("lenet5_1998", ("--epochs", 4, "--augment", "distort", "--held-out", 20)),
}


@pytest.mark.parametrize(
    "which, stop",
    [("lenet one-cycle", 1)]
    + [
        pytest.param(which, stop, marks=pytest.mark.slow)
        for which, stop in (("lenet one-cycle", 3), ("alexnet_small", 3), ("lenet5_1998", 1))
    ],
)
def test_a_resumed_run_ends_with_the_same_bits(few_digits, tmp_path, capsys, interrupt, which, stop):
    model, options = RESUMED[which]
    whole = run(few_digits, tmp_path / "whole", *options, model=model)
    expected = timeless(whole)
    whole.rename(tmp_path / "kept")  # the folder is one of the arguments, which must be the same
    interrupt(stop)
    folder = run(few_digits, tmp_path / "whole", *options, model=model, status=130)
    err = capsys.readouterr().err
    assert "stopped by Ctrl-C" in err and "--resume" in err and "Traceback" not in err
    assert len(rows(folder)) == stop
    interrupt(None)
    run(few_digits, folder, *options, "--resume", model=model)
    assert timeless(folder) == expected
    for name in ("checkpoint.safetensors", "best.safetensors"):
        assert_same_arrays(arrays(folder / name), arrays(tmp_path / "kept" / name))
    assert read_metadata(folder / "best.safetensors") == read_metadata(tmp_path / "kept" / "best.safetensors")


def test_resuming_a_finished_run_changes_nothing(few_digits, tmp_path):
    folder = run(few_digits, tmp_path / "out", "--epochs", 2)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run(few_digits, folder, "--epochs", 2, "--resume")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_resume_may_stand_anywhere(few_digits, tmp_path):
    folder = run(few_digits, tmp_path / "out", "--epochs", 1)
    arguments = ["--resume", "--model", "lenet", "--data", str(few_digits), "--out", str(folder), "--epochs", "1"]
    assert train.main(arguments) == 0


def test_force_starts_again(few_digits, tmp_path):
    folder = run(few_digits, tmp_path / "out", "--epochs", 2, "--seed", 1)
    run(few_digits, folder, "--epochs", 1, "--seed", 2, "--force")
    assert len(rows(folder)) == 1
    assert sorted(path.name for path in folder.iterdir()) == FILES
    fresh = run(few_digits, tmp_path / "fresh", "--epochs", 1, "--seed", 2)
    assert_same_arrays(arrays(folder / "best.safetensors"), arrays(fresh / "best.safetensors"))


def test_a_forced_run_resumes_without_force(few_digits, tmp_path, interrupt):
    """--force is for the start alone; to say it again on resuming would be strange."""
    interrupt(1)
    folder = run(few_digits, tmp_path / "out", "--epochs", 2, "--force", status=130)
    interrupt(None)
    run(few_digits, folder, "--epochs", 2, "--resume")
    assert len(rows(folder)) == 2


class NoRoomForPictures(Exception):
    pass


@pytest.mark.parametrize("epoch", [1, 3])
def test_what_is_precious_is_saved_before_anything_is_drawn(few_digits, tmp_path, monkeypatch, epoch):
    drawn = []

    def draw(path, curves, *_):
        drawn.append(path)
        if len(drawn) == epoch:
            raise NoRoomForPictures

    monkeypatch.setattr(train, "draw", DRAW)
    monkeypatch.setattr(results.plots, "learning_curves", draw)
    with pytest.raises(NoRoomForPictures):
        run(few_digits, tmp_path / "out", "--epochs", 3)
    assert [row["epoch"] for row in rows(tmp_path / "out")] == [str(number) for number in range(1, epoch + 1)]
    assert (tmp_path / "out" / "best.safetensors").is_file()
    assert (tmp_path / "out" / "last.safetensors").is_file() == (epoch == 3)
    monkeypatch.undo()
    whole = run(few_digits, tmp_path / "whole", "--epochs", 3)
    resumed = run(few_digits, tmp_path / "out", "--epochs", 3, "--resume")
    for name in ("best.safetensors", "last.safetensors"):
        assert_same_arrays(arrays(resumed / name), arrays(whole / name))
    assert (resumed / "curves.png").is_file()


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as exit_:
        train.main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    for text in (*FILES, "examples:", "--resume", "lenet5_1998", "models.load(path)", "--held-out", "--augment"):
        assert text in out


# ------------------------------------------------------------------------- crops where there is no room for them
@pytest.fixture
def little_alexnet(monkeypatch):
    """The full-size AlexNet reads 227x227 pixels; here one of 32x32 stands for it."""
    monkeypatch.setattr(models, "alexnet", lambda classes, _, rng: alexnet_small(classes, (32, 32, 3), 0.05, rng))
    return ("--epochs", 1, "--batch-size", 32)


def test_it_is_said_where_the_recipes_crop_has_no_room(little_alexnet, colours, tmp_path, capsys):
    run(colours, tmp_path / "out", *little_alexnet, model="alexnet")
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train: ")]
    assert "32x32" in said and "crop" in said and "--image-size 36" in said


@pytest.mark.parametrize("options", [("--image-size", 36), ("--image-size", 40), ("--augment", "mirror")])
def test_nothing_is_said_where_it_has_or_nobody_wants_it(options, little_alexnet, colours, tmp_path, capsys):
    run(colours, tmp_path / "out", *little_alexnet, *options, model="alexnet")
    assert "train: " not in capsys.readouterr().err


def test_a_crop_that_was_asked_for_and_has_no_room_is_refused(little_alexnet, colours, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        run(colours, tmp_path / "out", *little_alexnet, "--augment", "crop,mirror", model="alexnet")
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--augment" in said and "--image-size 36" in said
