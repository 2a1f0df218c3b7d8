"""Train any network of this library on any images.

Each model comes with the recipe that its authors published, or with one that works well here; every number in it
can be changed. Part of the training images can be held out (--held-out), to see during training how the
network does on images that it is not trained on. Written to the folder --out are

    metrics.csv              a line for each epoch
    curves.png               how the loss fell and the accuracy rose
    best.safetensors         the weights of the best epoch so far, with all that is needed to use them:
                             models.load(path), or python -m examples.classify --weights path PICTURE
    last.safetensors         the weights after the last epoch
    reliability.png          how often it is right, against how sure it is: see below
    held_out.txt             the files that are held out, of folders and zips
    checkpoint.safetensors   the state of the run, updated after every epoch and every --save-every seconds: --resume
                             continues from it with bit-identical results; checkpoint.previous.safetensors is the
                             one before it, which is used if it is damaged

Ctrl-C finishes the step and saves.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from examples.microscope.watch import Watch
from examples.shared.command_line import (
    Parser,
    carry_out,
    one_of,
    output_folder,
    plain_warnings,
    positive_number,
)
from examples.shared.options import (
    ABOUT_DATA,
    add_batch_size,
    add_device,
    add_epochs,
    add_image_size,
    add_lr,
    add_model,
    add_output,
    add_resume,
    add_seed,
    add_value,
    add_watch,
    add_width,
)
from examples.train import parallel, starting
from examples.train.network import check_crop, check_portions, make_network, reading_the_middle
from examples.train.results import CHECKPOINT, draw, report, write_calibration, write_progress
from examples.train.sets import ABOUT_SETS, HELD_OUT, LEAST_PORTION, add_sets, load_sets, tell_unread, told_to_resume
from examples.train.stopping import StopSignals
from models.classifier import Classifier
from models.recipes import AUGMENTATIONS, Recipe, make_preparation, make_prepare, recipe_for
from nn import SGD, Network
from nn.data import Dataset, Draw
from nn.data.preparation import Preparation
from nn.data.sources import DataLost
from nn.data.whole import WholeImages
from nn.parallel import Ranks
from nn.spelling import did_you_mean
from nn.training import History, train
from nn.training.checkpoint import load_checkpoint, save_checkpoint
from nn.training.data_parallel import DataParallel
from nn.training.schedules import Plateau, Schedule, constant, one_cycle, steps

EXAMPLES = f"""
examples:
  python -m examples.train --model lenet --data digits
      LeNet on the included digits, half a minute
  python -m examples.train --model lenet5_1998 --data mnist --epochs 60 --augment distort --held-out 10000
      LeNet-5 as in 1998, with distorted digits
  python -m examples.train --model alexnet_cifar10 --variant 80sec --data cifar10 --held-out 5000
      26% error, as AlexNet's author published it
  python -m examples.train --model alexnet_small --data my_pictures --image-size 64 --augment crop,mirror
      your own: a folder with one sub-folder for each class
  python -m examples.train --start-from photos_alexnet --freeze conv --data my_pictures
      fewer of your own: keep what the layers have learned from other photographs
  python -m examples.train --model alexnet_small --width 0.5 --data photos.zip --data cifar10 --image-size 128
          --classes cat,dog,ship --augment portion,mirror --least-portion 0.25 --per-class 2000 --held-out 600
      several data sets together, of which these classes; it reads portions of the photographs, 64x64

{ABOUT_DATA}

--start-from takes over the model, all layers but the last, and how images are prepared; the last layer is made
anew for the classes of --data. Layers that --freeze names do not learn, and no gradients are computed below the
lowest layer that does: the fewer layers learn, the faster it is.

--augment changes the training images at random, anew in every epoch: crop cuts out a window of seven eighths of the
side (the network reads windows of that size; alexnet, alexnet_caffe and alexnet_torchvision read 227 or 224 pixels
of larger images, such as --image-size 256); portion cuts out anything from a sixteenth of the area to all of it
(--least-portion), brought to half of --image-size, which the network reads; when it is asked, it reads all of an
image, or its --middle, where things are as large as it learned them; soften makes half of the images
coarser, so that sharp collections and small, enlarged images can be learned from together; mirror flips left and
right; colour adds the paper's colour noise; distort shifts, scales and shears as LeNet-5's authors did.

