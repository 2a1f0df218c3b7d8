"""Mistakes in the recipes, the programs that train and the models, for `python -m tests.planted`."""

from tests.planted_mistake import Mistake

PUBLISHED = ("models/test_recipes.py",)
SETTINGS = ("examples/test_training_settings.py",)
STARTED, BEGINNING = ("examples/train/test_starting.py",), ("models/test_start.py",)
FROZEN = ("nn/test_freezing.py",)
SETS = ("examples/train/test_sets.py",)

RECIPES, COMPARE = "models/recipes.py", "examples/compare/program.py"
ABLATIONS, FIGURE1, TRAIN = "examples/ablations.py", "examples/figure1.py", "examples/train/program.py"
HALVES, HALVES_TRAINED = "examples/two_gpus/halves.py", "examples/two_gpus/training.py"
STARTING, BEGUN, FREEZING = "examples/train/starting.py", "models/start.py", "nn/freezing.py"
SHARED, SUMS, RANKS = "nn/training/data_parallel.py", "nn/parallel/sums.py", "nn/parallel/ranks.py"
TRICK, IN_TRICK = "nn/training/weird_trick.py", ("nn/training/test_weird_trick.py",)
IN_SHARDS, IN_PARALLEL = ("nn/training/test_data_parallel.py",), ("examples/train/test_parallel.py",)
ALEXNET, CIFAR, LENET = "models/alexnet.py", "models/cifar.py", "models/lenet.py"

