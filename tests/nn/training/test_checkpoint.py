"""Checkpoints: a run that was interrupted ends with the same bits as one that was not, and files that do not fit are
refused in one sentence."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from layers import BatchNorm2d, Dropout, EuclideanRBF, Flatten, Linear, ReLU
from nn import SGD, Network
from nn.data import Dataset
from nn.data.augmentation import mirror
from nn.training import History, train
from nn.training.checkpoint import _digest, load_checkpoint, previous, save_checkpoint
from nn.training.schedules import Plateau, one_cycle, stairs
from tests.checks import one_sentence

EPOCHS = 6
TIMES = ("seconds", "images_per_second")
SCHEDULES = {
    "none": lambda: None,
    "one_cycle": lambda: one_cycle(0.3),
    "stairs": lambda: stairs([0.1, 0.01], [3, 3]),
    "plateau": lambda: Plateau(0.1, factor=0.5, patience=1, drops=2),
}


def pictures(N, seed):
    rng = np.random.default_rng(seed)
    return Dataset(rng.normal(0, 1, (N, 4, 4, 1)).astype(np.float32), rng.integers(0, 3, N), ("a", "b", "c"))


def network(seed=0, hidden=9):
    layers = [("flatten", Flatten()), ("fc1", Linear(16, hidden, rng=seed)), ("relu1", ReLU())]
    layers += [("drop1", Dropout(0.5, rng=seed + 1)), ("fc2", Linear(hidden, 8, rng=seed + 2)), ("relu2", ReLU())]
    layers += [("drop2", Dropout(0.2, rng=seed + 3)), ("fc3", Linear(8, 3, rng=seed + 4))]
    return Network(layers)


def prepare(images, rng):
    return images if rng is None else mirror(images, rng)


class Run:
    """A network, its optimizer and its schedule, and the training that they are in."""

    def __init__(self, schedule="none", form="paper", seed=0):
        self.network = network(seed)
        self.optimizer = SGD(self.network, 0.1, 0.9, 0.001, form, {"bias": 2})
        self.schedule = SCHEDULES[schedule]()

    def train(self, after_epoch=None, history=None, after_step=None):
        return train(
            self.network,
            pictures(23, 0),
            pictures(11, 1),
            epochs=EPOCHS,
            optimizer=self.optimizer,
            batch_size=5,
            schedule=self.schedule,
            prepare=prepare,
            seed=7,
            progress=False,
            history=history,
            after_epoch=after_epoch,
            after_step=after_step,
        )

    def save(self, path, history, command=""):
        save_checkpoint(path, self.network, self.optimizer, history, self.schedule, command)

    def load(self, path, command=""):
        return load_checkpoint(path, self.network, self.optimizer, self.schedule, command)


def figures(history):
    rows = [{key: value for key, value in row.items() if key not in TIMES} for row in history.epochs]
    return history.steps, rows


def assert_same_bits(one, other):
    for name, array in one.network.params.items():
        assert array.tobytes() == other.network.params[name].tobytes(), name
        assert one.optimizer.velocities[name].tobytes() == other.optimizer.velocities[name].tobytes(), name
    assert one.optimizer.lr == other.optimizer.lr
    if isinstance(one.schedule, Plateau):
        assert vars(one.schedule) == vars(other.schedule)


@pytest.mark.parametrize("form", ["paper", "pytorch"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("stop", [1, 4, EPOCHS])
def test_a_resumed_run_ends_with_the_same_bits(schedule, stop, form, tmp_path):
    """Dropout, momentum, the order of the pictures, random changes and the plateau's memory included."""
    whole = Run(schedule, form)
    expected = whole.train()
    if schedule == "plateau":
        assert whole.schedule.drops < 2, "the plateau must have been reached for this test to say something"

    path = tmp_path / "checkpoint.safetensors"
    first = Run(schedule, form)

    def after_epoch(history):
        if len(history.epochs) == stop:
            first.save(path, history, "the command")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.train(after_epoch)

    second = Run(schedule, form, seed=100)  # other weights and other masks, all of which the file must replace
    history = second.load(path, "the command")
    assert len(history.epochs) == stop
    assert_same_bits(first, second)
    result = second.train(history=history)
    assert figures(result) == figures(expected)
    assert_same_bits(whole, second)
    masks = [
        [layer.rng.random(5).tolist() for layer in run.network.layers.values() if isinstance(layer, Dropout)]
        for run in (whole, second)
    ]
    assert masks[0] == masks[1], "the next masks would be the same too"


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 13, 29])  # of five an epoch, the last of them short
def test_a_run_resumed_within_an_epoch_ends_with_the_same_bits(schedule, steps, tmp_path):
    whole = Run(schedule)
    expected = whole.train()
    path = tmp_path / "checkpoint.safetensors"
    first = Run(schedule)
    stopped = first.train(after_step=lambda history: len(history.steps) == steps)
    assert len(stopped.steps) == steps and stopped.unfinished["batches"] == steps % 5
    first.save(path, stopped)
    second = Run(schedule, seed=100)
    result = second.train(history=second.load(path))
    assert figures(result) == figures(expected) and result.unfinished is None
    assert len(result.statistics) == EPOCHS and all(result.statistics)
    assert_same_bits(whole, second)


