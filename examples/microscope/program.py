"""A network under the microscope: every layer's answer to an image, in the browser, down to each product.

    python -m examples.microscope

writes one page that needs nothing else, no internet and no installation, and can be given to students as a file: draw a
digit and see every layer of LeNet answer, break any number down into the products that it is the sum of, forward and
backward, switch off maps and layers, rotate or shift the image or add noise to it. And see it learn:
the page trains LeNet anew, on 2,000 digits.

Other networks read other images: for those that see photographs, a frame on the image selects the part they get.
"""

from __future__ import annotations

import argparse
import threading
import webbrowser
from collections.abc import Sequence
from http.server import ThreadingHTTPServer

import numpy as np

from examples.classify import remark
from examples.microscope.data import describe, in_base64, training_data
from examples.microscope.page import page
from examples.microscope.server import make_server
from examples.shared.command_line import Parser, carry_out, output_folder, plain_warnings, whole_number
from examples.shared.named_classifiers import class_number, named_classifiers
from examples.shared.options import add_label, add_model, add_output, add_picture, add_seed, add_value, add_weights
from examples.shared.picture_files import bring_to
from examples.step_through.subject import random_classifier, the_picture
from models import Classifier

EXAMPLES = """
examples:
  python -m examples.microscope
      LeNet and digits
  python -m examples.microscope --weights objects_alexnet
      a small AlexNet and rendered cats, dogs, cars and callipers
  python -m examples.microscope --weights objects_lenet --weights objects_alexnet --picture my_cat.jpg
      LeNet and AlexNet, one above the other
  python -m examples.microscope --model alexnet --serve
      AlexNet at full size, with random weights: too large for a page, so that this program computes what it shows
"""

# In plain words, the kinds of network and what the shipped ones have learned.
KINDS = {
    "lenet": "LeNet",
    "lenet5_1998": "LeNet-5 of 1998",
    "alexnet": "AlexNet",
    "alexnet_small": "A small AlexNet",
    "alexnet_cifar10": "AlexNet for CIFAR-10",
    "alexnet_caffe": "AlexNet as in Caffe",
    "alexnet_torchvision": "AlexNet as in torchvision",
}
LEARNED = {
    "digits_lenet": "handwritten digits",
    "objects_lenet": "rendered cats, dogs, cars and callipers",
    "objects_alexnet": "rendered cats, dogs, cars and callipers",
    "cifar10_alexnet": "the photographs of CIFAR-10",
    "photos_alexnet": "photographs",
}
MOST_BYTES = 15_000_000  # of a page that is written
RENDERED = 256  # pixels of a side of a rendered image
PICTURE_SIDE = 384  # pixels of the longer side of the image that the frame lies on
BYTES_A_PARAMETER = 8 / 3  # two bytes of a float16, in base64
LAST_PORT = 65535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 the page could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple:
        if not options.serve and (options.port is not None or not options.browse):
            raise ValueError("--port and --no-browser are for a page that is served, expected --serve as well")
        if options.port is not None and options.port > LAST_PORT:
            raise ValueError(f"--port: expected at most {LAST_PORT}, got {options.port}")
        classifiers = find_classifiers(options.weights, options.model, options.seed)
        with plain_warnings("microscope"):
            text = make_page(classifiers, options)
        if options.serve:
            return classifiers, text, start_server(text, classifiers, options.port)
        check_size(len(text))
        name = "_and_".join(classifiers).replace("/", "_")[:100] + ".html"
        output_folder(options.out, [name], options.force)
        return classifiers, text, options.out / name

    def work(made: tuple) -> None:
        classifiers, text, target = made
        if options.picture is not None:
            for sentence in dict.fromkeys(filter(None, map(remark, classifiers.values()))):
                print(sentence)
        if options.serve:
            with target:  # closes it
                serve(target, options.browse)
        else:
            target.write_text(text, encoding="utf-8")
            print(f"The page is {target}, {len(text) / 1e6:.1f} MB; open it in a browser.")

    return carry_out(parser, make, work, unwritten="the page could not be written: {reason}")


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.microscope", description=__doc__, epilog=EXAMPLES)
    add_weights(parser, None, told="digits_lenet", several=True)
    add_model(parser, here="with random weights, instead of --weights", told="none")
    add_seed(parser, "for random weights, and for which image is taken without --picture")
    add_picture(parser)
    add_label(parser, "the true one where it is known, else the most likely one", here="the loss asks for it")
    parser.add_argument(
        "--serve", action="store_true", help="serve the page to this machine's browser instead of writing it"
    )
    port = "the port to serve on, with --serve"
    add_value(parser, "--port", port, told="any free one", type=whole_number(1), metavar="N")
    parser.add_argument("--no-browser", dest="browse", action="store_false", help="with --serve: open no browser")
    add_output(parser, "runs/microscope")
    return parser


