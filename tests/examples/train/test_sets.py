"""Training from folders and zips of photographs: several sets, chosen classes, portions, as many of each class."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.train import program as train
from examples.train import sets as sets_module
from examples.train.sets import load_sets
from models import load_classifier
from nn.data import load
from nn.data.duplicates import near_duplicates
from nn.data.whole import WholeImages
from tests.examples.train.test_train import arrays, assert_same_arrays, rows, timeless

COLOURS = {"red": (220, 40, 30), "green": (30, 200, 60), "blue": (40, 60, 210), "mud": (90, 80, 40)}


def jpeg(colour, width, height, rng):
    """A photograph of a colour: in soft light, its middle brighter."""
    light = np.asarray(Image.fromarray(rng.integers(90, 255, (3, 3), dtype=np.uint8)).resize((width, height)))
    buffer = io.BytesIO()
    Image.fromarray((light[..., None] / 255 * colour).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A zip of photographs of several sizes and four classes; a folder of small ones of two of them and another."""
    rng = np.random.default_rng(0)
    place = tmp_path_factory.mktemp("photos")
    with zipfile.ZipFile(place / "photos.zip", "w") as archive:
        archive.writestr("README.md", "about them")
        for name, count in (("red", 20), ("green", 8), ("blue", 12), ("mud", 5)):
            for number in range(count):
                size = (90, 64) if number % 2 else (64, 70 + number)
                archive.writestr(f"{name}/{'ab'[number % 3 > 1]}_{number:02}.jpg", jpeg(COLOURS[name], *size, rng))
    for name, count in (("green", 10), ("red", 10), ("grey", 10)):
        (place / "small" / name).mkdir(parents=True)
        for number in range(count):
            colour = COLOURS.get(name, (120, 120, 120))
            (place / "small" / name / f"{number}.jpg").write_bytes(jpeg(colour, 32, 32, rng))
    return place


def arguments(photos, *more):
    both = ("--data", photos / "photos.zip", "--data", photos / "small", "--image-size", 64)
    return [*map(str, ("--model", "alexnet_small", "--width", 0.05, *both, *more))]


PORTIONS = ("--augment", "portion,mirror", "--least-portion", 0.25, "--classes", "red,green,blue", "--per-class", 30)


def options_of(photos, *more):
    return train.make_parser().parse_args(arguments(photos, *more))


@pytest.mark.filterwarnings("ignore:.*README.md")
def test_classes_are_united_and_chosen(photos):
    sets = load_sets(options_of(photos), whole=False)
    assert sets.train_set.class_names == ("blue", "green", "mud", "red", "grey")
    assert np.bincount(sets.train_set.labels).tolist() == [12, 18, 5, 30, 10]
    assert sets.train_set.images.shape == (75, 64, 64, 3) and sets.draw is None and sets.test_set is None
    sets = load_sets(options_of(photos, "--classes", "red,green,blue"), whole=True)
    assert isinstance(sets.train_set.images, WholeImages)
    assert sets.train_set.class_names == ("red", "green", "blue")
    assert np.bincount(sets.train_set.labels).tolist() == [30, 18, 12]
    for label, image in zip(sets.train_set.labels, sets.train_set.images):
        assert image.mean(axis=(0, 1)).argmax() == label
        assert min(image.shape[:2]) in (32, 64)


@pytest.mark.filterwarnings("ignore:.*README.md")
def test_an_epoch_has_as_many_of_each_class_from_each_set(photos):
    sets = load_sets(options_of(photos, *PORTIONS), whole=True)
    drawn = sets.draw(np.random.default_rng(0))
    assert np.bincount(sets.train_set.labels[drawn]).tolist() == [30, 30, 30]
    sizes = [min(sets.train_set.images[number].shape[:2]) for number in drawn if sets.train_set.labels[number] == 1]
    assert sizes.count(32) == sizes.count(64) == 15  # of green, the 10 small ones as often as the 8 larger ones


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "out"
    assert (
        train.main(arguments(photos, *PORTIONS, "--epochs", 4, "--lr", 0.02, "--batch-size", 18, "--out", folder)) == 0
    )
    return folder


