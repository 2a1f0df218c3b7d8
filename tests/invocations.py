"""Mistakes on the command lines of the programs, and how to see that each is answered as it should be."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file as to_file

from models import lenet
from nn import SGD
from nn.data.preparation import Preparation
from nn.training.checkpoint import save_checkpoint
from nn.training.history import History
from tests.checks import one_sentence

ROOT = Path(__file__).resolve().parent.parent

ADDRESS = "https://example.com/my_cat.jpg"

# {name} stands for a file or folder of the fixture `place`. A word of the sentence follows.
TABLE = {
    "train": [
        ([], "--model"),
        (["--data", "{digits}"], "--model"),
        (["--model", "vgg", "--data", "{digits}"], "vgg"),
        (["--model", "lenet", "--data", "{gone}"], "gone"),
        (["--model", "lenet", "--data", "{text}"], "text.png"),
        (["--model", "lenet", "--data", "{broken}"], "broken.npz"),
        (["--model", "lenet", "--data", "{cut}"], "cut.zip"),
        (["--model", "lenet", "--data", "{empty}"], "empty"),
        (["--model", "lenet", "--data", "{one_class}"], "two sub-folders"),
        (["--model", "lenet", "--data", "{no_pictures}"], "no_pictures"),
        (["--model", "lenet", "--data", "{sizes}"], "different sizes"),
        (["--model", "lenet", "--data", ""], "empty name"),
        (["--model", "alexnet_small", "--data", "{digits}", "--image-size", "300"], "28 to 128"),
        (["--model", "alexnet", "--data", "{digits}"], "227"),
        (["--model", "lenet5_1998", "--data", "{sizes}", "--image-size", "28"], "ten classes"),
        (["--model", "lenet", "--data", "{digits}", "--epochs", "0"], "--epochs"),
        (["--model", "lenet", "--data", "{digits}", "--epochs", "many"], "--epochs"),
        (["--model", "lenet", "--data", "{digits}", "--lr", "-1"], "--lr"),
        (["--model", "lenet", "--data", "{digits}", "--lr", "1e9"], "--lr"),
        (["--model", "lenet", "--data", "{digits}", "--momentum", "2"], "momentum"),
        (["--model", "lenet", "--data", "{digits}", "--batch-size", "0"], "--batch-size"),
        (["--model", "lenet", "--data", "{digits}", "--held-out", "1000"], "--held-out"),
        (["--model", "lenet", "--data", "{digits}", "--variant", "80sec"], "alexnet_cifar10"),
        (["--model", "lenet", "--data", "{digits}", "--width", "0.5"], "alexnet_small"),
        (["--model", "lenet", "--data", "{digits}", "--init", "paper"], "--init"),
        (["--model", "lenet", "--data", "{digits}", "--augment", "crop"], "crop"),
        (["--model", "alexnet_small", "--data", "{digits}", "--augment", "crop,portion"], "portion"),
        (["--model", "lenet", "--data", "{digits}", "--augment", "fog"], "fog"),
        (["--model", "lenet", "--data", "{sizes}", "--stream", "yes"], "--image-size 256"),
        (["--model", "lenet", "--data", "{sizes}", "--stream", "maybe"], "--stream"),
        (["--model", "lenet", "--data", "{digits}", "--resume"], "no checkpoint"),
        (["--model", "lenet", "--data", "{digits}", "--out", "{full}"], "not empty"),
        (["--model", "lenet", "--data", "{digits}", "--out", "{text}"], "text.png"),
        (["--model", "lenet", "--data", "{digits}", "--out", "{read_only}/out"], "read_only"),
        (["--model", "lenet", "--data", "{digits}", "--seed", "-1"], "--seed"),
        (["--model", "lenet", "--data", "{digits}", "--device", "gpu"], "cpu, cuda"),
        (["--model", "lenet", "--data", "{sizes}"], "--image-size 64"),
        (["--model", "lenet", "--data", "https://example.com/set.zip"], "https://example.com/set.zip is an address"),
        (["--model", "lenet", "--data", "minst"], "did you mean mnist?"),
        (["--model", "lenet", "--data", "{heic}"], "a zip of images"),
        (["--model", "AlexNet", "--data", "{digits}"], "alexnet"),
        (["--model", "lenet", "--data", "{digits}", "--epoch", "2"], "did you mean --epochs?"),
        (["--model", "lenet", "--data", "{digits}", "--resume", "--force"], "one of the two"),
        (["--model", "lenet", "--data", "{digits}", "--schedule", "cosine"], "one-cycle"),
        (["--model", "lenet", "--data", "{digits}", "--form", "adam"], "pytorch"),
        (["--model", "lenet", "--data", "{digits}", "--save-every", "0"], "--save-every"),
        (["--model", "lenet", "--data", "{digits}", "--weight-decay", "little"], "--weight-decay"),
        (["--model", "lenet", "--data", "{digits}", "--image-size", "0"], "--image-size"),
        (["--start-from", "{gone}", "--data", "{digits}"], "gone"),
        (["--start-from", "{text}", "--data", "{digits}"], "text.png"),
        (["--start-from", "{cut_weights}", "--data", "{digits}"], "cut.safetensors"),
        (["--start-from", "{bare_weights}", "--data", "{digits}"], "how images are prepared"),
        (["--start-from", "{wrong_weights}", "--data", "{digits}"], "contradicts"),
        (["--start-from", "{others_weights}", "--data", "{digits}"], "examples.train"),
        (["--start-from", "{checkpoint}", "--data", "{digits}"], "best.safetensors"),
        (["--start-from", ADDRESS, "--data", "{digits}"], "download it first"),
        (["--start-from", "https://example.com/alexnet.pth", "--data", "{digits}"], "download it first"),
        (["--start-from", "{whole_weights}", "--data", "{gone}"], "gone"),
        (["--start-from", "{whole_weights}", "--data", "{digits}", "--model", "alexnet"], "--model is alexnet"),
        (["--start-from", "{whole_weights}", "--data", "{digits}", "--image-size", "32"], "28x28"),
        (["--start-from", "{whole_weights}", "--data", "{digits}", "--freeze", "relu"], "'relu'"),
        (["--start-from", "{whole_weights}", "--data", "{digits}", "--freeze", "conv,fc"], "left to learn"),
        (["--start-from", "{whole_weights}", "--data", "{digits}", "--freeze", "fc5"], "has to learn"),
        (["--start-from", "{whole_weights}", "--data", "{digits}", "--kept-rate", "-1"], "--kept-rate"),
        (["--start-from", "{whole_weights}", "--start-from", "{whole_weights}"], "twice"),
        (["--start-from", "{whole_weights}", "--data", "{digits}", "--resume"], "no checkpoint"),
        (["--model", "lenet", "--data", "{digits}", "--freeze", "conv"], "--start-from"),
        (["--model", "lenet", "--data", "{digits}", "--kept-rate", "0.5"], "--start-from"),
        (["--model", "lenet", "--data", "{digits}", "--data", "{gone}"], "gone"),
        (["--model", "lenet", "--data", "{digits}", "--data", "{sizes}", "--image-size", "28"], "28x28x1 and 28x28x3"),
        (["--model", "lenet", "--data", "{digits}", "--classes", "0,ten"], "no images are of a class 'ten'"),
        (["--model", "lenet", "--data", "{digits}", "--classes", "0"], "at least two different names"),
        (["--model", "lenet", "--data", "{digits}", "--per-class", "0"], "--per-class"),
        (["--model", "lenet", "--data", "{digits}", "--held-out-files", "a"], "expected those of a folder or zip"),
        (["--model", "lenet", "--data", "{digits}", "--least-portion", "0.5"], "--augment portion"),
    ],
    "compare": [
        (["stray"], "stray"),
        (["--data", "{gone}"], "gone"),
        (["--data", "{broken}"], "broken.npz"),
        (["--data", "{one_class}"], "two sub-folders"),
        (["--data", "{digits}", "--train-size", "100000"], "--train-size"),
        (["--data", "{digits}", "--epochs", "-1"], "--epochs"),
        (["--data", "{digits}", "--width", "9"], "--width"),
        (["--data", "{digits}", "--lenet-lr", "nan"], "--lenet-lr"),
        (["--data", "{digits}", "--out", "{text}"], "is a file"),
        (["--data", "{digits}", "--out", "{taken}"], "--force"),
        (["--data", "{digits}", "--out", "{read_only}"], "cannot write"),
        (["--data", "https://example.com/set.zip"], "download it first"),
        (["--data", "{sizes}"], "bring all of them to one size"),
        (["--data", "{pdf}"], "a zip of images"),
        (["--data", "{digits}", "--epoch", "2"], "did you mean --epochs?"),
        (["--data", "{digits}", "--batch-size", "0"], "--batch-size"),
        (["--data", "{digits}", "--seed", "first"], "--seed"),
        (["--data", "{digits}", "--device", "gpu"], "cpu, cuda"),
    ],
    "classify": [
        ([], "PICTURE"),
        (["{gone}"], "gone"),
        (["{text}"], "text.png"),
        (["{empty}"], "no images"),
        (["{no_pictures}"], "note.txt"),
        (["{bomb}"], "pixels"),
        (["{good}", "--weights", "{gone}"], "gone"),
        (["{good}", "--weights", "lenet"], "digits_lenet"),
        (["{good}", "--weights", "{text}"], "text.png"),
        (["{good}", "--weights", "{cut_weights}"], "cut.safetensors"),
        (["{good}", "--weights", "{bare_weights}"], "examples.train"),
        (["{good}", "--weights", "{wrong_weights}"], "contradicts"),
        (["{good}", "--out", "{text}"], "is a file"),
        (["{good}", "--out", "{taken}"], "--force"),
        (["{good}", "--out", "{read_only}"], "cannot write"),
        (["{good}", "--ten-crops"], "--ten-crops"),
        (["{good}", "--device", "0"], "--device"),
        (["{heic}"], "HEIC is not read, convert it to JPEG"),
        (["{svg}"], "SVG is not read, convert it to JPEG"),
        (["{pdf}"], "PDF is not read, convert it to JPEG"),
        (["{web_page}"], "save the image itself"),
        (["{bomb}"], "make it smaller"),
        ([ADDRESS], f"{ADDRESS} is an address"),
        (["{good}", "--weights", ADDRESS], "download it first"),
        (["{good}", "--weights", "{checkpoint}"], "best.safetensors"),
        (["{good}", "--weights", "{others_weights}"], "expected what Network.save or python -m examples.train wrote"),
        (["{good}", "--weight", "lenet"], "did you mean --weights?"),
        (["{good}", "--look", "--json"], "one of the two"),
        (["{good}", "--ten-crop=3"], "--ten-crop"),
        (["{good}", "--weights"], "--weights"),
    ],
    "crops": [
        (["{gone}"], "gone"),
        (["{text}"], "text.png"),
        (["{empty}"], "no images"),
        (["{good}", "--label", "unicorn"], "unicorn"),
        (["--label", "cat"], "no image"),
        (["{good}", "--weights", "{gone}"], "gone"),
        (["--weights", "digits_lenet"], "rendered"),
        (["{good}", "--weights", "digits_lenet", "--weights", "cifar10_alexnet"], "other classes"),
        (["--count", "1"], "--count"),
        (["--random", "0"], "--random"),
        (["--figures", "-1"], "--figures"),
        (["{good}", "--out", "{taken}"], "--force"),
        (["{good}", "--out", "{text}"], "is a file"),
        (["{heic}"], "HEIC is not read, convert it to JPEG"),
        ([ADDRESS], "download it first"),
        (["{good}", "--weights", "{checkpoint}"], "best.safetensors"),
        (["{good}", "--figure", "3"], "did you mean --figures?"),
        (["{good}", "--seed", "-1"], "--seed"),
        (["{good}", "--label"], "--label"),
        (["{good}", "--device", "tpu"], "cpu, cuda"),
    ],
    "evaluate": [
        ([], "WEIGHTS, DATA"),
        (["digits_lenet", "{gone}"], "gone"),
        (["{gone}", "{digits}"], "gone"),
        (["{cut_weights}", "{digits}"], "cut.safetensors"),
        (["{bare_weights}", "{digits}"], "how images are prepared"),
        (["digits_lenet", "{sizes}"], "knows '0'"),
        (["digits_lenet", "{digits}", "--held-out", "20"], "--held-out"),
        (["digits_lenet", "{digits}", "--stream", "maybe"], "expected one of yes, no, auto"),
        (["digits_lenet", "{digits}", "--out", "{text}"], "is a file"),
        (["digits_lenet", "{digits}", "--ten-crops"], "did you mean --ten-crop?"),
    ],
    "pack": [
        ([], "FOLDER, SHARDS"),
        (["{gone}", "new"], "gone"),
        (["{text}", "new"], "no such folder"),
        (["{one_class}", "new"], "at least two sub-folders"),
        (["{no_pictures}", "new"], "none in 'cat'"),
        (["{sizes}", "{full}"], "holds no shards"),
        (["{sizes}", "{text}"], "holds no shards"),
        (["{sizes}", "new", "--labels", "{text}"], "--labels is for test images"),
        (["{sizes}", "new", "--image-size", "4"], "--image-size"),
        (["{sizes}", "new", "--per-shards", "4"], "did you mean --per-shard?"),
    ],
    "render": [
        (["--train", "0"], "--train"),
        (["--test", "-1"], "--test"),
        (["--image-size", "7"], "--image-size"),
        (["--image-size", "9999"], "4096"),
        (["--train", "4", "--test", "0", "--folder", "--out", "{full}"], "not empty"),
        (["--train", "4", "--test", "0", "--out", "{text}/x"], "text.png"),
        (["cats"], "cats"),
        (["--image_size", "64"], "did you mean --image-size?"),
        (["--seed", "-1"], "--seed"),
        (["--out"], "--out"),
    ],
    "step_through": [
        (["--weights", "{gone}"], "gone"),
        (["--model", "vgg"], "vgg"),
        (["--layer", "conv9"], "conv9"),
        (["--at", "1,2,3"], "--layer"),
        (["--layer", "conv2", "--at", "1,2"], "1,2"),
        (["--layer", "conv2", "--at", "99,0,0"], "99"),
        (["--layer", "conv2", "--at", "a,b,c"], "a,b,c"),
        (["--picture", "{text}"], "text.png"),
        (["--picture", "{gone}"], "gone"),
        (["--label", "eleven"], "eleven"),
        (["--model", "lenet", "--weights", "digits_lenet"], "--model"),
        (["--picture", "{heic}"], "HEIC is not read, convert it to JPEG"),
        (["--picture", ADDRESS], f"{ADDRESS} is an address"),
        (["--weights", "{checkpoint}"], "best.safetensors"),
        (["--lable", "3"], "did you mean --label?"),
        (["--seed", "x"], "--seed"),
    ],
    "microscope": [
        (["stray"], "stray"),
        (["--weights", "{gone}"], "gone"),
        (["--weights", "{bare_weights}"], "examples.train"),
        (["--weights", "digits_lenet", "--weights", "objects_lenet"], "other classes"),
        (["--weights", "digits_lenet", "--weights", "digits_lenet"], "twice"),
        (["--weights", "digits_lenet", "--model", "lenet"], "--model"),
        (["--model", "vgg"], "vgg"),
        (["--model", "alexnet"], "--serve"),
        (["--picture", "{text}"], "text.png"),
        (["--picture", "{bomb}"], "pixels"),
        (["--label", "eleven"], "eleven"),
        (["--serve", "--port", "65536"], "--port"),
        (["--serve", "--port", "http"], "--port"),
        (["--port", "8000"], "--serve"),
        (["--no-browser"], "--serve"),
        (["--out", "{text}"], "is a file"),
        (["--out", "{taken}"], "--force"),
        (["--out", "{read_only}"], "cannot write"),
        (["--picture", "{svg}"], "SVG is not read, convert it to JPEG"),
        (["--picture", ADDRESS], f"{ADDRESS} is an address"),
        (["--weights", "{checkpoint}"], "best.safetensors"),
        (["--weights", "{others_weights}"], "examples.train"),
        (["--serv"], "did you mean --serve?"),
        (["--seed", "x"], "--seed"),
    ],
    "ablations": [
        (["--data", "{gone}"], "gone"),
        (["--data", "{digits}"], "32x32"),
        (["--epochs", "1"], "--epochs"),
        (["--data", ADDRESS], "download it first"),
        (["--seeds", "0"], "--seeds"),
        (["--hold-out", "100"], "did you mean --held-out?"),
    ],
    "few_images": [
        (["--data", "{gone}"], "gone"),
        (["--data", ADDRESS], "download it first"),
        (["--data", "{digits}"], "'automobile'"),
        (["--data", "{digits}", "--set-aside", "1,ten"], "'ten'"),
        (["--data", "{digits}", "--set-aside", "1,1"], "two different ones"),
        (["--data", "{digits}", "--set-aside", "1"], "two different ones"),
        (["--data", "{digits}", "--set-aside", "0,1,2,3,4,5,6,7,8"], "not named"),
        (["--data", "{digits}", "--set-aside", "1,2", "--held-out", "4"], "both sides"),
        (["--data", "{digits}", "--set-aside", "1,2", "--held-out", "2", "--images", "1,2"], "fewer than 2"),
        (["--images", "some"], "--images"),
        (["--images", "20,0"], "--images"),
        (["--weights", "{gone}"], "gone"),
        (["--weights", "{bare_weights}"], "how images are prepared"),
        (["--weights", "cifar10_alexnet"], "has learned automobile, cat, dog, ship"),
        (["--batches", "0"], "--batches"),
        (["--batch", "3"], "did you mean --batches?"),
    ],
    "benchmark": [
        (["--only", "vgg"], "vgg"),
        (["--rounds", "0"], "--rounds"),
        (["--out", "{text}"], "is a file"),
        (["--kernels", "avx"], "did you mean avx2?"),
        (["--round", "3"], "did you mean --rounds?"),
        (["LeNet"], "LeNet"),
    ],
    "figure1": [
        (["--data", "{gone}"], "gone"),
        (["--data", "{digits}"], "colour"),
        (["--rates", "0"], "--rates"),
        (["--data", ADDRESS], "download it first"),
        (["--name", "a/b"], "without folders"),
        (["--rate", "0.1"], "did you mean --rates?"),
    ],
    "two_gpus": [
        (["--where", "moon"], "processes"),
        (["--where", "processes", "--data", "{gone}"], "gone"),
        (["--where", "processes", "--data", ADDRESS], "download it first"),
        (["--where", "processes", "--data", "{sizes}"], "bring all of them to one size"),
        (["--steps", "0"], "--steps"),
        (["--lr", "0"], "--lr"),
        (["--step", "3"], "did you mean --steps?"),
    ],
    "check": [
        (["21"], "0 to 20"),
        (["six"], "there is no exercise 'six'"),
        (["6", "{gone}"], "gone"),
        (["6", "{text}"], "ends in .py"),
        (["6", "{empty}"], "no .py file"),
        (["6", "--start", "{taken}/mine.py"], "never replaced"),
        (["6", "--start", "{text}"], "never replaced"),
        (["6", "{empty}", "--start", "mine.py"], "beside it"),
        (["6", "--csv", "marks.csv"], "expected a FILE"),
        (["6", "{taken}/mine.py", "--csv", "{text}"], "never replaced"),
        (["6", "{taken}/mine.py", "--seconds", "0"], "--seconds"),
        (["6", "--begin", "mine.py"], "there is no option --begin"),
        (["6", "--star", "mine.py"], "did you mean --start?"),
    ],
    "lessons.__main__": [
        (["21"], "expected 0 to 20"),
        (["one"], "one"),
        (["1.5"], "1.5"),
        (["1", "--limit", "0"], "--limit"),
        (["1", "--limits", "9"], "did you mean --limit?"),
    ],
}
CASES = [(program, arguments, word) for program, rows in TABLE.items() for arguments, word in rows]

# Names that are misspelt, with the one that was meant.
CASES += [
    ("train", ["--model", "AlexNet"], "did you mean alexnet?"),
    ("train", ["--model", "lenet", "--data", "minst"], "did you mean mnist?"),
    ("train", ["--model", "lenet", "--schedule", "one_cycle"], "did you mean one-cycle?"),
    ("train", ["--model", "lenet", "--augment", "mirrors"], "did you mean mirror?"),
    ("train", ["--model", "alexnet", "--init", "papers"], "did you mean paper?"),
    ("train", ["--start-from", "digits_lnet"], "did you mean digits_lenet?"),
    ("train", ["--start-from", "digits_lenet", "--freeze", "Conv1"], "did you mean conv1?"),
    ("train", ["--start-fron", "digits_lenet"], "did you mean --start-from?"),
    ("compare", ["--data", "fashion-minst"], "did you mean fashion_mnist?"),
    ("classify", ["{good}", "--weights", "digits_lnet"], "did you mean digits_lenet?"),
    ("crops", ["{good}", "--label", "trucks"], "did you mean truck?"),
    ("crops", ["--weights", "objects-lenet"], "did you mean objects_lenet?"),
    ("step_through", ["--model", "Lenet5-1998"], "did you mean lenet5_1998?"),
    ("step_through", ["--weights", "digits-lenet"], "did you mean digits_lenet?"),
    ("step_through", ["--layer", "Conv2"], "did you mean conv2?"),
    ("step_through", ["--weights", "cifar10_alexnet", "--label", "airplanes"], "did you mean airplane?"),
    ("microscope", ["--weights", "objects_alexnet", "--label", "dogs"], "did you mean dog?"),
    ("microscope", ["--model", "alexnet-small"], "did you mean alexnet_small?"),
    ("ablations", ["--data", "cifar"], "did you mean cifar10?"),
    ("two_gpus", ["--where", "process"], "did you mean processes?"),
    ("check", ["blin1"], "did you mean blind1?"),
]
# Options and values that were called otherwise, or hold elsewhere.
CASES += [
    ("compare", ["--data", "{digits}", "--lr", "0.1"], "there is no option --lr"),
    ("crops", ["{good}", "--label", "10"], "0 to 9"),
    ("render", ["--train", "4", "--test", "0", "--image-size", "8", "--out", "{taken}"], "--force"),
    ("render", ["--train", "4", "--test", "0", "--image-size", "8", "--out", "{read_only}"], "cannot write"),
    ("ablations", ["--held-out", "0"], "--held-out"),
    ("two_gpus", ["--data", "{gone}"], "gone"),
    ("two_gpus", ["--where", "cards"], "expected one of gpus, gpu, processes"),
    ("two_gpus", ["--width", "5"], "--width"),
]


@contextmanager
def place(files: Path) -> Iterator[dict[str, Path]]:
    """Files and folders that programs cannot do with, by name."""
    files.mkdir()
    paths = {name: files / name for name in ("gone", "empty", "one_class", "no_pictures", "sizes", "full", "taken")}
    rng = np.random.default_rng(0)
    paths["digits"] = files / "digits.npz"
    labels = np.arange(20) % 10
    np.savez(paths["digits"], images=rng.integers(0, 256, (20, 28, 28), dtype=np.uint8), labels=labels)
    paths["broken"] = files / "broken.npz"
    paths["broken"].write_bytes(paths["digits"].read_bytes()[:500])
    paths["cut"] = files / "cut.zip"
    paths["cut"].write_bytes(b"PK\x03\x04" + bytes(100))
    paths["text"] = files / "text.png"
    paths["text"].write_text("no picture")
    paths["good"] = files / "good.png"
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(paths["good"])
    paths["bomb"] = files / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(paths["bomb"])
    for name in ("empty", "full", "taken"):
        paths[name].mkdir()
    (paths["full"] / "mine.txt").write_text("mine")
    for name in ("results.json", "answers.png", "digits_lenet.html", "objects.npz", "mine.py"):
        (paths["taken"] / name).write_text("mine")
    for name, side in (("one_class/cat/1.png", 8), ("sizes/cat/1.png", 40), ("sizes/dog/1.png", 50)):
        (files / name).parent.mkdir(parents=True)
        Image.new("RGB", (side, side)).save(files / name)
    for name in ("cat", "dog"):
        (paths["no_pictures"] / name).mkdir(parents=True)
        (paths["no_pictures"] / name / "note.txt").write_text("no picture")
    preparation = Preparation((28, 28), 1, (28, 28)).to_json()
    for name, extra in (
        ("bare", None),
        ("wrong", {"class_names": ["a", "b"], "preparation": preparation}),
        ("whole", {"class_names": list("0123456789"), "preparation": preparation}),
    ):
        paths[f"{name}_weights"] = files / f"{name}.safetensors"
        lenet(rng=0).save(paths[f"{name}_weights"], extra)
    paths["others_weights"] = files / "others.safetensors"
    to_file({"conv1.weight": np.zeros((2, 2), np.float32)}, paths["others_weights"], {"format": "pt"})
    paths["checkpoint"] = files / "checkpoint.safetensors"
    network = lenet(rng=0)
    save_checkpoint(paths["checkpoint"], network, SGD(network, 0.1), History())
    for name, content in (
        ("heic.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)),
        ("svg.svg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("pdf.pdf", b"%PDF-1.7\n" + bytes(500)),
        ("web_page.jpg", b"<!DOCTYPE html><html><body>Sign in</body></html>"),
    ):
        paths[name.partition(".")[0]] = files / name
        (files / name).write_bytes(content)
    paths["cut_weights"] = files / "cut.safetensors"
    paths["cut_weights"].write_bytes(paths["whole_weights"].read_bytes()[:-1])
    paths["read_only"] = files / "read_only"
    paths["read_only"].mkdir()
    paths["read_only"].chmod(0o500)
    yield paths
    paths["read_only"].chmod(0o700)


def needless(case: tuple[str, list[str], str]) -> bool:
    """Nothing is forbidden to root."""
    return any("{read_only}" in argument for argument in case[1]) and getattr(os, "geteuid", lambda: 1)() == 0


def everything(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def check(case: tuple[str, list[str], str], status: int, out: str, err: str, here: Path) -> None:
    """One sentence, exit status 2, and nothing written into `here`, where the program ran."""
    word = case[2]
    assert status == 2, f"exit status {status}: {err}"
    assert out.count("\n") <= 1, out  # classify has said whom it asks
    assert err.count("\n") == 1 and "Traceback" not in err, err
    with one_sentence(ValueError):
        raise ValueError(err.removesuffix("\n"))
    assert word in err, f"{word!r} is not in {err!r}"
    # An output folder may have been made, to try it out; it must be empty.
    assert not [path for path, content in everything(here).items() if content is not None]


def typed(case: tuple[str, list[str], str], place: dict[str, Path], here: Path) -> str:
    """Type the command in the folder `here`. What is wrong with the answer, or nothing."""
    program, arguments, _ = case
    before = everything(place["digits"].parent)
    command = [sys.executable, "-m", f"examples.{program}", *(argument.format(**place) for argument in arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=600)
    try:
        check(case, done.returncode, done.stdout, done.stderr, here)
        assert everything(place["digits"].parent) == before, "it changed what it was given"
    except AssertionError as error:
        return f"{program} {' '.join(arguments)}: {error}"
    return ""


def program_called(name: str):
    """The module that has a program's `main`: of one in several files, `program` in its folder."""
    module = importlib.import_module(f"examples.{name}")
    return importlib.import_module(f"examples.{name}.program") if hasattr(module, "__path__") else module
