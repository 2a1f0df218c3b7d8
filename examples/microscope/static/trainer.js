/**
 * A network that learns digits, by stochastic gradient descent with momentum.
 *
 *     const trainer = new Trainer(description, digits, {rate: 0.02, momentum: 0.9, batch: 16, spread: 1, seed: 1});
 *     const {loss, correct} = trainer.step();
 *
 * Images are computed in double precision; the parameters and their velocities are float32, as in nn/sgd.py.
 */

import {Network, crossEntropy, softmax} from "./engine.js";
import {PARAMETER_GRADIENTS} from "./gradients.js";
import {PASSES} from "./layers.js";
import {uniformNumbers} from "./random.js";
import {sizeOf} from "./windows.js";

/** By which Xavier's weights are multiplied at the start, by the kind of activation: see models/lenet.py. */
const FIRST_GAINS = {Sigmoid: 4, Tanh: 1, ReLU: Math.SQRT2};
/** The steepest slope of the activations that saturate. */
const STEEPEST = {Sigmoid: 1 / 4, Tanh: 1};
const FLAT = 0.02; // of the steepest slope: what is below lets next to no gradient through
const EXCEPTIONS = 0.02; // of the digits: a unit is saturated if it is flat for all others
const EXAMINED = 100; // digits by which units are examined
const [DEAD, SATURATED] = [1, 2];

/**
 * @typedef {object} Digits
 * @property {number} count of those to learn from, which come first
 * @property {number} held of the others
 * @property {Uint8Array} levels of all, one after the other
 * @property {Uint8Array} labels
 */

export class Trainer {
    /**
     * @param {object} description of the network, see engine.js
     * @param {Digits} digits
     * @param {{rate: number, momentum: number, batch: number, spread: number, seed: number}} settings rate, momentum
     *     and batch may be changed between steps
     * @param {Float32Array|null} params to start with; null: random ones
     */
    constructor(description, digits, settings, params = null) {
        this.params = params ?? firstParams(description, settings);
        this.network = new Network(description, this.params); // its layers' arrays are parts of this.params
        this.digits = digits;
        this.settings = settings;
        const count = this.params.length;
        this.velocities = new Float32Array(count);
        this.gradients = new Float64Array(count);
        this.previous = new Float32Array(count);
        this.layerGradients = this.network.layers.map(({kind, params: arrays}) => {
            if (Object.keys(arrays).length > 0 && !(kind in PARAMETER_GRADIENTS)) {
                throw new TypeError(`a ${kind} cannot learn here, expected ${Object.keys(PARAMETER_GRADIENTS)}`);
            }
            return Object.fromEntries(Object.entries(arrays).map(([name, {byteOffset, length}]) => {
                const offset = (byteOffset - this.params.byteOffset) / this.params.BYTES_PER_ELEMENT;
                return [name, this.gradients.subarray(offset, offset + length)];
            }));
        });
        Object.assign(this, {steps: 0, epoch: 0, seen: 0, order: [], batch: [], answers: []});
        this.inputs = []; // of the digits, prepared when they are first needed
    }

    /** The network's input for a digit. */
    inputOf(index) {
        const size = sizeOf([...this.network.preparation.size, this.network.preparation.channels]);
        return this.inputs[index] ??= Float64Array.from(
            this.network.prepare(this.digits.levels.subarray(index * size, (index + 1) * size)));
    }

    /** The next digits: in an order that is drawn anew for each epoch. The last batch of an epoch may be smaller. */
    nextBatch() {
        if (this.order.length === 0) {
            this.epoch++;
            this.order = shuffled(this.digits.count, numbersOf(this.settings.seed, this.epoch));
        }
        return this.order.splice(0, this.settings.batch);
    }

    /** One step: forward, loss, backward, update. indices: the digits of its batch. */
    step(indices = this.nextBatch()) {
        this.gradients.fill(0);
        let [loss, correct] = [0, 0];
        this.answers = [];
        for (const index of indices) {
            const label = this.digits.labels[index];
            const states = this.network.forward(this.inputOf(index));
            const probabilities = softmax(states[states.length - 1].output);
            loss += crossEntropy(states[states.length - 1].output, label) / indices.length;
            this.answers.push(probabilities.indexOf(Math.max(...probabilities)));
            correct += probabilities.every((probability) => probability <= probabilities[label]) ? 1 : 0;
            this.backward(states, probabilities.map((probability, unit) =>
                (probability - (unit === label ? 1 : 0)) / indices.length));
        }
        this.update();
        this.steps++;
        this.seen += indices.length;
        this.batch = indices;
        return {step: this.steps, epoch: this.epoch, loss, correct, count: indices.length};
    }

