"""The figures of lesson 13: what choosing does to a number, overfitting, weight decay, the sets."""

from matplotlib.patches import Rectangle

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY

TRAINING, VALIDATION, TEST = COLOURS[0], COLOURS[1], COLOURS[2]  # one colour a set in all figures


def optimism(counts, gaps):
    """How much too good the best of several looks: for each number of digits, a gap a count."""
    with figure("13_optimism", 8, 3.6) as drawing:
        axes = drawing.subplots()
        for (n, values), line in zip(gaps.items(), ("o-", "s--")):
            axes.plot(counts, values, line, color=GREY, label=f"chosen by {n} digits")
        axes.axhline(0, color="#999999", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.set(
            title="How much too good the best one looks",
            xlabel="networks tried, all alike but for the seed",
            ylabel="points of accuracy",
        )
        axes.legend()


def curves(accuracies):
    """Training and validation accuracy, epoch by epoch; (seeds, epochs, sets)."""
    epochs = range(1, accuracies.shape[1] + 1)
    with figure("13_curves", 8, 4) as drawing:
        axes = drawing.subplots()
        for column, colour, name in (
            (0, TRAINING, "training set"),
            (1, VALIDATION, "validation set"),
        ):
            axes.plot(epochs, accuracies[:, :, column].T, color=colour, linewidth=0.6, alpha=0.5)
            mean = accuracies[:, :, column].mean(axis=0)
            axes.plot(epochs, mean, color=colour, linewidth=2.5, label=name)
        best = accuracies[:, :, 1].mean(axis=0).argmax() + 1
        axes.axvline(best, color=GREY, linestyle=":")
        axes.text(best + 0.3, 57, "best on validation,\nhere one would stop", color=GREY)
        axes.set(
            title="500 digits, a fifth of the labels by lot: five seeds and their mean",
            xlabel="epoch",
            ylabel="accuracy, %",
        )
        axes.legend(loc="lower right")


def decay(decays, table):
    """Accuracy of the three sets for each weight decay; table (values, sets)."""
    with figure("13_decay", 8, 4) as drawing:
        axes = drawing.subplots()
        places = range(len(decays))
        for column, colour, line, name in (
            (0, TRAINING, "o-", "training set"),
            (1, VALIDATION, "s-", "validation set"),
            (2, TEST, "^:", "test set"),
        ):
            axes.plot(places, table[:, column], line, color=colour, label=name)
        best = table[:, 1].argmax()
        axes.axvline(best, color=GREY, linestyle=":")
        axes.text(best + 0.08, 95, "chosen by\nvalidation", color=GREY)
        axes.set_xticks(places, [f"{value:g}" for value in decays])
        axes.set(
            title="How much weight decay? Mean of five seeds",
            xlabel="weight decay",
            ylabel="accuracy, %",
        )
        axes.legend(loc="lower left")


def sets():
    """How the images are divided: one validation set, and five folds that take turns."""
    with figure("13_sets", 9, 3.4) as drawing:
        axes = drawing.subplots()
        for row in range(6):
            top, name, boxes = 0, "one validation set", [(0, 80, TRAINING), (80, 20, VALIDATION)]
            if row:
                top, name, out = -row - 0.6, f"without fold {row}", 20 * (row - 1)
                boxes = [
                    (at, 20, VALIDATION if at == out else TRAINING) for at in range(0, 100, 20)
                ]
            for left, width, colour in boxes:
                box = Rectangle((left, top), width, 0.8, facecolor=colour, edgecolor="white")
                axes.add_patch(box)
            axes.text(-2, top + 0.4, name, ha="right", va="center")
        axes.add_patch(Rectangle((106, -5.6), 20, 6.4, facecolor=TEST))
        for left, top, text in (
            (40, 0.4, "training"),
            (90, 0.4, "validation"),
            (116, -2.4, "test:\nonce, at\nthe end"),
        ):
            axes.text(left, top, text, color="white", ha="center", va="center", fontweight="bold")
        axes.set(xlim=(-28, 127), ylim=(-5.8, 1))
        axes.set_axis_off()
        axes.set_title("How the images are divided")