MISTAKES: list[Mistake] = [
    # Recipes
    Mistake(RECIPES, "lr=0.01,", "lr=0.02,", PUBLISHED),
    Mistake(RECIPES, "epochs=90", "epochs=60", PUBLISHED),
    Mistake(RECIPES, "schedule=Plateau,", "schedule=one_cycle,", PUBLISHED),
    Mistake(RECIPES, '{"bias": 0, "fc4.weight": 7.5,', '{"bias": 1, "fc4.weight": 7.5,', PUBLISHED),
    Mistake(RECIPES, '"fc5.weight": 7.5', '"fc5.weight": 1', PUBLISHED),
    Mistake(RECIPES, '"fc4.weight": 250', '"fc4.weight": 25', PUBLISHED),
    Mistake(RECIPES, "[120, 10, 10]", "[100, 20, 20]", PUBLISHED),
    Mistake(RECIPES, "[11, 2, 1]", "[10, 3, 1]", PUBLISHED),
    Mistake(RECIPES, "- channel_mean**2", "", PUBLISHED),
    Mistake(
        RECIPES,
        'cut = random_crop if "crop" in augment else',
        'cut = random_crop if "crop" not in augment else',
        PUBLISHED,
    ),
    Mistake(RECIPES, "images = mirror(images, rng)", "images = images[:, :, ::-1]", PUBLISHED),
    Mistake(RECIPES, "range(0, len(train_set), 1000)", "range(0, len(train_set) - 999, 1000)", PUBLISHED),
    # Comparing
    Mistake(COMPARE, "weight_decay=5e-4", "weight_decay=0.0", SETTINGS),
    Mistake(
        COMPARE, "batch_size=options.batch_size,\n        optimizer", "batch_size=64,\n        optimizer", SETTINGS
    ),
    Mistake(
        COMPARE,
        "sets = standardised(train_set, mean, std), standardised(test_set, mean, std)",
        "sets = standardised(train_set, mean, std), standardised(test_set, *pixel_statistics(test_set))",
        SETTINGS,
    ),
    Mistake(
        COMPARE,
        "evaluate(network, train_set.images, train_set.labels)",
        "evaluate(network, test_set.images, test_set.labels)",
        SETTINGS,
    ),
    Mistake(COMPARE, "(test_set.labels, predictions, test_set", "(predictions, test_set.labels, test_set", SETTINGS),
    Mistake(COMPARE, "learning_rate=options.alexnet_lr", "learning_rate=options.lenet_lr", SETTINGS),
    # Ablations
    Mistake(ABLATIONS, "recipe.weight_decay,\n", "0.0,\n", SETTINGS),
    Mistake(ABLATIONS, "lr_multipliers=recipe.lr_multipliers,", "", SETTINGS),
    Mistake(
        ABLATIONS,
        "prepare=make_prepare(preparation, augment, train_set)",
        "prepare=make_prepare(preparation, (), train_set)",
        SETTINGS,
    ),
    Mistake(ABLATIONS, "for crop in crops]", "for crop in crops[4:5]]", SETTINGS),
    Mistake(ABLATIONS, "for crop in crops]", "for crop in crops[:5]]", SETTINGS),
    Mistake(
        ABLATIONS,
        'errors.setdefault("crops, ten", []).append(ten)',
        'errors.setdefault("crops, ten", []).append(centre)',
        SETTINGS,
    ),
    Mistake(ABLATIONS, "ddof=1", "ddof=0", SETTINGS),
    # Figure 1
    Mistake(FIGURE1, "SGD(network, rate, momentum=0.9)", "SGD(network, rate, momentum=0.8)", SETTINGS),
    Mistake(
        FIGURE1, "SGD(network, rate, momentum=0.9)", "SGD(network, rate, momentum=0.9, weight_decay=0.5)", SETTINGS
    ),
    Mistake(
        FIGURE1,
        "network.forward(images - mean, training=True)",
        "network.forward(images / np.float32(1), training=True)",
        SETTINGS,
    ),
    Mistake(FIGURE1, "TARGET, BATCH, PROBE, EVERY = 0.25, 128", "TARGET, BATCH, PROBE, EVERY = 0.3, 128", SETTINGS),
    Mistake(FIGURE1, "(answers != probe.labels)", "(answers == probe.labels)", SETTINGS),
    Mistake(FIGURE1, 'min(done, key=lambda row: row["steps"]', 'max(done, key=lambda row: row["steps"]', SETTINGS),
    # Training anything
    Mistake(TRAIN, "recipe.weight_decay, options.form,", 'recipe.weight_decay, "paper",', SETTINGS),
    Mistake(TRAIN, "multipliers = recipe.lr_multipliers, recipe.decay_multipliers", "multipliers = {}, {}", SETTINGS),
    Mistake(TRAIN, "recipe.momentum, recipe.weight_decay, options", "0.9, recipe.weight_decay, options", SETTINGS),
    Mistake(TRAIN, "batch_size=run.recipe.batch_size,", "", SETTINGS),
    Mistake(
        TRAIN,
        "make_prepare(run.preparation, run.recipe.augment, run.train_set, least)",
        "make_prepare(run.preparation, (), run.train_set, least)",
        SETTINGS,
    ),
    Mistake(TRAIN, "draw=run.draw,", "", SETS),
    Mistake("examples/train/sets.py", "options.per_class, origins)", "options.per_class)", SETS),
    Mistake("examples/train/sets.py", "held = np.isin(groups, groups[begin])", "held = begin", SETS),
    Mistake("examples/train/sets.py", "origins[~held]", "origins[held]", SETS),
    Mistake(
        "nn/data/duplicates.py",
        "+ np.abs(odd[some] @ odd[others].T)",
        "+ odd[some] @ odd[others].T",
        ("nn/data/test_duplicates.py",),
    ),
    Mistake("nn/data/batches.py", "TWICE * len(numbers)", "9 * len(numbers)", ("nn/data/test_batches.py",)),
    Mistake(RECIPES, "images = soften(images, rng)", "soften(images, rng)", PUBLISHED),
    Mistake(TRAIN, "(0.5, 0.75, 0.9)", "(0.5, 0.75)", SETTINGS),
    Mistake(TRAIN, "schedule=run.schedule,\n", "", ("examples/train/test_train.py",)),
    # Starting from learned weights
    Mistake(STARTING, "(1.0 if layer == new else share)", "share", STARTED),
    Mistake(STARTING, "multipliers.get(name, multipliers.get(end, 1.0))", "multipliers.get(name, 1.0)", STARTED),
    Mistake(STARTING, "rng=options.seed", "rng=0", STARTED),
    Mistake(STARTING, "setattr(options, name, value)", "pass", STARTED),
    Mistake(STARTING, "path.read_bytes()", "path.name.encode()", STARTED),
    Mistake(STARTING, "size = times * height", "size = height", STARTED),
    Mistake(
        TRAIN, "begun.network, begun.preparation\n", "begun.network, Preparation((32, 32), 3, (28, 28))\n", STARTED
    ),
    Mistake(BEGUN, 'fresh[name] if name.partition(".")[0] == new else', "", BEGINNING),
    Mistake(BEGUN, "fresh[name] if", "0 * fresh[name] if", BEGINNING),
    Mistake(BEGUN, "np.array([124, 117, 104]", "np.array([104, 117, 124]", BEGINNING),
    Mistake(FREEZING, "layer.params and not layer.frozen), 0)", "layer.params), 0)", FROZEN),
    Mistake(FREEZING, "if not network.layers[name", "if network.layers[name", FROZEN),
    # Several processes, as far as one can tell
    Mistake(SHARED, "loss.backward(), len(labels) / count", "loss.backward(), 1 / self.shards", IN_SHARDS),
    Mistake(SHARED, "default_rng([*seeds, batch, shard])", "default_rng([*seeds, batch])", IN_SHARDS),
    Mistake(SHARED, "parts = learning(network, network.grads)", "parts = network.grads", IN_SHARDS),
    Mistake(SHARED, "-(-count * shard // self.shards)", "count * shard // self.shards", IN_SHARDS),
    Mistake(SUMS, "(ranks == 1 or share & (share - 1) == 0)", "True", ("nn/parallel/test_sums.py",)),
    Mistake(SUMS, "        if not found:\n            out[...] = 0\n", "", ("nn/parallel/test_sums.py",)),
    Mistake(RANKS, "visible[local % len(visible)]", "visible[0]", ("nn/parallel/test_ranks.py",)),
    Mistake("nn/parallel/on_paper.py", "2 * (machines - 1) * (size", "2 * (size", ("nn/parallel/test_on_paper.py",)),
    Mistake("nn/training/schedules.py", "self.start + (1 - self.start) * done", "self.start + done", IN_PARALLEL),
    Mistake("nn/training/schedules.py", "return memory_of(schedule.schedule)", "return None", IN_PARALLEL),
    Mistake(
        "examples/train/parallel.py",
        "recipe.lr * recipe.batch_size / options.lr_of_batch",
        "recipe.lr * options.lr_of_batch / recipe.batch_size",
        IN_PARALLEL,
    ),
    Mistake("examples/train/launcher.py", 'if pid == found["pid"]', 'if pid != found["pid"]', IN_PARALLEL),
    # The weird trick
    Mistake(TRICK, "begin = sum(counts[: ranks.rank])", "begin = 0", IN_TRICK),
    Mistake(TRICK, "self._columns] if self.is_last else", "self._columns] if True else", IN_TRICK),
    Mistake(TRICK, "self._columns] if self.is_last else", "self._columns] if False else", IN_TRICK),
    Mistake(TRICK, "units))[..., columns]", "units))[..., : columns.stop - columns.start]", IN_TRICK),
    Mistake(TRICK, "layer.draw((*shape[:-1], units))", "(layer.rng.random((*shape[:-1], units)) >= 0.5)", IN_TRICK),
    Mistake(TRICK, "self._skip(begin)", "pass", IN_TRICK),
    Mistake(TRICK, "self._skip(count - end)", "pass", IN_TRICK),
    Mistake(
        TRICK,
        "gradient = self._own_images(gradient, rows)",
        "gradient = gradient[begin:end]",
        IN_TRICK,
    ),
    Mistake(TRICK, "self._flat[...] = 0", "pass", IN_TRICK),
    Mistake(TRICK, "            self._add_gradients()", "            pass", IN_TRICK),
    Mistake(TRICK, "self.sgd.lr = optimizer.lr", "pass", IN_TRICK),
    Mistake(TRICK, "if is_due:\n            self.gather()", "if False:\n            self.gather()", IN_TRICK),
    Mistake(TRICK, "(self._velocities, self.sgd.velocities[name])", "", IN_TRICK),
    Mistake(TRICK, "record.network = self.part", "pass", IN_TRICK),
    Mistake(TRICK, "if self.ranks.any(not is_good)", "if not is_good", IN_TRICK),
    Mistake(TRICK, "input_gradient=self._images_learn", "input_gradient=True", IN_TRICK),
    Mistake(
        RANKS, "self._part_of_sum(numbers, counts)\n\n    def join", "numbers[: counts[0]]\n\n    def join", IN_TRICK
    ),
    Mistake("nn/parallel/on_paper.py", "4 * outputs // 2", "4 * outputs", IN_TRICK),
    Mistake("examples/train/parallel.py", "return one == other", "return True", IN_PARALLEL),
    # Two graphics cards
    Mistake(HALVES, "MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4", "MOMENTUM, WEIGHT_DECAY = 0.9, 5e-3", SETTINGS),
    Mistake(HALVES_TRAINED, "(images - images.mean()) /", "images /", SETTINGS),
    # Models
    Mistake(CIFAR, 'std = 0.0001 if name == "conv1"', 'std = 0.001 if name == "conv1"', ("models/test_cifar.py",)),
    Mistake(CIFAR, "alpha=5e-5 / 9", "alpha=5e-5", ("models/test_cifar.py",)),
    Mistake(
        ALEXNET,
        '("conv2", "conv4", "conv5", "fc6", "fc7")',
        '("conv2", "conv4", "conv5", "fc6")',
        ("models/test_alexnet.py",),
    ),
    Mistake(LENET, "4 * xavier_uniform", "1 * xavier_uniform", ("models/test_lenet.py",)),
]