def find_classifiers(weights: Sequence[str] | None, model: str | None, seed: int) -> dict[str, Classifier]:
    """By their names. ValueError where they cannot be looked at together, or a file cannot be used."""
    if model is not None:
        if weights:
            raise ValueError("--model makes random weights and --weights names some, expected one of the two")
        return {model: random_classifier(model, seed)}
    return named_classifiers(weights or ["digits_lenet"])


def start_server(text: str, classifiers: dict[str, Classifier], port: int | None) -> ThreadingHTTPServer:
    try:
        return make_server(text, list(classifiers.values()), port or 0)
    except OSError as error:
        raise ValueError(f"--port: {port} cannot be served on: {error.strerror or error}") from None


def make_page(classifiers: dict[str, Classifier], options: argparse.Namespace) -> str:
    first = next(iter(classifiers.values()))
    picture, known = the_picture(first, options.picture, options.seed, RENDERED)
    target = known if options.label is None else class_number(options.label, first.class_names)
    # Only what is too large for a page is computed by the server: what the page computes answers at once.
    smallest = sum(classifier.network.num_parameters for classifier in classifiers.values()) * BYTES_A_PARAMETER
    within = smallest <= MOST_BYTES
    if not options.serve:
        check_size(smallest)
    data = {
        "networks": [
            describe(classifier, picture, name, in_words(name, classifier, options.model is not None), within)
            for name, classifier in classifiers.items()
        ],
        "source": source(picture),
        "target": target,
        "training": training_data(first) if len(classifiers) == 1 and learns_here(first) else None,
    }
    return page(data, served=options.serve)


def learns_here(classifier: Classifier) -> bool:
    """Whether the page can train such a network, and has digits for it."""
    return classifier.network.name == "lenet" and classifier.learned_digits and classifier.preparation.size == (28, 28)


def check_size(size: float) -> None:
    if size > MOST_BYTES:
        raise ValueError(
            f"the page would have at least {size / 1e6:,.0f} million bytes, expected at most {MOST_BYTES / 1e6:.0f} "
            "million; add --serve, which keeps the weights here"
        )


def in_words(name: str, classifier: Classifier, random: bool) -> str:
    network = classifier.network
    kind = KINDS.get(network.name, network.name)
    if random:
        learned = "with random weights"
    elif name in LEARNED:
        learned = f"trained on {LEARNED[name]}"
    else:
        learned = f"{name}, for {len(classifier.class_names)} classes"
    return f"{kind}, {learned}, {network.num_parameters:,} parameters"


def source(picture: np.ndarray) -> dict:
    """The image for the frame: as it is, or smaller."""
    picture = bring_to(picture, PICTURE_SIDE)
    return {"shape": list(picture.shape), "levels": in_base64(picture.tobytes())}


def serve(server: ThreadingHTTPServer, browse: bool) -> None:
    """Until Ctrl-C."""
    address = "http://{}:{}/".format(*server.server_address)
    # Alone on its line: what is clicked or copied reaches to its end.
    print(f"The microscope is served until Ctrl-C ends it, at\n{address}", flush=True)
    if browse:  # beside the server, because some browsers return only when they are closed
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    server.serve_forever()