def test_a_network_learns_from_portions(trained, photos):
    """It reads half of --image-size, has the chosen classes alone, and knows colours when it sees whole images."""
    for row in rows(trained):  # 30 of each class
        assert float(row["images_per_second"]) * float(row["seconds"]) == pytest.approx(90)
    classifier = load_classifier(trained / "last.safetensors")
    assert classifier.class_names == ("red", "green", "blue") and classifier.data == "photos, small"
    assert classifier.preparation.size == classifier.preparation.window == (32, 32)
    rng = np.random.default_rng(5)
    pictures = [
        np.asarray(Image.open(io.BytesIO(jpeg(COLOURS[name], 120, 80, rng)))) for name in ("red", "green", "blue")
    ]
    assert classifier.probabilities(pictures).argmax(axis=1).tolist() == [0, 1, 2]


def test_a_network_that_is_to_read_the_middle_learns_the_same_and_reads_the_middle(trained, photos, tmp_path):
    """--middle says how images are read that are not learned from, and changes nothing else."""
    more = ("--epochs", 4, "--lr", 0.02, "--batch-size", 18, "--middle", 0.8, "--out", tmp_path / "out")
    assert train.main(arguments(photos, *PORTIONS, *more)) == 0
    assert_same_arrays(arrays(trained / "last.safetensors"), arrays(tmp_path / "out" / "last.safetensors"))
    classifier = load_classifier(tmp_path / "out" / "last.safetensors")
    assert classifier.preparation.size == (40, 40) and classifier.preparation.window == (32, 32)


def test_what_is_subtracted_are_the_photographs_means(trained, photos):
    preparation = load_classifier(trained / "last.safetensors").preparation
    images = load_sets(options_of(photos, *PORTIONS), whole=True).train_set.images
    pixels = np.concatenate([preparation.resized(images[n : n + 1]) for n in range(len(images))]) / 255
    np.testing.assert_allclose(preparation.mean, pixels.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(preparation.deviation, pixels.std(axis=(0, 1, 2)), atol=1e-5)


@pytest.mark.parametrize("where", ["after an epoch", "within one"])
def test_it_resumes_to_the_same_bits(trained, photos, tmp_path, monkeypatch, where):
    """Images are drawn, cut and decoded by a thread that is ahead; after a stop all goes on as if it had not been."""
    more = (*PORTIONS, "--epochs", 4, "--lr", 0.02, "--batch-size", 18)
    saved, real = [], train.save_checkpoint

    def save(path, network, optimizer, history, *rest):
        real(path, network, optimizer, history, *rest)
        saved.append(history)
        if len(history.epochs) == 2 and bool(history.unfinished) == (where == "within one"):
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "save_checkpoint", save)
    folder = tmp_path / "out"
    every = ("--save-every", 1e-9) if where == "within one" else ()
    assert train.main([*arguments(photos, *more, *every), "--out", str(folder)]) == 130
    assert len(rows(folder)) == 2
    monkeypatch.undo()
    assert train.main([*arguments(photos, *more, *every), "--out", str(folder), "--resume"]) == 0
    assert timeless(folder) == timeless(trained)
    for name in ("last.safetensors", "best.safetensors"):
        assert_same_arrays(arrays(folder / name), arrays(trained / name))


HOLDING = ("--epochs", 1, "--batch-size", 18)


@pytest.fixture(scope="module")
def twice(photos, tmp_path_factory):
    """The zip, with ten of its reds a second time under another name, mirrored and saved anew."""
    path = tmp_path_factory.mktemp("twice") / "photos.zip"
    with zipfile.ZipFile(photos / "photos.zip") as old, zipfile.ZipFile(path, "w") as archive:
        for name in old.namelist()[1:]:
            archive.writestr(name, old.read(name))
            if name.startswith("red/") and name[-6] == "0":
                image, buffer = Image.open(io.BytesIO(old.read(name))), io.BytesIO()
                image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(buffer, "JPEG", quality=70)
                archive.writestr(f"red/copy_{name[4:]}", buffer.getvalue())
    return path.parent


def hold(path, out, *more):
    arguments = ("--model", "alexnet_small", "--width", 0.05, "--data", path, "--image-size", 32, *HOLDING, *more)
    assert train.main([*map(str, arguments), "--out", str(out)]) == 0
    return (out / "held_out.txt").read_text().splitlines()


def test_held_out_images_take_their_near_duplicates_along(twice, tmp_path):
    files = load(twice / "photos.zip", 32)[0].files
    names = hold(twice / "photos.zip", tmp_path / "out", "--held-out", 24)
    assert 12 <= len(names) <= 24 and len(set(names)) == len(names)
    held = {name.removeprefix("photos.zip/") for name in names}
    assert held < set(files)
    dataset = load(twice / "photos.zip", 32)[0]
    groups = near_duplicates(dataset.images)
    out = np.array([file in held for file in dataset.files])
    assert not set(groups[out]) & set(groups[~out])
    copied = [file for file in files if "copy_" in file]
    assert len(copied) == 10 and all((file in held) == (file.replace("copy_", "") in held) for file in copied)


