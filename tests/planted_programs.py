"""Mistakes in the programs, for `python -m tests.planted`."""

from tests.planted_mistake import Mistake

CLASSIFY, CROPS, WINDOWS = "examples/classify.py", "examples/crops/program.py", "examples/crops/windows.py"
EXPLAIN, SUBJECT, RENDER = "examples/explain/terms.py", "examples/step_through/subject.py", "examples/render.py"
BENCHMARK, NAMED = "examples/benchmark/program.py", "examples/shared/named_classifiers.py"
ANSWERS, STEPS = "examples/microscope/answers.py", "examples/step_through/pages.py"
EXPLAINED_WINDOWS = "examples/explain/windows.py"
PAGE, PLACING = "examples/crops/page.py", "nn/data/placing.py"

RECIPES, COMPARE, ABLATIONS = "models/recipes.py", "examples/compare/program.py", "examples/ablations.py"

PINNED = ("models/test_recipes.py",)
BY_RECIPE = ("examples/test_trained_by_recipe.py",)
CLASSIFIED = ("examples/test_classify.py",)
CROPPED = ("examples/crops/test_crops.py", "examples/crops/test_page.py", "examples/crops/test_windows.py")
PLACED = ("nn/data/test_placing.py",)
EXPLAINED = ("examples/test_explain.py",)
STEPPED = ("examples/test_step_through.py",)
MEASURED = ("examples/test_benchmark.py",)
ASKED = ("examples/microscope/test_server.py",)

