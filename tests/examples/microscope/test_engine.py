"""The microscope's JavaScript computes what the library does: run in Node, compared number by number with Python."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import models
from examples.explain.terms import KINDS, backward_terms, forward_terms
from examples.microscope.data import describe
from layers import (
    ELU,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    ScaledTanh,
    Sigmoid,
    Subsampling2d,
    Tanh,
)
from models.classifier import Classifier, load_classifier
from nn import Network, inspect
from nn.data.preparation import Preparation
from tests.checks import randomise

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="There is no Node.js on this machine to run the JavaScript with.")
MODULES = Path(__file__).parents[3] / "examples" / "microscope" / "static"
PLACES = 12  # of each layer, and in the browser fifty of each kind: test_microscope_page.py
TOLERANCE = 1e-11  # of the largest number of its kind
READ_TASK = """
import {readFileSync, writeFileSync} from "node:fs";
const task = JSON.parse(readFileSync("TASK", "utf8"));
"""
HEADER = """
import {Network, decodeBytes, softmax} from "MODULES/engine.js";
import {explainBackward, explainForward, receptiveField} from "MODULES/explain.js";
const network = new Network(task.description);
const input = network.prepare(decodeBytes(task.description.picture.levels));
"""
COMPARISON = """
const changes = task.changes;
const states = network.forward(input, changes);
const gradients = network.backward(states, task.dlogits);
const explained = network.layers.map((layer, index) => ({
    forward: task.places[index].forward.map((at) => explainForward(network, states, input, index, at)),
    backward: task.places[index].backward.map((at) =>
        explainBackward(network, states, gradients, input, index, at)),
    fields: task.places[index].forward.map((at) => receptiveField(network, index, at)),
}));
writeFileSync("ANSWER", JSON.stringify({
    input: [...input],
    outputs: states.map((state) => [...state.output]),
    gradients: gradients.outputs.map((gradient) => [...gradient]),
    inputGradient: [...gradients.input],
    probabilities: [...softmax(states[states.length - 1].output)],
    explained,
}));
"""


MASK = [int(kept) for kept in np.random.default_rng(6).random(30) < 0.6]  # of padded()'s dropout


def small(*kinds, shape):
    """A classifier for pictures of this shape whose network has these layers, and a fully connected one after them."""
    features = Network([(str(index), layer) for index, layer in enumerate(kinds)]).output_shape(shape)[0]
    kinds = [*kinds, Linear(features, 4, rng=0)]
    network = Network([(f"layer{index}", layer) for index, layer in enumerate(kinds)], image_shape=shape)
    return classifier_of(network)


def classifier_of(network, **preparation):
    height, width, channels = network.image_shape
    values = {"size": (height, width), "channels": channels, "window": (height, width)}
    values |= {"mean": np.full(channels, 0.4, np.float32), "deviation": np.full(channels, 0.25, np.float32)}
    randomise(network, np.random.default_rng(1))
    for layer in network.layers.values():
        if getattr(layer, "connected", None) is not None:
            layer.params["weight"] *= layer.connected
    classes = network.output_shape(network.image_shape)[0]
    return Classifier(network, Preparation(**(values | preparation)), tuple(map(str, range(classes))))


def padded():
    return small(
        *(Conv2d(3, 8, (3, 2), stride=(2, 1), padding=(1, 2), groups=1, rng=0), Tanh()),
        *(LocalResponseNorm(3, alpha=0.7), MaxPool2d(3, stride=2, padding=1, ceil_mode=True)),
        *(Conv2d(8, 6, 3, padding=1, groups=2, rng=0), ReLU()),
        *(LocalResponseNorm(3, alpha=0.7, beta=0.6, region="within"), AvgPool2d(3, 2, padding=1, ceil_mode=True)),
        *(Conv2d(6, 5, 1, stride=2, rng=0), Sigmoid(), Dropout(0.4), Flatten()),
        shape=(13, 12, 3),
    )


def with_gaps():
    return small(
        *(ReLU(), MaxPool2d(2, stride=3), Conv2d(2, 5, 2, stride=3, padding=1, rng=0), ScaledTanh()),
        *(Subsampling2d(5, (1, 2), rng=0), AvgPool2d(2, stride=2, ceil_mode=True), Flatten()),
        shape=(11, 14, 2),
    )


def today():
    """Batch normalisation by running averages, ELU and a depthwise convolution, none of which has a bias."""
    classifier = small(
        *(Conv2d(3, 6, 3, stride=2, bias=False, rng=0), BatchNorm2d(6, epsilon=0.01), ELU(0.6)),
        *(Conv2d(6, 12, 3, padding=1, groups=6, bias=False, rng=0), BatchNorm2d(12), ELU(), Flatten()),
        shape=(11, 10, 3),
    )
    rng = np.random.default_rng(7)
    for layer in classifier.network.layers.values():
        if isinstance(layer, BatchNorm2d):
            layer.state["running_mean"][...] = rng.normal(0, 0.3, layer.channels)
            layer.state["running_variance"][...] = rng.uniform(0.5, 2, layer.channels)
    return classifier


def lenet5():
    preparation = {"size": (27, 28), "window": (32, 32), "levels": "lenet5"}
    return classifier_of(models.lenet5_1998(rng=0), **preparation)


def cifar():
    mean = np.random.default_rng(0).uniform(0.3, 0.6, (35, 34, 3)).astype(np.float32)
    preparation = {"size": (35, 34), "levels": "minus mean picture", "mean": mean, "deviation": np.float32(1 / 255)}
    return classifier_of(models.alexnet_cifar10(rng=0), **preparation)


CLASSIFIERS = {
    "digits_lenet": lambda: load_classifier("digits_lenet"),
    "objects_alexnet": lambda: load_classifier("objects_alexnet"),
    "lenet5_1998": lenet5,
    "alexnet_cifar10": cifar,
    "padded": padded,
    "with gaps": with_gaps,
    "today": today,
}


def picture_for(classifier, seed=0):
    height, width = classifier.preparation.size
    shape = (height, width, classifier.preparation.channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def in_node(folder, script, header=HEADER, **task):
    """What the script writes to ANSWER, of the task that it finds in TASK."""
    modules = folder / "modules"
    shutil.copytree(MODULES, modules)
    (modules / "package.json").write_text('{"type": "module"}')  # else Node would take .js for its older kind
    (folder / "task.json").write_text(json.dumps(task))
    text = (READ_TASK + header + script).replace("MODULES", modules.as_uri())
    text = text.replace("TASK", str(folder / "task.json")).replace("ANSWER", str(folder / "answer.json"))
    (folder / "script.mjs").write_text(text)
    done = subprocess.run([NODE, folder / "script.mjs"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "answer.json").read_text())


def some_places(shape, rng):
    return [[int(rng.integers(length)) for length in shape] for _ in range(PLACES)]


def assert_close(found, wanted, what):
    found, wanted = np.asarray(found, float).reshape(-1), np.asarray(wanted, float).reshape(-1)
    assert found.shape == wanted.shape, what
    assert np.abs(found - wanted).max() <= TOLERANCE * max(np.abs(wanted).max(), 1e-300), what


class Switched:
    """A layer with some of its outputs set to 0, as the microscope does it."""

    def __init__(self, layer, change):
        self.layer, self.change = layer, change

    def forward(self, x):
        if self.change.get("off"):
            shape = (1, *self.layer.output_shape(x.shape[1:]))
            return x.copy() if shape == x.shape else np.zeros(shape, x.dtype)
        y = self.layer.forward(x).copy()
        if self.change.get("mask") is not None:
            y *= np.array(self.change["mask"]).reshape(y.shape) / (1 - self.layer.p)
        y[..., self.change.get("channelsOff", [])] = 0
        y.reshape(-1)[self.change.get("unitsOff", [])] = 0
        return y


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What Node and Python say of each network, each asked once."""
    asked = {}

    def ask(name):
        if name not in asked:
            classifier, rng = CLASSIFIERS[name](), np.random.default_rng(2)
            picture = picture_for(classifier)
            description = describe(classifier, picture)
            dlogits = rng.normal(size=len(classifier.class_names))
            places = [
                {way: some_places(layer[f"{part}_shape"], rng) for way, part in (("forward", "output"), *BACKWARD)}
                for layer in description["layers"]
            ]
            task = {"description": description, "places": places, "dlogits": dlogits.tolist(), "changes": {}}
            answer = in_node(tmp_path_factory.mktemp("node"), COMPARISON, **task)
            asked[name] = classifier, picture, dlogits, places, answer
        return asked[name]

    return ask