def test_saving_changes_nothing(tmp_path):
    plain, watched = Run("plateau"), Run("plateau")
    expected = plain.train()
    result = watched.train(lambda history: watched.save(tmp_path / "checkpoint.safetensors", history))
    assert figures(result) == figures(expected)
    assert_same_bits(plain, watched)
    names = ["checkpoint.previous.safetensors", "checkpoint.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names, "no half-written files stay"


def test_without_a_test_set_nan_survives(tmp_path):
    run, path = Run(), tmp_path / "checkpoint.safetensors"
    history = train(run.network, pictures(7, 0), epochs=1, optimizer=run.optimizer, progress=False)
    run.save(path, history)
    assert np.isnan(run.load(path).epochs[0]["test_accuracy"])


# ------------------------------------------------------------------------------------------------- bad files
@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(The file after two epochs as bytes, its metadata, its arrays.)"""
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.safetensors"
    run = Run("plateau")

    def after_epoch(history):
        if len(history.epochs) == 2:
            run.save(path, history, "--model this --lr 0.1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train(after_epoch)
    with safe_open(path, framework="numpy") as file:
        state = json.loads(file.metadata()["checkpoint"].partition(" ")[2])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    return path.read_bytes(), state, arrays


def write(path, state, arrays):
    """A file whose check sum is right, whatever is in it."""
    text = json.dumps(state)
    save_file(arrays, path, {"checkpoint": f"{_digest(text, arrays)} {text}"})


def refuse(path, *words, kind=ValueError, command="--model this --lr 0.1", run=None):
    run = run or Run("plateau")
    before = {name: array.copy() for name, array in run.network.params.items()}
    with one_sentence(kind, path.name, *words):
        run.load(path, command)
    for name, array in run.network.params.items():
        assert np.array_equal(array, before[name]), f"{name} has changed"
        assert not run.optimizer.velocities[name].any()
    return run


def test_a_missing_file(tmp_path):
    refuse(tmp_path / "checkpoint.safetensors", "no checkpoint", "--resume", kind=FileNotFoundError)
    refuse(tmp_path, "no checkpoint", kind=FileNotFoundError)


@pytest.mark.parametrize("share", [0, 1e-9, 0.001, 0.1, 0.5, 0.9, 1 - 1e-9])
def test_a_truncated_file(saved, share, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(saved[0][: int(share * len(saved[0]))])
    refuse(path, "not a whole checkpoint")


@pytest.mark.parametrize("content", [b"not a checkpoint", b"\x00" * 100, b"\xff" * 100, b"PK\x03\x04" + b"x" * 60])
def test_a_foreign_file(content, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(content)
    refuse(path, "checkpoint")


def test_weights_are_no_checkpoint(tmp_path):
    path = tmp_path / "best.safetensors"
    network().save(path)
    refuse(path, "not a checkpoint", "examples.train")
    save_file({"x": np.zeros(3, np.float32)}, path)
    refuse(path, "not a checkpoint")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"text"', "{}"])
def test_metadata_that_is_not_ours(saved, text, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_file(saved[2], path, {"checkpoint": text})
    refuse(path, "checkpoint")


@pytest.mark.parametrize("missing", ["command", "lr", "generators", "plateau"])
def test_metadata_with_something_missing(saved, missing, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    state = {key: value for key, value in saved[1].items() if key != missing}
    write(path, state, saved[2])
    refuse(path, "not a checkpoint")


@pytest.mark.parametrize("memory", [None, {}, {"rate": 0.1}])
def test_the_checkpoint_of_a_run_with_another_schedule(saved, memory, tmp_path):
    path, run = tmp_path / "checkpoint.safetensors", Run("plateau")
    write(path, saved[1] | {"plateau": memory}, saved[2])
    before = vars(run.schedule).copy(), run.network.layers["drop1"].rng.bit_generator.state
    refuse(path, "plateau schedule", run=run)
    assert (vars(run.schedule), run.network.layers["drop1"].rng.bit_generator.state) == before


@pytest.mark.parametrize(
    "missing", ["param/fc1.weight", "velocity/fc1.weight", "velocity/fc3.bias", "history/steps", "history/others"]
)
def test_a_missing_array(saved, missing, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    arrays = {name: array for name, array in saved[2].items() if name != missing}
    write(path, saved[1], arrays)
    refuse(path, "history" if "history" in missing else missing.split("/")[1])


@pytest.mark.parametrize("name", ["history/steps", "history/others"])
@pytest.mark.parametrize(
    "array",
    [np.zeros(0, np.uint8), np.frombuffer(b"{}", np.uint8), np.frombuffer(b'"\xff', np.uint8), np.zeros((2, 2))]
    + [np.frombuffer(b'{"failure": "", "steps": []}', np.uint8), np.frombuffer(b"[" * 100_000, np.uint8)],
    ids=["empty", "of nothing", "no text", "a matrix", "of another kind", "deep"],
)
def test_a_history_that_is_none(saved, name, array, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    write(path, saved[1], saved[2] | {name: array})
    refuse(path, "history")


def test_a_velocity_of_another_shape(saved, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    arrays = saved[2] | {"velocity/fc1.weight": np.zeros((3, 5), np.float32)}
    write(path, saved[1], arrays)
    refuse(path, "fc1.weight")


@pytest.mark.parametrize("name", ["param/fc1.weight", "velocity/fc3.bias", "history/steps", "history/others"])
def test_an_edited_number(saved, name, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    arrays = {key: array.copy() for key, array in saved[2].items()}
    arrays[name].flat[0] += 1
    text = json.dumps(saved[1])
    save_file(arrays, path, {"checkpoint": f"{_digest(text, saved[2])} {text}"})
    refuse(path, "damaged")


def test_an_edited_history(saved, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    text = json.dumps(saved[1])
    save_file(saved[2], path, {"checkpoint": f"{_digest(text, saved[2])} {text.replace('0.1', '0.2', 1)}"})
    refuse(path, "damaged")


@pytest.mark.parametrize("damage", ["gone", "cut off", "one bit"])
def test_the_one_before_a_damaged_checkpoint_is_used(damage, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    first = Run("plateau")
    first.train(lambda history: first.save(path, history))
    assert sorted(each.name for each in tmp_path.iterdir()) == [previous(path).name, path.name]
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content if damage == "one bit" else content[:100])
    second = Run("plateau", seed=100)
    with pytest.warns(UserWarning, match=f"epoch {EPOCHS - 1}"):
        history = second.load(path)
    assert len(history.epochs) == EPOCHS - 1
    second.train(history=history)
    assert_same_bits(first, second)


def test_both_damaged(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    run = Run("plateau")
    run.train(lambda history: run.save(path, history))
    for each in (path, previous(path)):
        each.write_bytes(each.read_bytes()[:-1])
    with one_sentence(ValueError, "not a whole checkpoint"):
        Run("plateau").load(path)


def test_the_checkpoint_of_another_network(saved, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(saved[0])
    run = Run("plateau")
    run.network = network(hidden=10)
    run.optimizer = SGD(run.network, 0.1)
    refuse(path, "fc1.weight", run=run)


@pytest.mark.parametrize(
    "command", ["", "--model this --lr 0.2", "--model that --lr 0.1", "--model this --lr 0.1 --seed 1"]
)
def test_edited_arguments(saved, command, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(saved[0])
    refuse(path, "another run", "--model this --lr 0.1", "--out", command=command)


def test_the_same_arguments_are_taken(saved, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(saved[0])
    run = Run("plateau")
    history = run.load(path, "--model this --lr 0.1")
    assert [row["epoch"] for row in history.epochs] == [1, 2]
    assert vars(run.schedule) == saved[1]["plateau"]


# ----------------------------------------------------------------------------------------------- very long runs
def header_length(path):
    """A safetensors file begins with the length of its header, which may have 100 million bytes at most."""
    return int.from_bytes(path.read_bytes()[:8], "little")


def long_history(steps, epochs):
    rows = [{"epoch": epoch, "train_loss": 0.1, "test_accuracy": float("nan")} for epoch in range(1, epochs + 1)]
    return History([1 / (step + 1) for step in range(steps)], rows, [{"fc1": {"zeros": 0.25}}] * epochs)


def test_the_header_does_not_grow_with_the_run(tmp_path):
    lengths = []
    for steps, epochs in ((1, 1), (30_000, 600)):
        Run().save(tmp_path / "checkpoint.safetensors", long_history(steps, epochs))
        lengths.append(header_length(tmp_path / "checkpoint.safetensors"))
    assert lengths[1] - lengths[0] < 200, "only the places and shapes of the arrays get more digits"


@pytest.mark.slow
def test_a_checkpoint_after_six_million_steps(tmp_path):
    """As numbers in the header they would take more than the format allows."""
    path, run = tmp_path / "checkpoint.safetensors", Run()
    history = long_history(1000, 2)
    history.steps = history.steps * 6_000
    run.save(path, history)
    found = run.load(path)
    assert found.steps == history.steps and found.statistics == history.statistics
    assert repr(found.epochs) == repr(history.epochs)


def test_a_checkpoint_of_an_earlier_release_goes_on(saved, tmp_path):
    """Its history lies in the header."""
    path, run = tmp_path / "checkpoint.safetensors", Run("plateau")
    arrays = {name: array for name, array in saved[2].items() if not name.startswith("history/")}
    others = json.loads(saved[2]["history/others"].tobytes())
    history = {"steps": saved[2]["history/steps"].tolist(), **others}
    write(path, saved[1] | {"history": history}, arrays)
    found = run.load(path, "--model this --lr 0.1")
    assert (found.steps, found.epochs) == (history["steps"], history["epochs"]) and len(found.epochs) == 2
    expected = Run("plateau", seed=100)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / path.name).write_bytes(saved[0])
    assert figures(run.train(history=found)) == figures(
        expected.train(history=expected.load(tmp_path / "other" / path.name, "--model this --lr 0.1"))
    )
    assert_same_bits(run, expected)


def test_an_optimizer_of_another_network_is_neither_saved_nor_filled(tmp_path):
    run, other = Run(), Run(seed=9)
    path = tmp_path / "c.safetensors"
    with one_sentence(ValueError, "another network", "SGD(network"):
        save_checkpoint(path, run.network, other.optimizer, History())
    assert not path.exists()
    run.save(path, History())
    with one_sentence(ValueError, "another network", "SGD(network"):
        load_checkpoint(path, run.network, other.optimizer)


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64])
def test_generators_of_every_kind_go_on_where_they_were(kind, tmp_path):
    def drop(seed):
        dropout = Dropout(0.5, rng=np.random.Generator(kind(seed)))
        return Network([("fc", Linear(4, 3, rng=0)), ("drop", dropout)]), dropout

    net, dropout = drop(1)
    dropout.draw((3, 5))
    save_checkpoint(tmp_path / "c.safetensors", net, SGD(net, 0.1), History())
    again, restored = drop(2)
    load_checkpoint(tmp_path / "c.safetensors", again, SGD(again, 0.1))
    assert np.array_equal(restored.draw((50, 5)), dropout.draw((50, 5)))


def with_state(seed):
    layers = [("bn1", BatchNorm2d(1)), ("flatten", Flatten()), ("fc2", Linear(16, 6, rng=seed))]
    prototypes = np.random.default_rng(seed).normal(size=(3, 6))
    return Network([*layers, ("rbf", EuclideanRBF(prototypes))])


def test_what_is_not_learned_comes_back_too(tmp_path):
    path, first, second = tmp_path / "checkpoint.safetensors", with_state(0), with_state(1)
    optimizer = SGD(first, 0.01)
    history = train(first, pictures(23, 0), epochs=1, optimizer=optimizer, progress=False)
    save_checkpoint(path, first, optimizer, history)
    load_checkpoint(path, second, SGD(second, 0.01))
    for name, array in first.state.items():
        assert second.state[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("name", ["state/bn1.running_mean", "state/rbf.prototypes"])
def test_a_checkpoint_that_lacks_state(name, tmp_path):
    path, first, second = tmp_path / "checkpoint.safetensors", with_state(0), with_state(1)
    save_checkpoint(path, first, SGD(first, 0.01), History())
    with safe_open(path, framework="numpy") as file:
        text = file.metadata()["checkpoint"].partition(" ")[2]
        arrays = {key: file.get_tensor(key) for key in file.keys() if key != name}  # noqa: SIM118 (not a dict)
    save_file(arrays, path, {"checkpoint": f"{_digest(text, arrays)} {text}"})
    before = {key: array.copy() for key, array in (second.params | second.state).items()}
    with one_sentence(ValueError, path, name.removeprefix("state/"), "missing"):
        load_checkpoint(path, second, SGD(second, 0.01))
    assert all(np.array_equal(array, before[key]) for key, array in (second.params | second.state).items())