MISTAKES: list[Mistake] = [
    # What a network says of pictures
    Mistake(CLASSIFY, "label = int(answer.probabilities.argmax())", "label = 0", CLASSIFIED),
    Mistake(CLASSIFY, "np.argsort(-probabilities", "np.argsort(probabilities", CLASSIFIED),
    Mistake(CLASSIFY, "np.argsort(-answer.probabilities", "np.argsort(answer.probabilities", CLASSIFIED),
    Mistake(CLASSIFY, "{100 * probability:5.1f}", "{100 - 100 * probability:5.1f}", CLASSIFIED),
    Mistake(CLASSIFY, "options.ten_crop, options.scales)", "False, options.scales)", CLASSIFIED),
    Mistake(CLASSIFY, "[picture] if options.scales else sized", "sized", CLASSIFIED),
    Mistake(CLASSIFY, "least_probability=0.0", "least_probability=1.0", CLASSIFIED),
    Mistake(CLASSIFY, "picture = classifier.as_learned(picture)", "picture = picture", CLASSIFIED),
    Mistake(CLASSIFY, "classifier.preparation.seen(sized)[0],", "sized[0],", CLASSIFIED),
    Mistake(
        CLASSIFY,
        "(occlusion(classifier.network, answer.x, label), saliency(classifier.network, answer.x, label))",
        "(saliency(classifier.network, answer.x, label), occlusion(classifier.network, answer.x, label))",
        CLASSIFIED,
    ),
    # Crops
    Mistake(WINDOWS, 'Window("centre", portion, room / 2, room / 2)', 'Window("centre", portion, 0, 0)', CROPPED),
    Mistake(WINDOWS, "return self.portion**0.5", "return self.portion", CROPPED),
    Mistake(WINDOWS, "((0, 0), (0, room), (room, 0), (room, room))", "((0, 0), (0, 0), (0, 0), (0, 0))", CROPPED),
    Mistake(WINDOWS, "rng.random(2) * room", "rng.random(2) * 0", CROPPED),
    Mistake(CROPS, "argmax(axis=1) == outcome.label", "argmin(axis=1) == outcome.label", CROPPED),
    Mistake(CROPS, "[:, outcome.label].astype", "[:, 0].astype", CROPPED),
    Mistake(CROPS, "means.std(ddof=1) / np.sqrt(len(means))", "means.std(ddof=1)", CROPPED),
    Mistake(CROPS, "row['accuracy']['mean']:>8.1f", "row['confidence']['mean']:>8.1f", CROPPED),
    Mistake(CROPS, "[window.share_of(case.box) for window in cut]", "[window.portion for window in cut]", CROPPED),
    Mistake(CROPS, "default_rng([options.seed, len(outcomes) + n])", "default_rng([0, len(outcomes) + n])", CROPPED),
    Mistake(
        CROPS, "int(self.probabilities[network][0].argmax())", "int(self.probabilities[network][-1].argmax())", CROPPED
    ),
    Mistake(
        CROPS,
        "right = sum(int(probabilities.argmax()) == wanted",
        "right = sum(int(probabilities.argmin()) == wanted",
        CROPPED,
    ),
    Mistake(PAGE, "{rows[1.0]:.1f}% and {rows[0.25]:.1f}%", "{rows[0.25]:.1f}% and {rows[1.0]:.1f}%", CROPPED),
    Mistake(PAGE, 'result["by_portion"][kind]]', 'result["by_portion"]["centre"]]', CROPPED),
    # A digit brought to its place
    Mistake(PLACING, "SIDE, DIGIT = 28, 20", "SIDE, DIGIT = 28, 22", PLACED),
    Mistake(PLACING, "y, x = centre_of_mass(digit)", "y, x = rows.mean() + 0.5, columns.mean() + 0.5", PLACED),
    Mistake(PLACING, "if lightest - paper >= paper - darkest else", "if paper < 128 else", PLACED),
    # One number taken apart, step by step
    Mistake(EXPLAIN, "lambda layer, x, y: y * (1 - y)", "lambda layer, x, y: y", EXPLAINED),
    Mistake(EXPLAIN, "1.0 if y > 0 else y + layer.alpha", "1.0 if y > 0 else y + 1", EXPLAINED),
    Mistake(EXPLAINED_WINDOWS, "if not training or layer.frozen:", "if layer.frozen:", EXPLAINED),
    Mistake(EXPLAINED_WINDOWS, "-part * total / M * factor", "-part * total * factor", EXPLAINED),
    Mistake(STEPS, "layer.without_noise()", "pass", STEPPED),
    Mistake(EXPLAIN, "(1.0 / (1.0 - layer.p)) if kept", "1.0 if kept", EXPLAINED),
    Mistake(EXPLAIN, "-2 * float(dy[c]) * (float(x[j]) - w)", "-2 * float(dy[c]) * (float(x[j]) + w)", EXPLAINED),
    Mistake(SUBJECT, "classifier.probabilities(images).max(axis=1).argmin()", "0", STEPPED),
    Mistake(SUBJECT, "int(sure.argmin())", "int(sure.argmax())", STEPPED),
    Mistake(SUBJECT, "class_number(label, classifier.class_names) if", "0 if", STEPPED),
    # Pictures to learn from, networks by name
    Mistake(
        RENDER, '"test_labels": test_set.labels}', '"test_labels": test_set.labels[::-1]}', ("examples/test_render.py",)
    ),
    Mistake(RENDER, "dataset.class_names[label] /", "dataset.class_names[0] /", ("examples/test_render.py",)),
    Mistake(NAMED, "load_classifier(path)", "load_classifier(wanted[0])", ("examples/crops/test_crops.py",)),
    # How fast it is
    Mistake(
        "examples/benchmark/table.py",
        "statistics.median(ours / theirs for",
        "statistics.median(theirs / ours for",
        MEASURED,
    ),
    Mistake(BENCHMARK, "float(self._read()) / steps", "float(self._read())", MEASURED),
    Mistake("examples/benchmark/table.py", "case['batch'] / seconds:,.0f", "1 / seconds:,.0f", MEASURED),
    Mistake(BENCHMARK, 'ratio(case, engine, "memory")', 'ratio(case, "memory", engine)', MEASURED),
    Mistake("examples/benchmark/worker.py", "network.num_parameters * 4", "network.num_parameters", MEASURED),
    Mistake("examples/benchmark/machine.py", "np.ones(size // 8", "np.ones(size // 16", MEASURED),
    Mistake("examples/benchmark/machine.py", "MEMORY_BYTES / min(seconds)", "1 / min(seconds)", MEASURED),
    Mistake("examples/benchmark/processes.py", "if pressed:", "if False:", MEASURED),
    Mistake(BENCHMARK, "flops = 2 * batch * model.multiply_adds()", "flops = batch * model.multiply_adds()", MEASURED),
    Mistake(BENCHMARK, "flops / statistics.median(turns[mine]) / rate", "flops / max(turns[mine]) / rate", MEASURED),
    Mistake(BENCHMARK, "seconds(max(1, 128 // images)) / images", "seconds(max(1, 128 // images))", MEASURED),
    # The microscope's answers
    Mistake(ANSWERS, "gradient.argmax() if target is None", "0 if target is None", ASKED),
    Mistake(ANSWERS, "dy = self._without_silenced(dy)", "dy = dy", ASKED),
    # Recipes
    Mistake(RECIPES, "momentum: float = 0.9", "momentum: float = 0.8", PINNED),
    Mistake(RECIPES, "batch_size=128,\n        lr=0.01,", "batch_size=128,\n        lr=0.02,", PINNED),
    Mistake(RECIPES, '{"bias": 0, "fc4.weight": 7.5, "fc5', '{"fc4.weight": 7.5, "fc5', PINNED),
    Mistake(RECIPES, '{"bias": 0, "fc4.weight": 250}', '{"bias": 0, "fc4.weight": 25}', PINNED),
    Mistake(RECIPES, "[120, 10, 10]", "[130, 5, 5]", PINNED),
    Mistake(RECIPES, "epochs=16, batch_size=64, lr=0.5", "epochs=16, batch_size=64, lr=0.05", PINNED),
    Mistake(RECIPES, "schedule=Plateau", "schedule=one_cycle", PINNED),
    Mistake(RECIPES, 'augment=("crop", "mirror", "colour")', 'augment=("crop", "mirror")', PINNED),
    Mistake(RECIPES, 'loss=LeNet5Loss, levels="lenet5"', 'levels="lenet5"', PINNED),
    Mistake(RECIPES, "np.float32(1 / 255)", "np.float32(1)", PINNED),
    # The comparison
    Mistake(COMPARE, "weight_decay=contestant.weight_decay)", "weight_decay=0.0)", BY_RECIPE),
    Mistake(COMPARE, "schedule=one_cycle(contestant.learning_rate)", "schedule=None", BY_RECIPE),
    Mistake(COMPARE, "standardised(test_set, mean,", "standardised(test_set, test_set.images.mean(),", BY_RECIPE),
    Mistake(COMPARE, "MOMENTUM = 0.9", "MOMENTUM = 0.8", BY_RECIPE),
    Mistake(COMPARE, "weight_decay=5e-4", "weight_decay=5e-3", BY_RECIPE),
    Mistake(COMPARE, '"train_accuracy": train_accuracy', '"train_accuracy": 1 - train_accuracy', BY_RECIPE),
    Mistake(
        COMPARE,
        "confusion_matrix(test_set.labels, predictions,",
        "confusion_matrix(predictions, test_set.labels,",
        BY_RECIPE,
    ),
    Mistake(COMPARE, "np.mean(predictions == test_set.labels)", "train_accuracy", BY_RECIPE),
    # What the paper's ideas are worth
    Mistake(ABLATIONS, "for crop in crops], axis=0)", "for crop in crops[:1]], axis=0)", BY_RECIPE),
    Mistake(
        ABLATIONS,
        'setdefault("crops, centre", []).append(centre)',
        'setdefault("crops, centre", []).append(ten)',
        BY_RECIPE,
    ),
    Mistake(ABLATIONS, "[epochs - 2, 1, 1]", "[epochs - 4, 2, 2]", BY_RECIPE),
    Mistake(ABLATIONS, "decay_multipliers=recipe.decay_multipliers,", "", BY_RECIPE),
    Mistake(
        ABLATIONS,
        "return error(network, preparation, test_set), 1 - right",
        "return error(network, preparation, test_set), right",
        BY_RECIPE,
    ),
]
