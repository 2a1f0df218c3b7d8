"""train --start-from: what is kept, frozen and new, at which rates, to the same bits when resumed; and every misuse."""

import hashlib
import shutil

import numpy as np
import pytest
from safetensors import safe_open

from examples.train import program as train
from examples.train import starting
from models import alexnet_cifar10, lenet, lenet5_1998, load_classifier, start_from
from models.registry import MODELS, SHIPPED
from models.start import CAFFE
from nn import SoftmaxCrossEntropy
from nn.data import Dataset, load
from nn.data.preparation import Preparation
from nn.files.weights import read_metadata
from tests.alexnets import caffe_layers, narrow_caffe
from tests.checks import one_sentence
from tests.foreign_files import write_python2_npy

CONV = ["conv1", "conv2", "conv3", "conv4", "conv5"]


@pytest.fixture(autouse=True)
def curves_are_not_drawn(monkeypatch):
    monkeypatch.setattr(train, "draw", lambda folder, network, history: (folder / "curves.png").touch())


def run(data, out, *options, start="cifar10_alexnet", status=0):
    arguments = ["--start-from", str(start), "--data", str(data), "--out", str(out), *map(str, options)]
    assert train.main(arguments) == status
    return out


def arrays(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys() if name != "history/others"}  # noqa: SIM118


def run_of(data, out, *options, start="cifar10_alexnet"):
    """The parts of a run that is not begun."""
    arguments = ["--start-from", str(start), "--data", str(data), "--out", str(out), *map(str, options)]
    return train.make_run(train.make_parser().parse_args(arguments), "the command")


def started(folder, name="best"):
    return read_metadata(folder / f"{name}.safetensors")["extra"]["started"]


# ------------------------------------------------------------------------------------------------- a whole run
@pytest.fixture(scope="module")
def finished(colours, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "draw", lambda folder, network, history: (folder / "curves.png").touch())
        run(colours, out, "--freeze", "conv", "--epochs", 2, "--batch-size", 20, "--held-out", 20)
    return out


def test_frozen_bits_are_the_start_s_and_the_others_are_not(finished):
    begun, ended = load_classifier("cifar10_alexnet").network, load_classifier(finished / "last.safetensors").network
    for name, param in ended.params.items():
        if not name.startswith("fc8"):
            assert np.array_equal(param, begun.params[name]) == (name.split(".")[0] in CONV), name
    assert ended.params["fc8.weight"].shape[1] == 3


def test_the_result_prepares_pictures_as_the_start_does_and_knows_the_new_classes(finished):
    begun, ended = load_classifier("cifar10_alexnet"), load_classifier(finished / "best.safetensors")
    assert ended.preparation.to_json() == begun.preparation.to_json()
    assert ended.class_names == ("red", "green", "blue") and ended.network.name == "alexnet_small"
    assert ended.network.model["arguments"] == begun.network.model["arguments"] | {"num_classes": 3}


def test_the_weights_say_where_they_come_from(finished):
    file = SHIPPED / "cifar10_alexnet.safetensors"
    expected = {
        "weights": "cifar10_alexnet.safetensors",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "frozen": CONV,
        "kept": ["fc6", "fc7"],
        "kept_rate": 0.1,
        "new": "fc8",
    }
    assert started(finished) == started(finished, "last") == expected


def test_what_is_kept_new_and_frozen_is_said(colours, tmp_path, capsys):
    for options, expected in (
        (["--freeze", "conv"], f"; {', '.join(CONV)} frozen; fc6, fc7 kept, at 0.1 of the learning rate; fc8 new"),
        (["--freeze", "conv,fc6,fc7"], f"; {', '.join(CONV)}, fc6, fc7 frozen; fc8 new"),
        (["--kept-rate", "0.5"], f"; {', '.join(CONV)}, fc6, fc7 kept, at 0.5 of the learning rate; fc8 new"),
    ):
        run(colours, tmp_path / options[-1], *options, "--epochs", 1, "--batch-size", 60)
        out = capsys.readouterr().out.splitlines()
        assert out[1] == f"from cifar10_alexnet.safetensors{expected}"
    assert "started" not in read_metadata(SHIPPED / "digits_lenet.safetensors")["extra"]


