"""Training: the loop, what it records, schedules of the learning rate, checkpoints, and what keeps a network from
learning."""

from nn.training.evaluation import evaluate
from nn.training.history import Epoch, History
from nn.training.loop import train
from nn.training.prefetch import Prepare

__all__ = ["Epoch", "History", "Prepare", "evaluate", "train"]
