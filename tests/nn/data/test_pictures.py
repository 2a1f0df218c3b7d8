"""Folders and zips of pictures, good, odd and hostile: what is read, what is left out, and what is said about it."""

import importlib
import io
import os
import struct
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from nn.data import pictures
from nn.data.pictures import picture_sets

module = importlib.import_module("nn.data.pictures")  # its name in nn.data is the function's

COLOURS = {"cat": (200, 10, 20), "dog": (30, 210, 40), "eel": (50, 60, 220)}


def png(colour, size=(8, 8)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


ANIMALS = {f"{name}/{number}.png": png(colour) for name, colour in COLOURS.items() for number in range(2)}


def write(root, contents):
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def zipped(root, contents):
    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / "animals.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return root / "animals.zip"


@pytest.fixture(params=[write, zipped], ids=["folder", "zip"])
def place(request, tmp_path):
    """A function that puts files into a folder or a zip and gives its path."""
    return lambda contents: request.param(tmp_path / "animals", contents)


def check_animals(dataset, names=("cat", "dog", "eel")):
    assert dataset.class_names == names
    assert dataset.images.dtype == np.uint8
    for image, label in zip(dataset.images, dataset.labels):
        assert (image == COLOURS[names[label]]).all()


@pytest.mark.parametrize("top", ["", "animals/", "a/b/c/"])
def test_each_picture_has_its_folders_name_as_its_class(place, top):
    dataset, skipped = pictures(place({top + name: content for name, content in ANIMALS.items()}))
    check_animals(dataset)
    assert dataset.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert dataset.image_shape == (8, 8, 3)
    assert skipped == []


def test_pictures_follow_by_name_and_may_lie_deeper(place):
    contents = {f"{name}/{deep}{number}.png": png((number, 0, 0)) for name, deep in (("b", ""), ("a", "x/y/"))
                for number in (2, 1)}  # fmt: skip
    dataset, _ = pictures(place(contents))
    assert dataset.class_names == ("a", "b")
    assert dataset.images[:, 0, 0, 0].tolist() == [1, 2, 1, 2]


def test_all_formats_together(place):
    def stored(format):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (200, 10, 20)).save(buffer, format)
        return buffer.getvalue()

    contents = {f"cat/picture.{format}": stored(format) for format in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")}
    dataset, skipped = pictures(place(ANIMALS | contents))
    assert np.bincount(dataset.labels).tolist() == [8, 2, 2]
    assert np.abs(dataset.images[:8].astype(int) - (200, 10, 20)).max() <= 8
    assert skipped == []


def test_sizes_are_brought_together_when_one_is_named(place):
    path = place(ANIMALS | {"cat/wide.png": png(COLOURS["cat"], (30, 10)), "dog/high.png": png(COLOURS["dog"], (5, 9))})
    dataset, _ = pictures(path, image_size=6)
    assert dataset.images.shape == (8, 6, 6, 3)
    check_animals(dataset)
    with pytest.raises(ValueError, match=r"different sizes \(cat/0.png: 8x8, cat/wide.png: 30x10\).* image_size=64"):
        pictures(path)


def test_pictures_of_one_size_keep_it_even_if_it_is_no_square(place):
    contents = {name: png(COLOURS[name[:3]], (12, 7)) for name in ANIMALS}
    assert pictures(place(contents))[0].image_shape == (7, 12, 3)


def test_grey_when_asked(place):
    dataset, _ = pictures(place(ANIMALS), channels=1)
    assert dataset.image_shape == (8, 8, 1)
    assert dataset.images[::2, 0, 0, 0].tolist() == [68, 137, 75]  # 0.299 R + 0.587 G + 0.114 B


def bomb_png():
    """A PNG that announces 10,000 x 10,000 pixels."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def photograph():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (99, 99, 3), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


BAD = {
    "cat/bomb.png": (bomb_png(), "10000 x 10000 pixels"),
    "cat/empty.png": (b"", "empty"),
    "cat/notes.txt": (b"remember the milk", "not an image"),
    "dog/cut.jpg": (photograph()[:3000], "truncated"),
    "dog/random.gif": (np.random.default_rng(0).bytes(5000), "not an image"),
    "eel/program.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n", "PostScript"),
    "eel/cut.png": (png((1, 2, 3))[:50], ""),
}


def test_bad_files_are_listed_with_a_reason_and_the_good_ones_used(place):
    path = place(ANIMALS | {name: content for name, (content, _) in BAD.items()})
    with pytest.warns(UserWarning, match="7 of 13 files were left out: .*; and 2 more") as caught:
        dataset, skipped = pictures(path)
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert caught[0].filename == __file__
    check_animals(dataset)
    assert len(dataset) == 6
    assert [name for name, _ in skipped] == sorted(BAD)
    for name, reason in skipped:
        assert BAD[name][1] in reason and "\n" not in reason and reason


def test_hidden_files_and_what_systems_leave_behind_are_nothing(place):
    junk = ["cat/.DS_Store", ".git/config", "__MACOSX/cat/._0.png", "dog/Thumbs.db", "eel/.cache/x.png"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset, skipped = pictures(place(ANIMALS | dict.fromkeys(junk, b"junk")))
    check_animals(dataset)
    assert skipped == []


def test_a_picture_in_no_classs_folder_is_mentioned(place):
    with pytest.warns(UserWarning, match="stray.png: it lies in no class's folder"):
        dataset, skipped = pictures(place({f"top/{name}": content for name, content in
                                           (ANIMALS | {"stray.png": png((0, 0, 0))}).items()}))  # fmt: skip
    check_animals(dataset)
    assert [name for name, _ in skipped] == ["top/stray.png"]


def test_files_beside_the_class_folders_are_counted_and_named_whatever_they_are(place):
    beside = {"README.txt": b"about them", "stray.png": png((0, 0, 0)), "cat/broken.png": b"", "labels.csv": b"a,b"}
    expected = "4 of 10 files were left out: README.txt: it lies in no class's folder; labels.csv: it lies in no"
    with pytest.warns(UserWarning, match=expected):
        dataset, skipped = pictures(place(ANIMALS | beside))
    check_animals(dataset)
    assert sorted(name for name, _ in skipped) == sorted(beside)


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ({"cat/0.png": ANIMALS["cat/0.png"]}, "at least two sub-folders .* got only 'cat'"),
        ({"top/cat/0.png": ANIMALS["cat/0.png"]}, "at least two sub-folders .* got only 'cat'"),
        ({"0.png": ANIMALS["cat/0.png"]}, "at least two sub-folders .* got none"),
        ({"README": b"nothing here"}, "at least two sub-folders .* got none"),
        (ANIMALS | {"fox/a.txt": b"no"}, "images in every class folder, got none in 'fox'.*fox/a.txt: not an image"),
        ({"cat/a.png": b"", "dog/b.png": b""}, "none in 'cat', 'dog', and the first of 2 files left out is cat/a.png"),
    ],
)
def test_too_few_classes_or_pictures(place, contents, complaint):
    path = place(contents)
    with pytest.raises(ValueError, match=complaint) as error:
        pictures(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("top", ["", "top"])
def test_an_empty_class_folder(tmp_path, top):
    write(tmp_path / top, ANIMALS)
    (tmp_path / top / "fox").mkdir()
    with pytest.raises(ValueError, match="got none in 'fox'$"):
        pictures(tmp_path)


def test_wrong_paths_and_arguments(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder or zip"):
        pictures(tmp_path / "nothing")
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="another kind of file"):
        pictures(tmp_path / "text")
    with pytest.raises(ValueError, match="channels must be 1 .* or 3 .*, got 4"):
        pictures(tmp_path, channels=4)
    with pytest.raises(ValueError, match="image_size must be at least 1, got 0"):
        pictures(tmp_path, image_size=0)


def test_pictures_that_do_not_fit_into_memory(place, monkeypatch):
    class Numpy:
        """NumPy on a machine without room."""

        def __getattr__(self, name):
            return getattr(np, name)

        def empty(self, *_):
            raise MemoryError

    monkeypatch.setattr(module, "np", Numpy())
    with pytest.raises(
        ValueError, match="6 images of 8x9 do not fit into memory; bring them to a smaller size, such as image_size=64"
    ):
        pictures(place({name: png((0, 0, 0), (8, 9)) for name in ANIMALS}))


# ------------------------------------------------------------------------------------------- train and test folders
@pytest.mark.parametrize("name", ["test", "val", "Test"])
def test_folders_to_train_and_to_test_with(place, name):
    contents = {f"train/{file}": content for file, content in ANIMALS.items()}
    contents |= {f"{name}/{file}": content for file, content in list(ANIMALS.items())[1:4]}
    path = place(contents)
    train_set, test_set, skipped = picture_sets(path)
    check_animals(train_set)
    check_animals(test_set)
    assert (len(train_set), len(test_set)) == (6, 3)
    assert test_set.labels.tolist() == [0, 1, 1]
    assert skipped == []
    # Asked for one set, these are the classes; but it is said.
    with pytest.warns(UserWarning, match=r"animals(\.zip)?: '\w+', '\w+' look like divisions of one set"):
        assert set(pictures(path)[0].class_names) == {"train", name}


def test_without_such_folders_there_is_no_test_set(place):
    train_set, test_set, _ = picture_sets(place(ANIMALS))
    check_animals(train_set)
    assert test_set is None


def test_a_class_to_test_with_only(place):
    contents = {f"train/{file}": content for file, content in ANIMALS.items()} | {"test/fox/0.png": png((0, 0, 0))}
    with pytest.raises(ValueError, match="got 'fox' to test with only"):
        picture_sets(place(contents))


def test_two_sets_of_different_sizes(place):
    contents = {f"train/{file}": content for file, content in ANIMALS.items()} | {
        "test/cat/0.png": png((0, 0, 0), (9, 9))
    }
    with pytest.raises(ValueError, match="different sizes"):
        picture_sets(place(contents))


def divided(**folders):
    """The animals once more in each of these folders: name -> how many files of them."""
    return {
        f"{top}/{file}": content for top, count in folders.items() for file, content in list(ANIMALS.items())[:count]
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("TRAIN", "VAL"),
        ("training_set", "test_set"),
        ("trainset", "testset"),
        ("train-data", "validation data"),
        ("images.train", "images.val"),
        ("seg_train", "seg_test"),
        ("01_train", "02_test"),
        ("train2017", "val2017"),
        ("trn", "tst"),
        ("train", "dev"),
        ("train", "holdout"),
        ("train_images", "evaluation_images"),
    ],
)
def test_divisions_have_many_spellings(place, train, test):
    train_set, test_set, skipped = picture_sets(place(divided(**{train: 6, test: 3})))
    check_animals(train_set)
    check_animals(test_set)
    assert (len(train_set), len(test_set), skipped) == (6, 3, [])


@pytest.mark.parametrize("extra", ["samples", "Extra", "unlabelled", "my own"])
def test_what_lies_beside_the_divisions_is_left_out_and_named(place, extra):
    path = place(divided(train=6, test=3) | divided(**{extra: 4}) | {"notes/a.txt": b"no picture"})
    with pytest.warns(UserWarning, match=f"5 of 14 files were left out: .*{extra}/cat/0.png: .* 'train' nor in 'test'"):
        train_set, test_set, skipped = picture_sets(path)
    check_animals(train_set)
    check_animals(test_set)
    assert (len(train_set), len(test_set)) == (6, 3)
    assert {name.split("/")[0] for name, _ in skipped} == {extra, "notes"} and len(skipped) == 5


def test_samples_beside_pictures_to_train_with_are_no_class(place):
    with pytest.warns(UserWarning, match="6 of 12 files were left out: samples/cat/0.png: it lies not in 'train'"):
        train_set, test_set, _ = picture_sets(place(divided(train=6, samples=6)))
    check_animals(train_set)
    assert len(train_set) == 6 and test_set is None


def test_two_folders_to_train_with(place):
    """The plainest name is taken, whichever comes first by the alphabet."""
    with pytest.warns(UserWarning, match=r"4 of 13 files were left out: TRAIN2/cat/0\.png"):
        train_set, test_set, _ = picture_sets(place(divided(TRAIN2=4, train=6, test=3)))
    assert (len(train_set), len(test_set)) == (6, 3)


def test_nothing_to_train_with(place):
    with pytest.raises(ValueError, match="expected a folder to train with, .* beside 'samples', 'test', got none"):
        picture_sets(place(divided(test=6, samples=6)))


def test_validation_beside_test_is_not_looked_at(place):
    train_set, test_set, skipped = picture_sets(place(divided(train=6, test=3, val=5)))
    assert (len(train_set), len(test_set), skipped) == (6, 3, [])


def test_a_division_in_itself(place):
    contents = {f"{top}/{file}": content for file, content in ANIMALS.items() for top in ("seg_train/seg_train",
                "seg_test/seg_test")}  # fmt: skip
    train_set, test_set, _ = picture_sets(place(contents))
    check_animals(train_set)
    check_animals(test_set)


@pytest.mark.parametrize(
    "files",
    [
        ["train/0.png", "plane/0.png", "bus/0.png"],
        ["train/steam/0.png", "train/diesel/0.png", "plane/jet/0.png"],
        ["train/day/0.png", "train/night/0.png", "plane/day/0.png", "plane/night/0.png"],
        ["training/0.png", "testing/0.png", "rest/0.png"],
        ["train/freight/0.png", "test/crash/0.png", "plane/0.png"],
    ],
)
def test_a_class_that_is_truly_called_train(place, files):
    train_set, test_set, skipped = picture_sets(place({file: png((1, 2, 3)) for file in files}))
    assert set(train_set.class_names) == {file.split("/")[0] for file in files}
    assert (len(train_set), test_set, skipped) == (len(files), None, [])


def test_folders_that_all_have_the_same_folders_and_no_divisions_name_are_classes(place):
    train_set, test_set, _ = picture_sets(place(divided(summer=6, winter=6)))
    assert train_set.class_names == ("summer", "winter") and test_set is None


# ------------------------------------------------------------------------------------------------ only in folders
needs_links = pytest.mark.skipif(os.name != "posix", reason="making links needs permission elsewhere")


@needs_links
def test_links_are_followed_but_not_in_circles(tmp_path):
    write(tmp_path / "real", ANIMALS)
    (tmp_path / "chosen").mkdir()
    for name in COLOURS:
        (tmp_path / "chosen" / name).symlink_to(tmp_path / "real" / name)
    (tmp_path / "real" / "cat" / "round").symlink_to(tmp_path / "real")
    dataset, _ = pictures(tmp_path / "chosen")
    # Through cat/round every picture is met once more, the cats' own folder excepted.
    assert np.bincount(dataset.labels).tolist() == [6, 2, 2]


@needs_links
def test_a_pipe_is_not_waited_for(tmp_path):
    write(tmp_path, ANIMALS)
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    with pytest.warns(UserWarning, match=r"1 of 7 files were left out: cat/pipe\.png"):
        check_animals(pictures(tmp_path)[0])


@needs_links
def test_whatever_cannot_be_opened_is_counted_and_named(tmp_path, monkeypatch):
    write(tmp_path, ANIMALS)
    (tmp_path / "cat" / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "cat" / "itself.png").symlink_to(tmp_path / "cat" / "itself.png")
    (tmp_path / "cat" / "folder.png").mkdir()
    os.mkfifo(tmp_path / "dog" / "pipe.png")
    for name in ("locked.png", "bomb.png", "syntax.png", "memory.png"):
        (tmp_path / "eel" / name).write_bytes(png((1, 1, 1)))
    (tmp_path / "eel" / "broken.jpg").write_bytes(photograph()[:700])

    opened, real_open = [], open
    read_picture = module.read_picture
    errors = {
        "bomb.png": Image.DecompressionBombError("Image size exceeds limit"),
        "syntax.png": SyntaxError("not a TIFF file"),
        "memory.png": MemoryError(),
    }

    def guarded(path, *arguments, **options):
        opened.append(os.path.basename(path))
        if opened[-1] == "locked.png":  # whoever runs the tests as root may read everything
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *arguments, **options)

    def failing(*arguments):
        if opened[-1] in errors:
            raise errors[opened[-1]]
        return read_picture(*arguments)

    monkeypatch.setattr(module, "open", guarded, raising=False)
    monkeypatch.setattr(module, "read_picture", failing)
    with pytest.warns(UserWarning, match="9 of 15 files were left out"):
        dataset, skipped = pictures(tmp_path)
    check_animals(dataset)
    reasons = dict(skipped)
    assert len(skipped) == 9 and "pipe.png" not in opened
    assert "No such file" in reasons.pop("cat/dangling.png")
    assert "symbolic links" in reasons.pop("cat/itself.png")
    assert "a folder" in reasons.pop("cat/folder.png")
    assert "pipe or a device" in reasons.pop("dog/pipe.png")
    assert "Permission denied" in reasons.pop("eel/locked.png")
    assert "exceeds limit" in reasons.pop("eel/bomb.png")
    assert "not a TIFF file" in reasons.pop("eel/syntax.png")
    assert "MemoryError" in reasons.pop("eel/memory.png")
    assert reasons.popitem()[0] == "eel/broken.jpg"


def test_a_folder_with_a_pictures_name_and_pictures_in_it_is_a_folder(place):
    contents = ANIMALS | {"cat/more.png/2.png": png(COLOURS["cat"]), "cat/more.png/deeper/3.png": png(COLOURS["cat"])}
    dataset, skipped = pictures(place(contents))
    check_animals(dataset)
    assert len(dataset) == 8 and skipped == []


@pytest.mark.parametrize("top", ["", "top/"])
def test_a_folder_in_a_zip_with_a_pictures_name(tmp_path, top):
    contents = {top + name: content for name, content in (ANIMALS | {"cat/folder.png/": b""}).items()}
    with pytest.warns(UserWarning, match=f"1 of 7 files were left out: {top}cat/folder.png: it is a folder"):
        check_animals(pictures(zipped(tmp_path, contents))[0])


@needs_links
def test_a_link_to_what_may_not_be_seen_is_left_out(tmp_path, monkeypatch):
    """`os.DirEntry` asks the system where a link leads, and passes on every answer but that there is nothing."""
    write(tmp_path, ANIMALS)
    (tmp_path / "cat" / "link.png").symlink_to(tmp_path / "cat" / "0.png")
    real_stat = os.stat

    def guarded(path, *arguments, **options):
        if str(path).endswith("link.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return real_stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", guarded)
    with pytest.warns(UserWarning, match=r"1 of 7 files were left out: cat/link\.png: .*Permission denied"):
        check_animals(pictures(tmp_path)[0])


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname == "Darwin", reason="names must be text elsewhere")
def test_names_that_are_no_text(tmp_path):
    write(tmp_path, ANIMALS)
    os.rename(tmp_path / "cat", os.fsencode(tmp_path) + b"/c\xe4t")
    dataset, _ = pictures(tmp_path)
    assert dataset.class_names == ("c\N{REPLACEMENT CHARACTER}t", "dog", "eel")
    "".join(dataset.class_names).encode()


def test_a_folder_that_may_not_be_read_is_left_out(tmp_path, monkeypatch):
    write(tmp_path, ANIMALS | {"cat/secret/0.png": b""})
    scandir = os.scandir

    def guarded(path):
        if os.path.basename(path) == "secret":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.warns(UserWarning, match=r"left out: cat/secret: .*Permission denied"):
        dataset, skipped = pictures(tmp_path)
    check_animals(dataset)
    assert len(dataset) == 6 and len(skipped) == 1


# --------------------------------------------------------------------------------------------------- only in zips
def test_folders_are_members_too(tmp_path):
    itself, folders = {"./": b"", ".": b""}, ["cat/", "dog/", "dog/deeper/"]
    for top in ("", "top/"):
        inside = {top + name: content for name, content in (dict.fromkeys(folders, b"") | ANIMALS).items()}
        dataset, skipped = pictures(zipped(tmp_path, itself | inside))
        check_animals(dataset)
        assert len(dataset) == 6 and skipped == []
    with pytest.raises(ValueError, match="got none in 'fox'$"):
        pictures(zipped(tmp_path, itself | ANIMALS | {"fox/": b""}))


def test_members_with_paths_that_lead_outside_are_left_out_and_nothing_is_written(tmp_path):
    outside = ["../cat/x.png", "/cat/y.png", "cat/../../z.png", "C:/cat/w.png", "..\\cat\\v.png"]
    path = zipped(tmp_path / "inner", ANIMALS | dict.fromkeys(outside, png((0, 0, 0))))
    with pytest.warns(UserWarning, match="leads out of the archive"):
        dataset, skipped = pictures(path)
    check_animals(dataset)
    assert len(dataset) == 6 and len(skipped) == 5
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["animals.zip"]


def test_names_with_backslashes_are_paths(tmp_path):
    check_animals(
        pictures(zipped(tmp_path, {name.replace("/", "\\"): content for name, content in ANIMALS.items()}))[0]
    )


def test_a_member_that_unpacks_to_too_much_is_left_out_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 10_000)
    path = zipped(tmp_path, ANIMALS | {"cat/bomb.bmp": bytes(10_001)})
    read = []
    original = zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, member: read.append(member) or original(self, member))
    with pytest.warns(UserWarning, match="cat/bomb.bmp: unpacks to 10,001 bytes"):
        dataset, _ = pictures(path)
    check_animals(dataset)
    assert len(read) == 6


def test_a_member_that_lies_about_its_size(tmp_path):
    path = zipped(tmp_path, ANIMALS | {"cat/liar.bmp": bytes(10**6)})
    whole = path.read_bytes()
    assert whole.count(struct.pack("<I", 10**6)) == 2  # in its own header and in the directory
    path.write_bytes(whole.replace(struct.pack("<I", 10**6), struct.pack("<I", 100)))
    with pytest.warns(UserWarning, match=r"cat/liar\.bmp"):
        check_animals(pictures(path)[0])


def test_a_damaged_member_is_left_out(tmp_path):
    path = zipped(tmp_path, ANIMALS | {"cat/x.png": bytes(range(256)) * 4})
    whole = bytearray(path.read_bytes())
    position = whole.index(b"cat/x.png") + 40
    whole[position : position + 20] = bytes(20)
    path.write_bytes(whole)
    with pytest.warns(UserWarning, match=r"1 of 7 files were left out: cat/x\.png"):
        check_animals(pictures(path)[0])


@pytest.mark.parametrize("content", [b"PK\x05\x06" + bytes(18), b"PK\x05\x06" + b"\xff" * 16 + bytes(2)])
def test_archives_without_anything(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip: "):
        pictures(tmp_path / "a.zip")


@pytest.mark.slow
@pytest.mark.skipif("CIFAR10_ZIP" not in os.environ, reason="CIFAR10_ZIP names no zip of CIFAR-10's training pictures")
def test_fifty_thousand_pictures():
    dataset, skipped = pictures(os.environ["CIFAR10_ZIP"])
    assert np.bincount(dataset.labels).tolist() == [5000] * 10
    assert dataset.image_shape == (32, 32, 3) and skipped == []
    assert dataset.class_names[0] == "airplane" and dataset.class_names[9] == "truck"
    # The channels' means that everybody who trained on CIFAR-10 knows.
    np.testing.assert_allclose(dataset.images[::7].mean(axis=(0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=0.01)