def test_the_seed_chooses_the_new_layer_alone(colours, tmp_path):
    one, again, other = (run_of(colours, tmp_path / "out", "--seed", seed).network for seed in (1, 1, 2))
    for name, param in one.params.items():
        assert np.array_equal(param, again.params[name])
        assert np.array_equal(param, other.params[name]) == (name != "fc8.weight"), name


def test_the_default_folder_is_named_after_the_start(colours, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train.main(["--start-from", "cifar10_alexnet", "--data", str(colours), "--epochs", "1"]) == 0
    assert (tmp_path / "runs" / "train" / "from_cifar10_alexnet" / "best.safetensors").is_file()


# ------------------------------------------------------------------------------------------------- the rates
def whole_gradients(classifier, dataset):
    """What a full backward pass gives for the whole set as one batch."""
    loss = SoftmaxCrossEntropy()
    logits = classifier.network.forward(classifier.preparation(dataset.images), training=True)
    loss.forward(logits, dataset.labels)
    classifier.network.backward(loss.backward())
    return classifier.network.grads


@pytest.mark.parametrize("frozen, share", [("", 0.1), ("", 0.25), ("conv1", 0.5), ("conv", 1), ("conv2,fc3", 0.1)])
def test_one_step_is_what_sgd_s_formula_says_for_each_layer(few_digits, tmp_path, frozen, share):
    """w - rate (g + decay w), with the rate times the share in kept layers, and 0 in frozen ones."""
    rate, decay = 0.3, 0.02
    options = ["--epochs", 1, "--batch-size", 75, "--lr", rate, "--schedule", "constant", "--weight-decay", decay]
    options += ["--momentum", 0, "--seed", 4, "--kept-rate", share, *(["--freeze", frozen] if frozen else [])]
    run(few_digits, tmp_path / "out", *options, start="digits_lenet")
    ended = load_classifier(tmp_path / "out" / "last.safetensors").network
    train_set, _ = load(few_digits)
    begun = start_from("digits_lenet", train_set.class_names, rng=4)
    gradients = whole_gradients(begun, train_set)
    for name, w in begun.network.params.items():
        of_layer = rate if name.startswith("fc5.") else rate * share
        if frozen and any(name.startswith(part) for part in frozen.split(",")):
            of_layer = 0
        expected = w - of_layer * (gradients[name].astype(np.float64) + decay * w)
        # Sums over 75 digits, in another order: the step is right to a few roundings of its largest number.
        bound = 1e-4 * of_layer * np.abs(gradients[name]).max() + 1e-7 * np.abs(w).max()
        np.testing.assert_allclose(ended.params[name], expected, rtol=0, atol=bound, err_msg=name)
        assert of_layer == 0 or np.abs(expected - w).max() > 20 * bound, "or the bound would hide the rate"


def test_the_recipe_s_own_rates_are_multiplied(colours, tmp_path):
    """AlexNet's author let biases learn twice as fast."""
    preparation = Preparation((32, 32), 3, (32, 32), "minus mean picture", np.float32(0.4), np.float32(1 / 255))
    assert train.recipe_for("alexnet_cifar10", "80sec").lr_multipliers == {"bias": 2}
    start = tmp_path / "start.safetensors"
    alexnet_cifar10("80sec", 5, rng=0).save(start, {"class_names": list("abcde"), "preparation": preparation.to_json()})
    made = run_of(colours, tmp_path / "out", "--kept-rate", 0.2, "--freeze", "conv1", start=start)
    expected = {
        f"{layer}.{kind}": share * (2 if kind == "bias" else 1)
        for layer, share in (("conv1", 0.2), ("conv2", 0.2), ("conv3", 0.2), ("fc4", 0.2), ("fc5", 1))
        for kind in ("weight", "bias")
    }
    assert made.optimizer.lr_multipliers == pytest.approx(expected)
    assert made.optimizer.decay_multipliers["fc5.weight"] == 7.5 and made.optimizer.decay_multipliers["fc5.bias"] == 0
    assert made.recipe.epochs == 14, "the recipe is that of the start's variant"


# ------------------------------------------------------------------------------------------------- resuming
OPTIONS = ("--freeze", "conv,fc6", "--kept-rate", 0.3, "--epochs", 3, "--batch-size", 20, "--augment", "crop,mirror")


def test_a_resumed_run_ends_with_the_same_bits(colours, tmp_path, interrupt):
    start = shutil.copy(SHIPPED / "cifar10_alexnet.safetensors", tmp_path / "start.safetensors")
    out = tmp_path / "out"
    run(colours, out, *OPTIONS, start=start).rename(tmp_path / "whole")
    interrupt(1)
    run(colours, out, *OPTIONS, start=start, status=130)
    interrupt(None)
    run(colours, out, *OPTIONS, "--resume", start=start)
    for name in ("checkpoint", "best", "last"):
        one, other = (arrays(folder / f"{name}.safetensors") for folder in (out, tmp_path / "whole"))
        assert one.keys() == other.keys()
        assert all(one[key].tobytes() == other[key].tobytes() for key in one), name
    assert started(out, "last") == started(tmp_path / "whole", "last")


def test_a_run_is_not_resumed_from_another_start(colours, tmp_path, interrupt, capsys):
    start = shutil.copy(SHIPPED / "cifar10_alexnet.safetensors", tmp_path / "start.safetensors")
    out = tmp_path / "out"
    interrupt(1)
    run(colours, out, *OPTIONS, start=start, status=130)
    interrupt(None)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    network = load_classifier(start).network
    network.params["fc6.bias"][0] += 1
    network.save(start, read_metadata(start)["extra"])
    others = (OPTIONS, (*OPTIONS, "--seed", 1), OPTIONS[2:], ("--freeze", "conv", *OPTIONS[2:]))
    for options in others:
        capsys.readouterr()
        with pytest.raises(SystemExit, match="2"):
            run(colours, out, *options, "--resume", start=start)
        err = capsys.readouterr().err
        assert "another run" in err and "SHA-256" in err and err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


# ------------------------------------------------------------------------------------------------- the images
def test_images_are_brought_to_the_start_s_size_and_colours(few_digits, colours, tmp_path):
    made = run_of(few_digits, tmp_path / "out", start="objects_lenet")
    assert made.train_set.image_shape == (64, 64, 3) and made.test_set.image_shape == (64, 64, 3)
    assert (made.train_set.images == made.train_set.images[..., :1]).all(), "grey in three channels"
    made = run_of(colours, tmp_path / "out", start="digits_lenet")
    assert made.train_set.image_shape == (28, 28, 1)
    portions = run_of(colours, tmp_path / "out", "--augment", "portion", start="objects_alexnet_portions")
    assert portions.train_set.image_shape == (128, 128, 3) and portions.preparation.size == (64, 64)
    portions = run_of(
        colours, tmp_path / "out", "--augment", "portion", start="photos_alexnet"
    )  # which reads the middle
    assert portions.train_set.image_shape == (256, 256, 3) and portions.preparation.size == (146, 146)


def test_dark_ink_is_turned_as_the_result_will_turn_it(few_digits, tmp_path):
    """Digits that are black on white are learned as `classify` will read them: light on black."""
    with np.load(few_digits) as file:
        arrays = dict(file)
    arrays["images"] = np.concatenate([255 - arrays["images"][:40], arrays["images"][40:]])
    np.savez(tmp_path / "paper.npz", **arrays)
    made = run_of(tmp_path / "paper.npz", tmp_path / "out", start="digits_lenet")
    turned, as_it_was = made.train_set.images, load(few_digits)[0].images
    np.testing.assert_array_equal(turned[40:], as_it_was[40:])
    begun = start_from("digits_lenet", made.train_set.class_names)
    for image, before in zip(turned[:40], as_it_was[:40]):
        np.testing.assert_array_equal(image, begun.as_learned(255 - before))
        assert np.abs(image.astype(int) - before).mean() < 10, "light ink on black again"
    assert made.test_set.image_shape == (28, 28, 1)


def test_letters_on_paper_are_turned_but_stay_in_their_place(few_digits):
    begun = start_from("digits_lenet", list("abcdefghij"))
    images = load(few_digits)[0].images
    paper = Dataset(255 - images, np.zeros(len(images), int), ("a",))
    np.testing.assert_array_equal(starting.as_learned(begun, paper).images, images)
    light = Dataset(images, paper.labels, ("a",))
    assert starting.as_learned(begun, light) is light
    photographs = Dataset(np.full((2, 8, 8, 3), 255, np.uint8), np.zeros(2, int), ("a",))
    assert starting.as_learned(start_from("cifar10_alexnet", ["a"]), photographs) is photographs


def test_a_start_whose_images_are_not_square(colours, tmp_path):
    preparation = Preparation((20, 24), 3, (20, 24), "standardised", np.float32(0.4), np.float32(0.2))
    start = tmp_path / "start.safetensors"
    lenet(4, (20, 24, 3), rng=0).save(start, {"class_names": list("abcd"), "preparation": preparation.to_json()})
    folder = run(colours, tmp_path / "out", "--epochs", 1, start=start)
    assert load_classifier(folder / "best.safetensors").network.image_shape == (20, 24, 3)


def test_the_published_network_s_recipe_crops_from_its_256_pixels(colours, tmp_path, monkeypatch, capsys):
    """A narrow network in the place of Caffe's: images of 256 pixels, of which it reads 227."""
    monkeypatch.setitem(MODELS, "alexnet_caffe", narrow_caffe)
    start = write_python2_npy(tmp_path / "bvlc_alexnet.npy", caffe_layers(last_maps=(6, 6)))
    run(colours, tmp_path / "out", "--freeze", "conv", "--epochs", 1, start=start)
    assert started(tmp_path / "out")["weights"] == "bvlc_alexnet.npy" and started(tmp_path / "out")["new"] == "fc8"
    extra = read_metadata(tmp_path / "out" / "best.safetensors")["extra"]
    assert extra["preparation"] == CAFFE.to_json()
    assert "crop" not in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------- misuse
@pytest.fixture
def starts(tmp_path):
    """Files to start from, by name, which stand in the arguments below."""
    square = Preparation((28, 28), 1, (28, 28)).to_json()
    wide = Preparation((20, 24), 1, (20, 24)).to_json()
    digits = {"class_names": list("0123456789")}
    lenet(rng=0).save(tmp_path / "bare.safetensors")
    lenet(10, (20, 24, 1), rng=0).save(tmp_path / "wide.safetensors", digits | {"preparation": wide})
    (tmp_path / "out").mkdir()
    lenet(rng=0).save(tmp_path / "out" / "best.safetensors", digits | {"preparation": square})
    five = Preparation((28, 28), 1, (32, 32), "lenet5").to_json()
    lenet5_1998(rng=0).save(tmp_path / "five.safetensors", digits | {"preparation": five})
    return {"dir": tmp_path}


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--freeze", "conv"], ["--model", "--start-from"]),
        (["--model", "lenet", "--freeze", "conv"], ["--freeze", "--start-from"]),
        (["--model", "lenet", "--kept-rate", "0.5"], ["--kept-rate", "--start-from"]),
        (["--start-from", "cifar10_alexnet", "--model", "lenet"], ["--model is lenet", "alexnet_small"]),
        (["--start-from", "cifar10_alexnet", "--width", "0.5"], ["--width is 0.5", "0.25"]),
        (["--start-from", "digits_lenet", "--width", "0.25"], ["--width", "alexnet_small"]),
        (["--start-from", "digits_lenet", "--variant", "80sec"], ["--variant", "alexnet_cifar10"]),
        (["--start-from", "digits_lenet", "--init", "caffe"], ["--init", "alexnet"]),
        (["--start-from", "cifar10_alexnet", "--image-size", "64"], ["--image-size is 64", "32x32"]),
        (
            ["--start-from", "objects_alexnet_portions", "--augment", "portion", "--image-size", "64"],
            ["--image-size is 64", "128x128"],
        ),
        (["--start-from", "{dir}/wide.safetensors", "--image-size", "20"], ["--image-size is 20", "20x24"]),
        (["--start-from", "digits_lenet", "--freeze", "conv9"], ["--freeze", "'conv9'", "did you mean conv2?"]),
        (["--start-from", "digits_lenet", "--freeze", "conv,,fc3"], ["--freeze", "''"]),
        (["--start-from", "digits_lenet", "--freeze", "relu1"], ["--freeze", "'relu1'"]),
        (["--start-from", "digits_lenet", "--freeze", "conv,fc"], ["--freeze", "left to learn"]),
        (["--start-from", "digits_lenet", "--freeze", "fc"], ["--freeze", "fc5 is the new layer"]),
        (
            ["--start-from", "digits_lenet", "--freeze", "conv,fc3,fc4", "--kept-rate", "0.1"],
            ["--kept-rate", "all kept layers are frozen"],
        ),
        (["--start-from", "digits_lenet", "--kept-rate", "0"], ["--kept-rate", "above 0"]),
        (["--start-from", "digits_lenet", "--kept-rate", "2"], ["--kept-rate", "at most 1"]),
        (["--start-from", "digits_lenet", "--kept-rate", "slow"], ["--kept-rate", "slow"]),
        (["--start-from", "digits_lenet", "--start-from", "objects_lenet"], ["--start-from", "twice"]),
        (["--start-from", "digits_lenet", "--freeze", "conv", "--freeze", "fc3"], ["--freeze", "twice"]),
        (["--start-from", "digits_lenet", "--kept-rate", "0.1", "--kept-rate", "0.1"], ["--kept-rate", "twice"]),
        (["--start-from", "digits_lnet"], ["digits_lnet", "did you mean digits_lenet?"]),
        (["--start-from", ""], ["neither a file of weights"]),
        (["--start-from", "{dir}"], ["neither a file of weights"]),
        (["--start-from", "{dir}/gone.pth"], ["gone.pth"]),
        (["--start-from", "{dir}/bare.safetensors"], ["how images are prepared"]),
        (["--start-from", "{dir}/out/best.safetensors"], ["--out", "would replace the weights"]),
        (["--start-from", "{dir}/out/best.safetensors", "--force"], ["--out", "would replace the weights"]),
        (["--start-from", "digits_lenet", "--resume"], ["no checkpoint"]),
        (["--start-from", "digits_lenet", "--augment", "crop"], ["crop"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_misuse_is_one_sentence(few_digits, tmp_path, starts, arguments, words, monkeypatch, capsys):
    monkeypatch.setattr(train, "train", lambda *args, **kwargs: pytest.fail("it trained"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    given = [argument.format(**starts) for argument in arguments]
    with pytest.raises(SystemExit, match="2"):
        train.main([*given, "--data", str(few_digits), "--out", str(tmp_path / "out")])
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("train: ") and err.count("\n") == 1
    with one_sentence(ValueError, *words):
        raise ValueError(err.removesuffix("\n"))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_lenet5_is_started_for_ten_classes_alone(colours, few_digits, tmp_path, starts, capsys):
    start = starts["dir"] / "five.safetensors"
    with pytest.raises(SystemExit, match="2"):
        run(colours, tmp_path / "new", start=start)
    err = capsys.readouterr().err
    assert "--start-from: lenet5_1998 always has 10 classes, got 3" in err and err.count("\n") == 1
    run(few_digits, tmp_path / "new", "--freeze", "C1,S2,C3,S4", "--epochs", 1, start=start)
    assert started(tmp_path / "new")["new"] == "F6" and started(tmp_path / "new")["kept"] == ["C5"]


def test_without_any_network_named(few_digits, capsys):
    with pytest.raises(SystemExit, match="2"):
        train.main(["--data", str(few_digits)])
    err = capsys.readouterr().err
    assert "--model" in err and "--start-from" in err and err.count("\n") == 1


def test_options_that_agree_with_the_start_are_taken(colours, tmp_path):
    options = ("--model", "alexnet_small", "--width", 0.25, "--image-size", 32)
    assert (
        run_of(colours, tmp_path / "out", *options).network.num_parameters
        == run_of(colours, tmp_path / "out").network.num_parameters
    )