{ABOUT_SETS}

{parallel.ABOUT_PARALLEL}
"""

UNCOMMON = ("--resume", "--force", "--watch")  # a resumed run need not have them in common with the first
VARIANTS, INITS, FORMS = ("80sec", "18pct"), ("paper", "code-2012", "caffe"), ("paper", "pytorch")

SCHEDULES = {
    "constant": constant,
    "one-cycle": one_cycle,
    "steps": lambda lr: steps(lr, (0.5, 0.75, 0.9)),
    "plateau": Plateau,
}


@dataclass
class Run:
    """Everything that a training run consists of, put together from the command line."""

    network: Network
    train_set: Dataset
    test_set: Dataset | None
    recipe: Recipe
    preparation: Preparation
    optimizer: SGD
    schedule: Schedule
    command: str  # how it was started, as its checkpoints say
    draw: Draw | None = None  # an epoch's images
    started: dict = field(default_factory=dict)  # from what: `starting.account`
    history: History | None = None  # of the checkpoint that it goes on from
    watch: Watch | None = None
    parallel: DataParallel | None = None  # the processes that share it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 training failed or could not be saved; 2 bad input; 130 stopped by Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser()
    parallel.quiet_others()
    options = parser.parse_args(arguments)
    if options.model is None and options.start_from is None:
        parser.error("neither --model nor --start-from says which network to train, expected one of the two")
    name = options.model if options.start_from is None else f"from_{Path(options.start_from).stem}"
    options.out = options.out or Path("runs/train") / name
    options.data = options.data or ["digits"]
    command = shlex.join(argument for argument in parallel.lasting(arguments) if argument not in UNCOMMON)
    if parallel.is_to_be_launched(options):
        return parallel.launched(parser, options, arguments, command)
    try:
        ranks = parallel.join(options)
    except parallel.UNFIT as error:
        parser.error(str(error))
    resume = parallel.how_to_resume(ranks, options, command)
    ranks.remedy = f"{parallel.REMEDY}{resume}"

    def make() -> Run:
        with plain_warnings("train"):
            return make_run(options, command, ranks)

    def work(run: Run) -> int:
        stop = StopSignals(twice=1.0 if ranks.size > 1 else 0.0)
        tested = "none held out" if run.test_set is None else f"{len(run.test_set):,} held out"
        about = f"{run.network.num_parameters:,} parameters; {len(run.train_set):,} images, {tested}"
        print(f"{run.network.name}: {about}", flush=True)
        if run.started:
            print(starting.in_words(run.started), flush=True)
        with stop, told_to_resume(resume), run.watch or nullcontext():
            history = fit(run, options, stop)
        return report(run.test_set is not None, options.out, history, stop, resume)

    status = carry_out(
        parser,
        parallel.agreed(ranks, make),
        parallel.together(ranks, work),
        stopped=f"stopped by Ctrl-C; to continue from the last checkpoint, if there is one: {resume}",
        unwritten=f"the results could not be written to {options.out}: {{reason}}; once they can be, to "
        f"continue from the last checkpoint: {resume}",
        failures=(DataLost,),
    )
    return parallel.ended(ranks, status)


def make_run(options: argparse.Namespace, command: str, ranks: Ranks | None = None) -> Run:
    """All parts of the run; whatever is wrong with them is found out here, before anything is written."""
    if options.resume and options.force:
        raise ValueError("--resume continues a run and --force starts it again, expected one of the two")
    start, started = starting.read(options), {}
    recipe = parallel.scaled(make_recipe(options), options)
    ranks = Ranks() if ranks is None else ranks
    shared = parallel.data_parallel(options, ranks, recipe.batch_size)
    command += parallel.in_shards(shared)
    whole = "portion" in recipe.augment and options.image_size is not None
    sets = load_sets(options, whole and not (start and start.learned_light_ink), start)
    train_set, test_set = sets.train_set, sets.test_set
    if start is None:
        network = make_network(options, recipe, train_set)
        preparation = make_preparation(recipe, train_set, network.image_shape)
    else:
        begun = starting.begin(options, start, train_set.class_names)
        network, preparation = begun.network, begun.preparation
        train_set = starting.as_learned(begun, train_set)
        test_set = None if test_set is None else starting.as_learned(begun, test_set)
        recipe = replace(recipe, lr_multipliers=starting.rates(options, network, recipe.lr_multipliers))
        started = starting.account(options, network)
        command += f" (where the SHA-256 of --start-from is {started['sha256']})"
    preparation = reading_the_middle(preparation, options.middle)
    if test_set is not None and isinstance(test_set.images, WholeImages):  # decoded once and not in every epoch
        test_set = replace(test_set, images=preparation.resized(test_set.images))
    network.forward(preparation(train_set.images[:1]))  # images of a wrong size are found out here
    check_crop(options, recipe, preparation)
    network.to(options.device)
    multipliers = recipe.lr_multipliers, recipe.decay_multipliers
    optimizer = SGD(network, recipe.lr, recipe.momentum, recipe.weight_decay, options.form, *multipliers)
    schedule = recipe.schedule(recipe.lr)
    run = Run(network, train_set, test_set, recipe, preparation, optimizer, schedule, command, sets.draw, started)
    run.parallel = parallel.checked(shared, network)
    if not ranks.first:  # which finds all it needs in rank 0's hands, and writes nothing
        return run
    if options.resume:
        run.history = load_checkpoint(options.out / CHECKPOINT, network, optimizer, schedule, command, parallel.is_same)
    elif options.out.is_dir() and any(options.out.iterdir()) and not options.force:
        raise ValueError(f"--out: {options.out} is not empty; add --resume to continue or --force to start again")
    if options.watch:
        classifier = Classifier(network, preparation, train_set.class_names)
        run.watch = Watch({options.model: classifier}, (test_set or train_set).images[0])
    output_folder(options.out, (), options.force)
    if sets.held_out:
        (options.out / HELD_OUT).write_text("\n".join(sets.held_out) + "\n", encoding="utf-8")
    for left in options.out.glob(".*.safetensors.*.partial"):  # by a run that was killed while it wrote
        left.unlink(missing_ok=True)
    return run


def fit(run: Run, options: argparse.Namespace, stop: StopSignals) -> History:
    """Train, and write after every epoch, every few minutes within one, and when asked to stop."""
    # What somebody needs who wants to use the weights; of the data set, its name but not where it lay.
    about = {
        "class_names": list(run.train_set.class_names),
        "preparation": run.preparation.to_json(),
        "data": ", ".join(Path(name).stem for name in options.data),
    }
    if run.started:
        about["started"] = run.started
    dtype = np.float16 if options.float16 else None
    least = options.least_portion or LEAST_PORTION
    saved = time.monotonic()
    ranks = run.parallel.ranks if run.parallel else Ranks()

    def save(history: History) -> None:
        nonlocal saved
        save_checkpoint(options.out / CHECKPOINT, run.network, run.optimizer, history, run.schedule, run.command)
        saved = time.monotonic()

    def after_step(history: History) -> bool:
        is_asked = parallel.agree(ranks, stop)
        if run.watch:
            run.watch.after_step(options.model, run.optimizer, history)
        if parallel.saves(run.parallel, is_asked or time.monotonic() - saved > options.save_every):
            save(history)
        return is_asked

    def after_epoch(history: History) -> bool:
        is_asked = parallel.agree(ranks, stop)
        if ranks.first:
            tell_unread(run.train_set, run.test_set)
            write_progress(options.out, run.network, history, about, dtype)
            save(history)
            if len(history.epochs) < run.recipe.epochs:
                draw(options.out, run.network, history)
        return is_asked and len(history.epochs) < run.recipe.epochs

    history = train(
        run.network,
        run.train_set,
        run.test_set,
        epochs=run.recipe.epochs,
        optimizer=run.optimizer,
        batch_size=run.recipe.batch_size,
        schedule=run.schedule,
        loss=run.recipe.loss(),
        prepare=make_prepare(run.preparation, run.recipe.augment, run.train_set, least),
        draw=run.draw,
        seed=options.seed,
        history=run.history,
        after_step=after_step,
        after_epoch=after_epoch,
        parallel=run.parallel,
    )
    if run.watch:
        run.watch.after_training(options.model, run.optimizer, history)
    if len(history.epochs) == run.recipe.epochs and not history.failure:
        stop.asked = ""  # it came too late to stop anything
        if not ranks.first:
            return history
        run.network.save(options.out / "last.safetensors", about | {"epoch": len(history.epochs)}, dtype)
        draw(options.out, run.network, history)
        is_held_out = options.held_out or options.held_out_files
        if is_held_out and (said := write_calibration(options.out, run.test_set, dtype)):
            print(said, flush=True)
    return history


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m examples.train",
        description=__doc__,
        epilog=EXAMPLES,
    )
    of_recipe = "the recipe's"
    add_model(parser, here="needed without --start-from", told="that of --start-from")
    starting.add_start(parser)
    add_sets(parser)
    add_image_size(
        parser, None, told="the size they have, or the start's; objects, 64", here="they are brought to it first"
    )
    add_value(
        parser,
        "--variant",
        "which of the networks for CIFAR-10",
        here="of alexnet_cifar10 alone",
        told="18pct",
        type=one_of(VARIANTS),
        metavar="|".join(VARIANTS),
    )
    add_width(parser, None, here="of alexnet_small alone")
    add_value(
        parser,
        "--init",
        "which of the documented initial weights",
        here="of alexnet alone",
        told="paper",
        type=one_of(INITS),
        metavar="|".join(INITS),
    )
    add_epochs(parser, None, told=of_recipe)
    add_batch_size(parser, None, told=of_recipe)
    add_lr(parser, None, told=of_recipe)
    add_value(
        parser,
        "--schedule",
        "how the learning rate falls",
        told=of_recipe,
        type=one_of(SCHEDULES),
        metavar="|".join(SCHEDULES),
    )
    momentum = "the share of the last step that the next one keeps, below 1"
    add_value(parser, "--momentum", momentum, told=of_recipe, type=float, metavar="SHARE")
    decay = "how fast weights shrink: this share of them is added to the gradient"
    add_value(parser, "--weight-decay", decay, told=of_recipe, type=float, metavar="SHARE")
    form = "the form of SGD, see nn.SGD"
    add_value(parser, "--form", form, default="paper", type=one_of(FORMS), metavar="|".join(FORMS))
    augment = f"random changes, such as crop,mirror: any of {', '.join(AUGMENTATIONS)}, or none"
    add_value(parser, "--augment", augment, here="see below", told=of_recipe, metavar="KINDS")
    every = "how often to save within an epoch"
    add_value(parser, "--save-every", every, default=300, type=positive_number(1e6), metavar="SECONDS")
    parser.add_argument("--float16", action="store_true", help="save the weights with three digits, in half the space")
    add_seed(parser, "for weights, order, dropout and random changes")
    add_device(parser)
    within = "here those inside as well, where hours of training may lie"
    add_watch(parser)
    add_output(parser, None, told="runs/train/MODEL, or runs/train/from_WEIGHTS", forced=within)
    add_resume(parser)
    parallel.add_parallel(parser)
    return parser


def make_recipe(options: argparse.Namespace) -> Recipe:
    """The model's recipe with what the command line changes."""
    for name, model in (("variant", "alexnet_cifar10"), ("init", "alexnet"), ("width", "alexnet_small")):
        if getattr(options, name) is not None and options.model != model:
            raise ValueError(f"--{name} is an option of {model}, not of {options.model}")
    recipe = recipe_for(options.model, (options.variant or "18pct") if options.model == "alexnet_cifar10" else "")
    changes = {
        name: getattr(options, name)
        for name in ("epochs", "batch_size", "lr", "momentum", "weight_decay")
        if getattr(options, name) is not None
    }
    if options.schedule is not None:
        changes["schedule"] = SCHEDULES[options.schedule]
    if options.augment is not None:
        kinds = tuple(kind for kind in options.augment.split(",") if kind != "none")
        for kind in kinds:
            if kind not in AUGMENTATIONS:
                known = ", ".join(AUGMENTATIONS)
                raise ValueError(f"--augment: {kind!r} is none of {known}{did_you_mean(kind, AUGMENTATIONS)}")
        if "crop" in kinds and options.model.startswith("lenet"):
            raise ValueError(f"--augment: {options.model} reads whole images, so crop does not apply")
        if "portion" in kinds and ("crop" in kinds or options.model not in ("lenet", "alexnet_small")):
            raise ValueError("--augment: portion goes with lenet and alexnet_small, and without crop")
        changes["augment"] = kinds
    check_portions(options, changes.get("augment", recipe.augment))
    return replace(recipe, **changes)