BACKWARD = (("backward", "input"),)
networks = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("objects_alexnet", "alexnet_cifar10") else name
        for name in CLASSIFIERS
    ],
)


@needs_node
@networks
def test_the_input_is_the_library_s_to_the_last_bit(name, answers):
    classifier, picture, _, _, answer = answers(name)
    wanted = classifier.preparation(picture[None])
    np.testing.assert_array_equal(np.float32(answer["input"]).reshape(wanted.shape), wanted)


@needs_node
@networks
def test_activations_and_gradients(name, answers):
    classifier, picture, dlogits, _, answer = answers(name)
    x = classifier.preparation(picture[None]).astype(np.float64)
    network = classifier.network.astype(np.float64)
    for found, (layer, wanted) in zip(answer["outputs"], inspect.activations(network, x).items(), strict=True):
        assert_close(found, wanted, (layer, "output"))
    gradients = inspect.gradients(network, x, dlogits[None])
    assert_close(answer["inputGradient"], gradients.pop("input"), "input")
    for found, (layer, wanted) in zip(answer["gradients"], gradients.items(), strict=True):
        assert_close(found, wanted, (layer, "gradient"))
    logits = inspect.activations(network, x)[list(network.layers)[-1]]
    powers = np.exp(logits - logits.max())
    assert_close(answer["probabilities"], powers / powers.sum(), "probabilities")


