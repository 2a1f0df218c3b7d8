"""The exercises, one for each lesson, and the programs with a hidden bug: what is asked for, in which cases, and which
mistakes are known."""

from examples.check.exercises.alexnet import EXERCISE_14, EXERCISE_17
from examples.check.exercises.basics import EXERCISE_0, EXERCISE_1, EXERCISE_2, EXERCISE_3
from examples.check.exercises.blind import BLIND_1, BLIND_2, BLIND_3, BLIND_4, BLIND_5
from examples.check.exercises.connections import EXERCISE_11, EXERCISE_16
from examples.check.exercises.convolution import EXERCISE_4, EXERCISE_5, EXERCISE_6
from examples.check.exercises.dropout import EXERCISE_15
from examples.check.exercises.freezing import EXERCISE_20
from examples.check.exercises.honesty import EXERCISE_13, EXERCISE_18
from examples.check.exercises.pooling import EXERCISE_7, EXERCISE_12, EXERCISE_19
from examples.check.exercises.training import EXERCISE_8, EXERCISE_9, EXERCISE_10

EXERCISES = {
    "0": EXERCISE_0,
    "1": EXERCISE_1,
    "2": EXERCISE_2,
    "3": EXERCISE_3,
    "4": EXERCISE_4,
    "5": EXERCISE_5,
    "6": EXERCISE_6,
    "7": EXERCISE_7,
    "8": EXERCISE_8,
    "9": EXERCISE_9,
    "10": EXERCISE_10,
    "11": EXERCISE_11,
    "12": EXERCISE_12,
    "13": EXERCISE_13,
    "14": EXERCISE_14,
    "15": EXERCISE_15,
    "16": EXERCISE_16,
    "17": EXERCISE_17,
    "18": EXERCISE_18,
    "19": EXERCISE_19,
    "20": EXERCISE_20,
    "blind1": BLIND_1,
    "blind2": BLIND_2,
    "blind3": BLIND_3,
    "blind4": BLIND_4,
    "blind5": BLIND_5,
}
