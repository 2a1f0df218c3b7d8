"""What the training programs hand to `train` and `SGD`, and the accuracies that they report, by plain loops."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from examples import ablations, figure1
from examples.compare import program as compare
from examples.train import program as train
from examples.two_gpus import halves, training
from layers import Flatten, Linear
from nn import SGD, Network
from nn.data import Dataset, batches
from nn.training.schedules import Plateau


def some_pictures(count, shape=(32, 32, 3), classes=3, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    labels = rng.permutation(np.arange(count) % classes)
    return Dataset(images, labels, tuple(f"class {n}" for n in range(classes)))


def tiny_network(shape, classes, name="tiny", scale=1.0):
    linear = Linear(int(np.prod(shape)), classes, rng=0)
    linear.params["weight"] *= np.float32(scale)
    return Network([("flatten", Flatten()), ("fc4", linear)], shape, name=name)


def probabilities_by_hand(network, images):
    """Softmax of the one fully connected layer, in float64."""
    weight, bias = (network.params[f"fc4.{name}"].astype(np.float64) for name in ("weight", "bias"))
    rows = []
    for image in images:
        logits = image.astype(np.float64).reshape(-1) @ weight + bias
        powers = np.exp(logits - max(logits))
        rows.append(powers / sum(powers))
    return rows


def share_right(probabilities, labels):
    return sum(int(np.argmax(row)) == label for row, label in zip(probabilities, labels)) / len(labels)


def rates_of(schedule, epochs):
    """The rate in the middle of every pass."""
    return [schedule((epoch + 0.5) / epochs) for epoch in range(epochs)]


@pytest.fixture
def watched(monkeypatch):
    """watched(module, train=...): what the module hands to `train`; with train=None nothing is trained."""

    def watch(module, train=None):
        calls = []

        def spy(network, train_set, test_set=None, **settings):
            calls.append(SimpleNamespace(network=network, train_set=train_set, test_set=test_set, **settings))
            return train(network, train_set, test_set, **settings) if train else None

        monkeypatch.setattr(module, "train", spy)
        return calls

    return watch


# --------------------------------------------------------------------------------------------------- compare
def compare_options(*arguments):
    return compare.make_parser().parse_args([*arguments, "--quiet"])


def test_compare_s_contestants_have_their_recipes():
    pictures = some_pictures(4, (28, 28, 1)).as_floats()
    lenet, alexnet = compare.make_contestants(compare_options("--width", "0.05"), pictures)
    found = [(c.name, c.network.name, c.epochs, c.learning_rate, c.weight_decay) for c in (lenet, alexnet)]
    assert found == [("LeNet", "lenet", 16, 0.5, 0), ("AlexNet", "alexnet_small", 10, 0.03, 0.0005)]
    arguments = ["--width", "0.05", "--epochs", "7", "--alexnet-epochs", "3", "--lenet-lr", "2", "--alexnet-lr", "1"]
    lenet, alexnet = compare.make_contestants(compare_options(*arguments), pictures)
    assert [(c.epochs, c.learning_rate) for c in (lenet, alexnet)] == [(7, 2), (3, 1)]
    widths = compare.make_contestants(compare_options("--width", "0.25"), pictures)[1].network.layers["conv1"]
    assert widths.params["weight"].shape[-1] == 24, "a quarter of 96 kernels"


def test_compare_trains_as_it_says_and_counts_what_is_right(watched, monkeypatch):
    calls = watched(compare, compare.train)
    learned, tested = some_pictures(50, (4, 4, 1)), some_pictures(31, (4, 4, 1), seed=1)
    mean, std = compare.pixel_statistics(learned)
    learned, tested = compare.standardised(learned, mean, std), compare.standardised(tested, mean, std)
    network = tiny_network((4, 4, 1), 3)
    contestant = compare.Contestant("Tiny", network, epochs=4, learning_rate=0.02, weight_decay=0.07)
    options = compare_options("--batch-size", "20", "--seed", "5")
    results, probabilities = compare.run(contestant, learned, tested, options)

    (call,) = calls
    sgd = call.optimizer
    assert (call.epochs, call.batch_size, call.seed) == (4, 20, 5)
    assert call.network is network and call.train_set is learned and call.test_set is tested
    assert (sgd.network, sgd.momentum, sgd.weight_decay, sgd.form) == (network, 0.9, 0.07, "paper")
    assert set(sgd.lr_multipliers.values()) == set(sgd.decay_multipliers.values()) == {1.0}
    rates = [call.schedule(step / 100) for step in range(101)]
    assert max(rates) == pytest.approx(0.02) and rates[-1] == pytest.approx(0, abs=1e-12)
    assert all(a < b for a, b in zip(rates[:30], rates[1:])) and all(a > b for a, b in zip(rates[30:], rates[31:]))

    by_hand = probabilities_by_hand(network, tested.images)
    np.testing.assert_allclose(probabilities, by_hand, rtol=1e-4)  # float32, sums of 16 products
    assert results["test_accuracy"] == pytest.approx(share_right(by_hand, tested.labels))
    right = share_right(probabilities_by_hand(network, learned.images), learned.labels)
    assert results["train_accuracy"] == pytest.approx(right)
    assert results["train_accuracy"] != results["test_accuracy"], "or the two might be exchanged unseen"
    matrix = [[0] * 3 for _ in range(3)]
    for row, label in zip(by_hand, tested.labels):
        matrix[label][int(np.argmax(row))] += 1
    assert results["confusion"] == matrix and matrix != np.transpose(matrix).tolist()
    assert (results["momentum"], results["learning_rate"], results["weight_decay"]) == (0.9, 0.02, 0.07)
    assert results["parameters"] == 4 * 4 * 3 + 3 and results["epochs"] == len(results["history"]["epochs"]) == 4
    seconds = sorted(epoch["seconds"] for epoch in results["history"]["epochs"])
    assert results["seconds"] == pytest.approx(sum(seconds))
    assert results["seconds_per_epoch"] == pytest.approx((seconds[1] + seconds[2]) / 2)


def test_compare_standardises_both_sets_by_the_training_set(few_digits, tmp_path, monkeypatch):
    seen = []

    def stop(contestant, train_set, test_set, options, watch):
        seen.extend([train_set, test_set])
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "run", stop)
    arguments = ["--data", str(few_digits), "--width", "0.05", "--out", str(tmp_path / "out")]
    assert compare.main(arguments) == 130
    with np.load(few_digits) as file:
        learned, tested, labels = file["images"] / 255, file["test_images"] / 255, file["test_labels"]
    mean = sum(learned.flat) / learned.size
    deviation = (sum((level - mean) ** 2 for level in learned.flat) / learned.size) ** 0.5
    for found, images in zip(seen, (learned, tested)):
        np.testing.assert_allclose(found.images[..., 0], (images - mean) / deviation, atol=1e-5)
    assert np.array_equal(seen[1].labels, labels)


# -------------------------------------------------------------------------------------------------- ablations
def test_ablations_train_with_the_published_numbers(watched):
    calls = watched(ablations)
    pictures, network = some_pictures(20, classes=10), ablations.alexnet_cifar10("18pct", rng=0)
    preparation = ablations.fit(network, pictures, pictures.subset(range(5)), epochs=12, seed=4)
    (call,) = calls
    sgd = call.optimizer
    assert (call.epochs, call.batch_size, call.seed, len(call.test_set)) == (12, 128, 4, 5)
    assert (sgd.lr, sgd.momentum, sgd.weight_decay, sgd.form) == (0.001, 0.9, 0.004, "paper")
    assert {sgd.lr_multipliers[name] for name in sgd.velocities if name.endswith("bias")} == {2}
    assert {sgd.decay_multipliers[name] for name in sgd.velocities if name.endswith("bias")} == {0}
    assert sgd.weight_decay * sgd.decay_multipliers["fc4.weight"] == pytest.approx(1.0)
    assert rates_of(call.schedule, 12) == pytest.approx([0.001] * 10 + [0.0001, 0.00001])
    # Without augmentation, training pictures are prepared as those for testing are.
    prepared = call.prepare(pictures.images, np.random.default_rng(0))
    np.testing.assert_allclose(prepared, pictures.images - pictures.images.mean(axis=0), atol=1e-3)
    assert np.array_equal(prepared, preparation(pictures.images))


def test_ablations_crop_and_mirror_for_training_and_ask_about_ten_crops(watched, monkeypatch):
    calls = watched(ablations)
    network = tiny_network((28, 28, 3), 10, scale=0.01)
    monkeypatch.setattr(ablations, "alexnet_cifar10", lambda *arguments, **settings: network)
    # More than the 250 that are asked about together.
    learned, tested = some_pictures(30, classes=10), some_pictures(263, classes=10, seed=1)
    options = SimpleNamespace(device="cpu", epochs=3)
    centre, ten = ablations.run_crops(learned, tested, options, seed=0)

    mean = sum(image.astype(float) for image in learned.images) / len(learned)
    right = {"centre": 0, "ten": 0}
    for image, label in zip(tested.images, tested.labels):
        level = image - mean
        windows = [level[top : top + 28, left : left + 28] for top, left in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))]
        ten_windows = windows + [window[:, ::-1] for window in windows]
        sums = sum(probabilities_by_hand(network, ten_windows))
        right["ten"] += int(np.argmax(sums)) == label
        right["centre"] += int(np.argmax(probabilities_by_hand(network, windows[4:])[0])) == label
    assert right["ten"] != right["centre"], "or the two might be exchanged unseen"
    assert (centre, ten) == pytest.approx((1 - right["centre"] / 263, 1 - right["ten"] / 263))

    found = set()
    whole = learned.images - mean
    for crop, image in zip(calls[0].prepare(learned.images, np.random.default_rng(0)), whole):
        for y, x in np.ndindex(5, 5):
            window = image[y : y + 28, x : x + 28]
            for turned in (False, True):
                if np.allclose(crop, window[:, ::-1] if turned else window, atol=1e-3):
                    found.add((y, x, turned))
    assert len({place[:2] for place in found}) > 8 and {place[2] for place in found} == {False, True}


def test_ablations_write_each_error_in_its_own_row(tmp_path, monkeypatch, capsys):
    names = ["as published", "without LRN", "without overlap", "tanh for ReLU"]
    sizes = set()

    def run(name, train_set, test_set, options, seed):
        sizes.add((len(train_set), len(test_set)))
        assert not {image.tobytes() for image in train_set.images} & {image.tobytes() for image in test_set.images}
        return 0.1 * (1 + names.index(name)) + 0.01 * seed

    monkeypatch.setattr(ablations, "run", run)
    monkeypatch.setattr(ablations, "run_crops", lambda *arguments: (0.5 + 0.01 * arguments[-1], 0.6))
    pictures = some_pictures(60, classes=10)
    np.savez(tmp_path / "pictures.npz", images=pictures.images, labels=pictures.labels)
    arguments = ["--data", str(tmp_path / "pictures.npz"), "--held-out", "10", "--seeds", "2"]
    assert ablations.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert found["epochs"] == 12 and sizes == {(50, 10)}
    expected = {name: [0.1 * row, 0.1 * row + 0.01] for row, name in enumerate(names, 1)}
    expected |= {"crops, centre": [0.5, 0.51], "crops, ten": [0.6, 0.6]}
    printed = capsys.readouterr().out.splitlines()
    for name, line in zip(expected, printed):
        row = found["errors"][name]
        one, two = expected[name]
        assert row["errors"] == pytest.approx([one, two]) and row["mean"] == pytest.approx((one + two) / 2)
        assert row["spread"] == pytest.approx(abs(two - one) / 2**0.5)
        assert line.split() == [*name.split(), f"{row['mean']:.2%}", "+-", f"{row['spread']:.2%}"]


# --------------------------------------------------------------------------------------------------- figure 1
def test_figure_1_has_the_paper_s_target_and_batch():
    assert (figure1.TARGET, figure1.BATCH) == (0.25, 128)


def test_figure_1_s_descent_step_by_step(monkeypatch, capsys):
    """Softmax regression in float64: v <- 0.9 v - lr g, without weight decay; the probe is 20 training pictures."""
    pictures = some_pictures(150, (3, 3, 3), seed=2)
    networks = [tiny_network((3, 3, 3), 3, scale=0.01) for _ in range(2)]
    monkeypatch.setattr(figure1, "make_network", lambda *arguments: networks[0])
    monkeypatch.setattr(figure1, "EVERY", 2)
    monkeypatch.setattr(figure1, "PROBE", 20)
    monkeypatch.setattr(figure1, "TARGET", 0.0)
    rate, seed = 1e-4, 3
    made = []
    monkeypatch.setattr(
        figure1, "SGD", lambda *arguments, **settings: made.append(SGD(*arguments, **settings)) or made[-1]
    )
    found = figure1.run("ReLU", rate, seed, pictures, most_steps=6)
    # Few small steps hardly show a small weight decay; the paper's figure has no regularisation at all.
    assert [(sgd.lr, sgd.momentum, sgd.weight_decay, sgd.form) for sgd in made] == [(rate, 0.9, 0, "paper")]

    mean = pictures.images.mean(axis=0)
    weight, bias = (networks[1].params[f"fc4.{name}"].astype(np.float64) for name in ("weight", "bias"))
    speeds = [np.zeros_like(weight), np.zeros_like(bias)]
    probe = np.random.default_rng(0).permutation(150)[:20]
    errors = []
    for step in range(7):
        if step % 2 == 0:
            levels = (pictures.images[probe] - mean).reshape(20, -1)
            answers = (levels @ weight + bias).argmax(axis=1)
            errors.append(sum(answers != pictures.labels[probe]) / 20)
        if step == 6:
            break
        images, labels = list(batches(pictures, 128, np.random.default_rng([seed, step // 2])))[step % 2]
        x = (images - mean).reshape(len(images), -1)
        powers = np.exp(x @ weight + bias)
        delta = powers / powers.sum(axis=1, keepdims=True)
        delta[np.arange(len(x)), labels] -= 1
        for param, speed, gradient in zip((weight, bias), speeds, (x.T @ delta / len(x), delta.sum(axis=0) / len(x))):
            speed[...] = 0.9 * speed - rate * gradient
            param += speed
    assert found["errors"] == pytest.approx(errors) and len(set(errors)) > 1 and found["steps"] is None
    np.testing.assert_allclose(networks[0].params["fc4.weight"], weight, atol=1e-5)
    np.testing.assert_allclose(networks[0].params["fc4.bias"], bias, atol=1e-6)


def test_figure_1_takes_the_quickest_rate_for_the_other_seeds(colours, tmp_path, monkeypatch, capsys):
    steps = {("ReLU", 0.1): 40, ("ReLU", 0.2): 20, ("ReLU", 0.4): None, ("tanh", 0.1): 120, ("tanh", 0.2): 150}
    asked = []

    def run(activation, rate, seed, pictures, most_steps):
        asked.append((activation, rate, seed, most_steps))
        taken = steps.get((activation, rate))
        return {"activation": activation, "rate": rate, "seed": seed, "seconds": 0, "steps": taken, "errors": [1.0]}

    monkeypatch.setattr(figure1, "run", run)
    arguments = ["--data", str(colours), "--seeds", "2", "--epochs", "300", "--rates", "0.1", "0.2", "0.4"]
    assert figure1.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    first = [("ReLU", 0.1, 0, 300), ("ReLU", 0.2, 0, 40), ("ReLU", 0.4, 0, 20)]
    first += [("tanh", 0.1, 0, 300), ("tanh", 0.2, 0, 120), ("tanh", 0.4, 0, 120)]
    assert asked == [*first, ("ReLU", 0.2, 1, 300), ("tanh", 0.1, 1, 300)]
    found = json.loads((tmp_path / "out" / "figure1.json").read_text(encoding="utf-8"))
    assert found["steps"] == {"ReLU": [20, 20], "tanh": [120, 120]}
    assert "6.0 times" in capsys.readouterr().out


# ----------------------------------------------------------------------------------------------------- train
def train_run(data, out, *arguments):
    return train.make_run(train.make_parser().parse_args(["--data", str(data), "--out", str(out), *arguments]), "")


def test_train_takes_the_recipe_and_what_the_command_line_changes(few_digits, tmp_path):
    run = train_run(few_digits, tmp_path / "a", "--model", "alexnet_small", "--width", "0.05")
    sgd = run.optimizer
    assert (sgd.lr, sgd.momentum, sgd.weight_decay, sgd.form) == (0.03, 0.9, 0.0005, "paper")
    assert (run.recipe.epochs, run.recipe.batch_size, len(run.train_set), len(run.test_set)) == (10, 64, 75, 15)
    changes = [
        "--epochs",
        "3",
        "--batch-size",
        "7",
        "--lr",
        "0.2",
        "--momentum",
        "0.6",
        "--weight-decay",
        "0.3",
        "--form",
        "pytorch",
    ]
    run = train_run(few_digits, tmp_path / "b", "--model", "lenet", *changes)
    sgd = run.optimizer
    assert (sgd.lr, sgd.momentum, sgd.weight_decay, sgd.form) == (0.2, 0.6, 0.3, "pytorch")
    assert (run.recipe.epochs, run.recipe.batch_size) == (3, 7)
    assert max(run.schedule(step / 100) for step in range(101)) == pytest.approx(0.2)


def test_train_gives_the_cifar_network_its_multipliers(colours, tmp_path):
    sgd = train_run(colours, tmp_path / "out", "--model", "alexnet_cifar10", "--variant", "80sec").optimizer
    assert (sgd.lr_multipliers["conv2.bias"], sgd.lr_multipliers["conv2.weight"]) == (2, 1)
    assert (sgd.decay_multipliers["conv2.bias"], sgd.decay_multipliers["fc5.weight"]) == (0, 7.5)


def test_train_hands_everything_on(few_digits, tmp_path, watched):
    calls = watched(train, train.train)
    changes = ["--epochs", "1", "--batch-size", "40", "--seed", "6", "--augment", "mirror"]
    assert train.main(["--model", "lenet", "--data", str(few_digits), "--out", str(tmp_path / "out"), *changes]) == 0
    (call,) = calls
    assert (call.epochs, call.batch_size, call.seed) == (1, 40, 6) and call.optimizer.network is call.network
    assert (len(call.train_set), len(call.test_set)) == (75, 15)
    images = call.train_set.images
    plain, made = call.prepare(images, None), call.prepare(images, np.random.default_rng(0))
    turned = [np.array_equal(one[:, ::-1], other) for one, other in zip(plain, made)]
    assert 0 < sum(turned) < len(turned)


def test_train_s_schedules():
    schedules = {name: make(0.1) for name, make in train.SCHEDULES.items()}
    assert isinstance(schedules.pop("plateau"), Plateau) and train.SCHEDULES["plateau"](0.1).rate == 0.1
    rates = {name: rates_of(schedule, 20) for name, schedule in schedules.items()}
    assert rates["constant"] == [0.1] * 20
    assert rates["steps"] == pytest.approx([0.1] * 10 + [0.01] * 5 + [0.001] * 3 + [0.0001] * 2)
    assert len(set(rates["one-cycle"])) == 20 and rates["one-cycle"].index(max(rates["one-cycle"])) in (5, 6)


def test_train_leaves_an_eighth_of_the_side_for_crops(colours, tmp_path):
    for number, model in enumerate(("alexnet_small", "alexnet_cifar10")):
        run = train_run(colours, tmp_path / str(number), "--model", model, "--augment", "crop,mirror")
        assert run.network.image_shape == (28, 28, 3) == (*run.preparation.window, 3)
        assert run.recipe.augment == ("crop", "mirror") and run.preparation.size == (32, 32)


# -------------------------------------------------------------------------------------------------- two cards
def test_two_gpus_descend_as_in_the_paper(few_digits, monkeypatch):
    """Section 5: momentum 0.9 and weight decay 0.0005, for the whole network and for both halves."""
    made = []

    class Watched(SGD):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            made.append((self.lr, self.momentum, self.weight_decay, self.form))

    for module in (halves, training):
        monkeypatch.setattr(module, "SGD", Watched)
    settings = halves.Settings(str(few_digits), False, 0.0625, 0, 1, 6, 0.001, "float64", "cpu")
    training.train_whole(settings)
    assert made == [(0.001, 0.9, 0.0005, "paper")]
    halves.Half(training.make_whole(settings, training.pictures(settings)), 1, settings)
    assert set(made) == {(0.001, 0.9, 0.0005, "paper")} and len(made) == 1 + len(halves.STAGES)


def test_two_gpus_see_pictures_of_mean_0_and_deviation_1(few_digits):
    settings = halves.Settings(str(few_digits), False, 0.0625, 0, 2, 6, 0.001, "float64", "cpu")
    images = training.pictures(settings).images
    assert len(images) == 12 and images.dtype == np.float64
    assert (images.mean(), images.std()) == pytest.approx((0, 1), abs=1e-5)