@needs_node
@networks
def test_explanations_have_python_s_terms_and_the_network_s_numbers(name, answers):
    classifier, picture, dlogits, places, answer = answers(name)
    x = classifier.preparation(picture[None]).astype(np.float64)
    network = classifier.network.astype(np.float64)
    outputs, gradients = inspect.activations(network, x), inspect.gradients(network, x, dlogits[None])
    x, dx = x[0], gradients["input"][0]
    for index, (layer_name, layer) in enumerate(network.layers.items()):
        y, dy = outputs[layer_name][0], gradients[layer_name][0]
        explained = answer["explained"][index]
        for at, found in zip(places[index]["forward"], explained["forward"], strict=True):
            _compare(found, forward_terms(layer, x, at), y[tuple(at)], x, (layer_name, at, "forward"))
        for at, found in zip(places[index]["backward"], explained["backward"], strict=True):
            _compare(found, backward_terms(layer, x, dy, at), dx[tuple(at)], dy, (layer_name, at, "backward"))
        x = y
        dx = dy


def _compare(found, wanted, number, source, what):
    """An explanation of the page's against Python's, and the network's number."""
    products = [term["product"] for term in found["terms"]]
    if found["bias"] is not None:
        products.insert(0, found["bias"])
    np.testing.assert_allclose(products, [term.value for term in wanted.terms], rtol=1e-9, atol=1e-13 * wanted.scale)
    allowed = TOLERANCE * max(wanted.scale, abs(number), 1e-300)
    assert abs(found["result"] - number) <= allowed, what
    assert abs(found["total"] - wanted.total) <= allowed, what
    for term in found["terms"]:
        assert term["value"] == pytest.approx(source[tuple(term["place"])], rel=1e-9, abs=1e-9 * abs(source).max()), (
            what
        )
        assert term["from"] == np.ravel_multi_index(term["place"], source.shape), what


@needs_node
def test_every_kind_of_layer_is_compared():
    kinds = {type(layer) for make in CLASSIFIERS.values() for layer in make().network.layers.values()}
    assert kinds == set(KINDS)


@needs_node
@pytest.mark.parametrize("name", ["padded", "with gaps", "today", "lenet5_1998"])
def test_receptive_fields_hold_every_pixel_that_matters(name, answers):
    """What matters is where the gradient of an output is not 0, for one picture or another."""
    classifier, _, _, places, answer = answers(name)
    network = classifier.network.astype(np.float64)
    rng = np.random.default_rng(5)
    for index, explained in enumerate(answer["explained"]):
        layers = list(network.layers.items())[: index + 1]
        part = Network(layers, image_shape=network.image_shape)
        for at, field in list(zip(places[index]["forward"], explained["fields"], strict=True))[:10]:
            reached = np.zeros(network.image_shape[:2], bool)
            for _ in range(4):  # several pictures: who wins a window, and where a ReLU is 0, depends on the picture
                x = rng.normal(size=(1, *network.image_shape))
                dy = np.zeros((1, *network.shapes(network.image_shape)[index]))
                dy[(0, *at)] = 1
                reached |= (inspect.gradients(part, x, dy)["input"][0] != 0).any(axis=-1)
            inside = np.zeros_like(reached)
            top, left = field["top"], field["left"]
            inside[top : top + field["height"], left : left + field["width"]] = True
            assert not (reached & ~inside).any(), (layers[-1][0], at, field)