    /** Adds the gradients of one digit. The one with respect to the input image is not needed. */
    backward(states, dlogits) {
        const {layers} = this.network;
        let gradient = dlogits;
        for (let index = layers.length - 1; index >= 0; index--) {
            const layer = layers[index];
            PARAMETER_GRADIENTS[layer.kind]?.(layer, states[index], gradient, this.layerGradients[index]);
            if (index > 0) {
                gradient = PASSES[layer.kind].backward(layer, states[index], gradient);
            }
        }
    }

    /** v <- momentum v - rate g;  w <- w + v. */
    update() {
        const {params, velocities, gradients, settings: {rate, momentum}} = this;
        this.previous.set(params);
        for (let index = 0; index < params.length; index++) {
            velocities[index] = momentum * velocities[index] - rate * gradients[index];
            params[index] += velocities[index];
        }
    }

    /**
     * What the network makes of the digits that it does not learn from, and which units they find dead or saturated.
     * @returns {{loss: number, accuracy: number, units: Object<string, Uint8Array>}} units: by the activations' names,
     *     0 for one that works, 1 for a dead one, whose output is 0 for each digit, 2 for a saturated one
     */
    examine() {
        const {count, held, labels} = this.digits;
        const counters = this.network.layers.map(({kind, outputShape}) =>
            (kind in FIRST_GAINS ? new Uint16Array(sizeOf(outputShape)) : null));
        let [loss, correct] = [0, 0];
        for (let index = count; index < count + held; index++) {
            const states = this.network.forward(this.inputOf(index));
            const probabilities = softmax(states[states.length - 1].output);
            const label = labels[index];
            loss += crossEntropy(states[states.length - 1].output, label) / held;
            correct += probabilities.every((probability) => probability <= probabilities[label]) ? 1 : 0;
            if (index < count + EXAMINED) {
                countUseless(this.network.layers, states, counters);
            }
        }
        const units = {};
        const examined = Math.min(EXAMINED, held);
        this.network.layers.forEach(({name, kind}, layer) => {
            if (counters[layer] !== null) {
                const [kindOfUseless, fewest] = kind === "ReLU" ? [DEAD, examined]
                    : [SATURATED, (1 - EXCEPTIONS) * examined];
                units[name] = Uint8Array.from(counters[layer], (useless) => (useless >= fewest ? kindOfUseless : 0));
            }
        });
        return {loss, accuracy: correct / held, units};
    }
}

/** Counts for each unit of the activations whether this image finds it useless: silent, or flat. */
function countUseless(layers, states, counters) {
    layers.forEach(({kind}, layer) => {
        const {output} = states[layer];
        for (let unit = 0; counters[layer] !== null && unit < output.length; unit++) {
            const y = output[unit];
            const slope = kind === "ReLU" ? y : (kind === "Sigmoid" ? y * (1 - y) : 1 - y * y) / STEEPEST[kind];
            counters[layer][unit] += slope <= (kind === "ReLU" ? 0 : FLAT) ? 1 : 0;
        }
    });
}

/** Xavier's rule (Glorot and Bengio 2010) times a gain, times the spread; biases of 0. */
function firstParams({layers}, {spread, seed}) {
    const uniform = numbersOf(seed, 0);
    const kind = layers.map((layer) => layer.kind).find((each) => each in FIRST_GAINS);
    const sizes = layers.flatMap(({weights}) => Object.values(weights).map(({shape}) => sizeOf(shape)));
    const params = new Float32Array(sizes.reduce((total, size) => total + size, 0));
    for (const {weights} of layers) {
        if (weights.weight !== undefined) {
            const {shape, offset} = weights.weight;
            const [inputs, outputs] = shape.slice(-2);
            const area = sizeOf(shape) / (inputs * outputs); // of a kernel
            const limit = FIRST_GAINS[kind] * spread * Math.sqrt(6 / (area * inputs + area * outputs));
            for (let index = offset; index < offset + sizeOf(shape); index++) {
                params[index] = limit * (2 * uniform() - 1);
            }
        }
    }
    return params;
}

/** Random numbers of their own for each epoch of each seed; 0: for the weights. */
function numbersOf(seed, epoch) {
    return uniformNumbers(Math.imul(seed * 65536 + epoch + 1, 0x9e3779b1)); // or neighbouring seeds would begin alike
}

/** The numbers from 0 to before count in a random order (Fisher and Yates). */
function shuffled(count, uniform) {
    const order = Array.from({length: count}, (_, index) => index);
    for (let last = count - 1; last > 0; last--) {
        const other = Math.floor(uniform() * (last + 1));
        [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
}
