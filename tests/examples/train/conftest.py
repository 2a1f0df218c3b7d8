"""What the tests of training runs have in common."""

import pytest

from examples.train import program as train


@pytest.fixture
def interrupt(monkeypatch):
    """Stop the program by Ctrl-C after so many epochs."""
    real = train.save_checkpoint

    def after(epochs):
        def save(path, network, optimizer, history, *rest):
            real(path, network, optimizer, history, *rest)
            if len(history.epochs) == epochs:
                raise KeyboardInterrupt

        monkeypatch.setattr(train, "save_checkpoint", save)

    yield after