def test_a_source_is_held_out_by_its_names_and_with_its_copies(twice, tmp_path, capsys):
    names = hold(twice / "photos.zip", tmp_path / "out", "--held-out-files", "copy_,b_")
    held = {name.removeprefix("photos.zip/") for name in names}
    for file in load(twice / "photos.zip", 32)[0].files:
        if file.split("/")[1].startswith(("copy_", "b_")):
            assert file in held and file.replace("copy_", "") in held
    assert f"{len(names)} held out" in capsys.readouterr().out


def test_a_source_is_held_out_of_one_class(twice, tmp_path):
    names = hold(twice / "photos.zip", tmp_path / "out", "--held-out-files", "red/b_")
    files = [name.removeprefix("photos.zip/") for name in names]
    assert files and all(file.startswith("red/") for file in files)
    expected = {file for file in load(twice / "photos.zip", 32)[0].files if file.startswith("red/b_")}
    assert {file for file in files if "/b_" in file} == expected


def test_a_resumed_run_reads_what_is_held_out(twice, tmp_path, monkeypatch):
    names = hold(twice / "photos.zip", tmp_path / "out", "--held-out", 20)
    monkeypatch.setattr(sets_module, "near_duplicates", None)  # they are not looked for again
    assert hold(twice / "photos.zip", tmp_path / "out", "--held-out", 20, "--resume") == names
    (tmp_path / "out" / "held_out.txt").write_text("photos.zip/red/gone.jpg\n")
    with pytest.raises(SystemExit):
        hold(twice / "photos.zip", tmp_path / "out", "--held-out", 20, "--resume")


@pytest.mark.filterwarnings("ignore:.*README.md")
def test_held_out_images_are_even_where_an_epoch_is(photos):
    sets = load_sets(options_of(photos, *PORTIONS, "--held-out", 15), whole=True)
    cells = [(name.split("/")[0], name.split("/")[-2]) for name in sets.held_out]
    counts = {cell: cells.count(cell) for cell in cells}
    assert set(counts) <= {("photos.zip", c) for c in ("red", "green", "blue")} | {
        ("small", c) for c in ("red", "green")
    }
    assert max(counts.values()) == 3 and len(sets.held_out) == len(sets.test_set)
    assert len(sets.train_set) + len(sets.test_set) == 60
    assert sets.draw(np.random.default_rng(0)).max() < len(sets.train_set)


@pytest.mark.parametrize(
    "more, said",
    [
        (("--classes", "red,grean"), "no images are of a class 'grean'; did you mean green?"),
        (("--classes", "red"), "at least two different names"),
        (("--classes", "red,red"), "at least two different names"),
        (("--per-class", "0"), "--per-class"),
        (("--held-out-files", "nobody_"), "no file's name begins with nobody_"),
        (("--held-out-files", "a_,"), "beginnings of names"),
        (("--held-out-files", "a_,b_,0,1,2,3,4,5,6,7,8,9"), "no images on one of the two sides"),
        (("--least-portion", "0.5"), "--augment portion"),
        (("--least-portion", "2"), "--least-portion"),
        (("--middle", "0.8"), "--middle is of networks that learn portions"),
        (("--middle", "1.5"), "--middle"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*README.md")
def test_what_is_refused(photos, tmp_path, capsys, more, said):
    with pytest.raises(SystemExit) as exit_:
        train.main([*arguments(photos, *more), "--out", str(tmp_path / "out")])
    err = capsys.readouterr().err.splitlines()
    assert exit_.value.code == 2 and said in err[-1] and not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.skipif("PHOTOS_ZIP" not in os.environ, reason="PHOTOS_ZIP names no zip of photographs to train on")
def test_a_zip_of_photographs(tmp_path):
    """Photographs of any sizes, their files in memory and no more."""
    path = Path(os.environ["PHOTOS_ZIP"])
    more = ("--data", path, "--image-size", 128, "--classes", "cat,dog", "--augment", "portion", "--per-class", 10)
    sets = load_sets(train.make_parser().parse_args([*map(str, ("--model", "lenet", *more))]), whole=True)
    files = sum(item.nbytes if isinstance(item, np.ndarray) else len(item) for item in sets.train_set.images.items)
    assert files < path.stat().st_size
    assert len({image.shape for image in sets.train_set.images[::100]}) > 1
