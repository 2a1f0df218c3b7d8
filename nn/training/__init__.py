"""Training: the loop, what it records, schedules of the learning rate, checkpoints, and what keeps a network from
learning."""

from nn.training.loop import Epoch, History, Prepare, evaluate, train

__all__ = ["Epoch", "History", "Prepare", "evaluate", "train"]
