"""The training program refuses what it cannot do: one sentence, exit status 2, and nothing written."""

import pytest

from examples.train import program as train
from tests.checks import one_sentence


@pytest.fixture
def refused(monkeypatch, capsys):
    """Run the program with arguments that it must refuse in one line, before it trains; returns that line."""

    def run(*arguments):
        monkeypatch.setattr(train, "train", lambda *args, **kwargs: pytest.fail("it trained"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            train.main([str(argument) for argument in arguments])
        assert exit_.value.code == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("train: ")
        with one_sentence(ValueError):
            raise ValueError(err.removesuffix("\n"))
        return err

    return run


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "-3"], "--epochs"),
        (["--epochs", "1.5"], "--epochs"),
        (["--batch-size", "0"], "--batch-size"),
        (["--batch-size", "many"], "--batch-size"),
        (["--lr", "-0.1"], "--lr"),
        (["--lr", "nan"], "--lr"),
        (["--lr", "inf"], "--lr"),
        (["--lr", "fast"], "--lr"),
        (["--lr", "0", "--schedule", "plateau"], "--lr"),
        (["--momentum", "1"], "momentum"),
        (["--momentum", "-0.5"], "momentum"),
        (["--weight-decay", "-1"], "weight_decay"),
        (["--weight-decay", "nan"], "weight_decay"),
        (["--schedule", "random"], "--schedule"),
        (["--form", "nesterov"], "--form"),
        (["--augment", "crop,turn"], "'turn'"),
        (["--augment", ""], "''"),
        (["--held-out", "-1"], "--held-out"),
        (["--held-out", "75"], "75"),
        (["--held-out", "10000"], "10000"),
        (["--held-out", "0.5"], "--held-out"),
        (["--image-size", "0"], "--image-size"),
        (["--image-size", "big"], "--image-size"),
        (["--image-size", "4"], "conv2"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "x"], "--seed"),
        (["--variant", "17pct"], "--variant"),
        (["--init", "zeros"], "--init"),
        (["--epoch", "1"], "--epoch"),
        (["--unknown"], "--unknown"),
        (["stray"], "stray"),
        (["--model", "vgg"], "vgg"),
        (["--model", "alexnet_small", "--width", "0"], "--width"),
        (["--model", "alexnet_small", "--width", "nan"], "--width"),
        (["--model", "alexnet_small", "--image-size", "16"], "28 to 128"),
        (["--model", "alexnet_small", "--augment", "crop"], "28 to 128"),  # crops of 24x24
        (["--model", "lenet5_1998", "--image-size", "40"], "40"),
        (["--data", "there_is_no_such_file.npz"], "there_is_no_such_file.npz is neither"),
    ],
    ids=str,
)
def test_bad_arguments(refused, few_digits, arguments, complaint, tmp_path):
    out = tmp_path / "out"
    assert complaint in refused("--model", "lenet", "--data", few_digits, "--out", out, *arguments)
    assert not out.exists(), "nothing may be written"


@pytest.mark.parametrize("arguments", [[], ["--data", "digits"], ["--model"]], ids=str)
def test_missing_arguments(refused, arguments):
    refused(*arguments)


def test_pictures_that_a_model_cannot_read(refused, colours, tmp_path):
    out = tmp_path / "out"
    assert "ten classes of grey" in refused("--model", "lenet5_1998", "--data", colours, "--out", out)
    assert not out.exists()


def test_a_folder_with_results_is_left_alone(refused, few_digits, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    err = refused("--model", "lenet", "--data", few_digits, "--out", tmp_path)
    assert "is not empty" in err and "--resume" in err and "--force" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_output_folder_that_is_a_file(refused, few_digits, tmp_path):
    (tmp_path / "file").write_text("mine")
    refused("--model", "lenet", "--data", few_digits, "--out", tmp_path / "file")
    refused("--model", "lenet", "--data", few_digits, "--out", tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


def test_resuming_what_was_never_started(refused, few_digits, tmp_path):
    out = tmp_path / "out"
    assert "no checkpoint" in refused("--model", "lenet", "--data", few_digits, "--out", out, "--resume")
    assert not out.exists(), "nothing may be written"


def test_resuming_with_a_bad_checkpoint(refused, few_digits, tmp_path):
    folder = tmp_path / "out"
    common = ("--model", "lenet", "--data", str(few_digits), "--out", str(folder))
    assert train.main([*common, "--epochs", "1"]) == 0
    checkpoint = folder / "checkpoint.safetensors"
    whole = checkpoint.read_bytes()
    common += ("--resume",)
    for content, complaint in ((whole[:-1], "whole"), (b"", "whole"), (b"something else", "whole")):
        checkpoint.write_bytes(content)
        assert complaint in refused(*common, "--epochs", 1)
    checkpoint.write_bytes((folder / "best.safetensors").read_bytes())
    assert "not a checkpoint" in refused(*common, "--epochs", 1)
    checkpoint.write_bytes(whole)
    for changed in (("--epochs", 2), ("--epochs", 1, "--lr", 0.1), ()):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert "another run" in refused(*common, *changed)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