@pytest.mark.slow
@needs_node
@pytest.mark.parametrize(
    "name, changes",
    [
        ("digits_lenet", {"conv1": {"channelsOff": [0, 3]}, "sigmoid3": {"unitsOff": [1, 7, 119]}}),
        ("digits_lenet", {"sigmoid1": {"off": True}, "conv2": {"unitsOff": [5, 900]}}),
        ("digits_lenet", {"fc4": {"off": True}}),
        ("alexnet_cifar10", {"norm1": {"off": True}, "pool2": {"channelsOff": [2], "unitsOff": [17]}}),
        ("padded", {"layer10": {"mask": MASK}}),
        ("padded", {"layer10": {"mask": MASK, "channelsOff": [1]}}),
        ("objects_alexnet", {"conv2": {"channelsOff": [0, 5]}, "relu1": {"off": True}, "pool5": {"channelsOff": [1]}}),
    ],
)
def test_silencing_sets_the_same_outputs_to_0(name, changes, tmp_path):
    classifier = CLASSIFIERS[name]()
    picture, network = picture_for(classifier), classifier.network
    task = {"description": describe(classifier, picture), "changes": changes}
    task["dlogits"] = [1.0] * len(classifier.class_names)
    shapes = network.shapes(network.image_shape)
    inputs = [network.image_shape, *shapes]
    rng = np.random.default_rng(3)
    task["places"] = [
        {"forward": some_places(output, rng), "backward": some_places(before, rng)}
        for before, output in zip(inputs, shapes)
    ]
    answer = in_node(tmp_path, COMPARISON, **task)
    x = classifier.preparation(picture[None]).astype(np.float64)
    network = network.astype(np.float64)
    every = zip(network.layers.items(), answer["outputs"], answer["explained"], task["places"], strict=True)
    dx = answer["inputGradient"]
    for index, ((layer_name, layer), found, explained, places) in enumerate(every):
        before = x.shape[1:]
        x = Switched(layer, changes.get(layer_name, {})).forward(x)
        assert_close(found, x, layer_name)
        largest = max(1, np.abs(x).max())
        for at, explanation in zip(places["forward"], explained["forward"], strict=True):
            assert abs(explanation["result"] - x[(0, *at)]) <= 1e-10 * largest, (layer_name, at)
        gradient = np.reshape(dx, before)
        for at, explanation in zip(places["backward"], explained["backward"], strict=True):
            assert abs(explanation["result"] - gradient[tuple(at)]) <= 1e-10 * max(1, np.abs(gradient).max())
        dx = answer["gradients"][index]


@needs_node
def test_gradients_of_a_silenced_network_are_its_slopes(tmp_path):
    """Nothing comes back through what is silenced, everything through what passes on: as differences of outputs say."""
    classifier = padded()
    task = {"description": describe(classifier, picture_for(classifier))}
    task["changes"] = {"layer1": {"channelsOff": [1]}, "layer6": {"off": True}, "layer9": {"unitsOff": [0, 4]}}
    task["changes"]["layer10"] = {"mask": MASK}
    script = """
    const dlogits = [1, -2, 0.5, 3];
    const answer = (x) => network.forward(x, task.changes).at(-1).output.reduce((sum, y, o) => sum + y * dlogits[o], 0);
    const gradient = network.backward(network.forward(input, task.changes), dlogits).input;
    const slopes = [...input].map((value, index) => {
        const [more, less] = [Float64Array.from(input), Float64Array.from(input)];
        more[index] += 1e-6;
        less[index] -= 1e-6;
        return (answer(more) - answer(less)) / 2e-6;
    });
    writeFileSync("ANSWER", JSON.stringify({gradient: [...gradient], slopes}));
    """
    answer = in_node(tmp_path, script, **task)
    gradient, slopes = np.array(answer["gradient"]), np.array(answer["slopes"])
    assert np.abs(gradient).max() > 0
    np.testing.assert_allclose(gradient, slopes, rtol=0, atol=1e-6 * np.abs(slopes).max())


@needs_node
def test_wrong_questions_are_answered_with_a_sentence(tmp_path):
    classifier = load_classifier("digits_lenet")
    script = """
    const ways = [
        () => network.forward([1, 2]),
        () => network.forward(input, {conv9: {off: true}}),
        () => network.prepare([1, 2]),
        () => explainForward(network, network.forward(input), input, 0, [28, 0, 0]),
        () => receptiveField(network, 0, [0]),
        () => new Network({...task.description, layers: [{...task.description.layers[0], kind: "Conv3d"}]}),
    ];
    const said = ways.map((way) => {
        try {
            way();
        } catch (error) {
            return error.message;
        }
        return "nothing";
    });
    writeFileSync("ANSWER", JSON.stringify(said));
    """
    said = in_node(tmp_path, script, description=describe(classifier, picture_for(classifier)))
    words = ["784 numbers", "conv9", "784 levels", "no place [28, 0, 0]", "no place [0]", "Conv3d"]
    for sentence, word in zip(said, words, strict=True):
        assert word in sentence
