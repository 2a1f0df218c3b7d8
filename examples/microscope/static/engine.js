/**
 * The network of a description (examples/microscope/data.py), forward and backward, for one image at a time.
 *
 *     const network = new Network(description);
 *     const input = network.prepare(decodeBytes(description.picture.levels));
 *     const states = network.forward(input);
 *     const probabilities = softmax(states[states.length - 1].output);
 *     const gradients = network.backward(states, dlogits);
 */

import {PASSES} from "./layers.js";
import {sizeOf} from "./windows.js";

/** The bytes of a base64 text. */
export function decodeBytes(text) {
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let index = 0; index < bytes.length; index++) {
        bytes[index] = characters.charCodeAt(index);
    }
    return bytes;
}

/** Bytes as a base64 text: the reverse of decodeBytes. */
export function encodeBytes(bytes) {
    let characters = "";
    for (const byte of bytes) {
        characters += String.fromCharCode(byte);
    }
    return btoa(characters);
}

/** The numbers of a blob, as float32, which holds every float16 exactly. dtype: "float16" or "float32". */
export function decodeNumbers(text, dtype) {
    const bytes = decodeBytes(text);
    if (dtype === "float32") {
        return new Float32Array(bytes.buffer);
    }
    const codes = new Uint16Array(bytes.buffer);
    const numbers = new Float32Array(codes.length);
    for (let index = 0; index < codes.length; index++) {
        numbers[index] = fromFloat16(codes[index]);
    }
    return numbers;
}

/** A number from the 16 bits of a float16: sign, five bits of exponent, ten of fraction. */
function fromFloat16(code) {
    const sign = code & 0x8000 ? -1 : 1;
    const exponent = (code >> 10) & 31;
    const fraction = code & 1023;
    if (exponent === 31) {
        return fraction ? NaN : sign * Infinity;
    }
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Probabilities from a network's outputs. */
export function softmax(logits) {
    let largest = -Infinity;
    for (const logit of logits) {
        largest = Math.max(largest, logit);
    }
    const probabilities = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
    let total = 0;
    for (const number of probabilities) {
        total += number;
    }
    return probabilities.map((number) => number / total);
}

/** -log of the target's probability: of the sum of exponentials, as a probability may be too small to be above 0. */
export function crossEntropy(logits, target) {
    const largest = Math.max(...logits);
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
    return Math.log(total) + largest - logits[target];
}

/**
 * @typedef {object} NetworkLayer
 * @property {string} name such as "conv1"
 * @property {string} kind such as "Conv2d"
 * @property {object} attributes kernelSize, stride, padding, ...: as in Python, written in camel case
 * @property {number[]} inputShape of one image
 * @property {number[]} outputShape
 * @property {Object<string, Float32Array>} params weight and bias, prototypes, running_mean: in Python's order
 * @property {Object<string, number[]>} paramShapes
 * @property {string} formula what it computes, in words; slope: the same for its backward pass
 */

/**
 * @typedef {object} LayerState what one forward pass leaves of one layer
 * @property {Float64Array} input of the layer; only to be read, as output is: layers may share arrays
 * @property {Float64Array} output after silencing
 * @property {number[]} shape of the output
 * @property {Uint8Array|null} silenced 1 where the output was set to 0
 * @property {null|"input"|"zero"} bypassed how a layer that is off answers: with its input, or with 0
 * @property {Int32Array} [winners] of max-pooling: for each output the index in the input
 * @property {Uint8Array|null} [mask] of dropout
 * @property {Float64Array} [denominators] of local response normalisation: s of each place
 */

/** A network that answers one image at a time, in double precision. */
export class Network {
    /**
     * @param {object} description what examples/microscope/data.py gives, parsed from JSON
     * @param {Float32Array|null} params all parameters, instead of the description's
     */
    constructor(description, params = null) {
        this.name = description.name;
        this.imageShape = description.image_shape;
        this.classNames = description.class_names;
        this.preparation = description.preparation;
        // Null where a server keeps the weights: then each layer's params are filled in when they are needed.
        const numbers = params ?? (description.weights === null ? null
            : decodeNumbers(description.weights, description.dtype));
        /** @type {NetworkLayer[]} */
        this.layers = description.layers.map((layer) => makeLayer(layer, numbers));
    }

    /** The place of a layer among the layers, by its name. */
    indexOf(name) {
        const index = this.layers.findIndex((layer) => layer.name === name);
        if (index < 0) {
            const names = this.layers.map((layer) => layer.name).join(", ");
            throw new RangeError(`${this.name} has no layer ${name}, expected one of ${names}`);
        }
        return index;
    }

    /**
     * The network's input, float32, of the image's uint8 levels, of the preparation's size: flat [H, W, C].
     * As nn/data/preparation.py does it, each step rounded to float32.
     */
    prepare(levels) {
        const {size, window, channels, levels: kind} = this.preparation;
        const shape = [...size, channels];
        if (levels.length !== sizeOf(shape)) {
            const expected = `${sizeOf(shape)} levels, of shape [${shape.join(", ")}]`;
            throw new RangeError(`expected ${expected}, got ${levels.length}`);
        }
        if (kind === "lenet5") {
            return withBorder(toLenet5(levels), shape, window);
        }
        const mean = broadcast(this.preparation.mean, shape);
        const deviation = broadcast(this.preparation.deviation, shape);
        const prepared = new Float32Array(levels.length);
        for (let index = 0; index < prepared.length; index++) {
            const centred = Math.fround(Math.fround(levels[index] / 255) - mean[index]);
            prepared[index] = centred / deviation[index];
        }
        return centreWindow(prepared, shape, window);
    }

    /**
     * Every layer's answer.
     * @param {Float64Array|Float32Array} input one prepared image
     * @param {Object<string, {channelsOff?: Iterable<number>, unitsOff?: Iterable<number>, off?: boolean,
     *     mask?: Uint8Array|null}>} changes by a layer's name what of it is silenced: channels (of a vector: features),
     *     units by their flat index, or the whole layer, which then passes its input on where that has the output's
     *     shape, and else answers 0. mask: of dropout, as in training, 1 for each unit that goes through
     * @returns {LayerState[]} one for each layer
     */
    forward(input, changes = {}) {
        if (input.length !== sizeOf(this.imageShape)) {
            throw new RangeError(`expected ${sizeOf(this.imageShape)} numbers as input, got ${input.length}`);
        }
        Object.keys(changes).forEach((name) => this.indexOf(name));
        let x = input instanceof Float64Array ? input : Float64Array.from(input);
        return this.layers.map((layer) => {
            const state = answer(layer, x, changes[layer.name]);
            x = state.output;
            return state;
        });
    }

    /**
     * The gradients with respect to the input and to every layer's output, from dlogits, the one with respect to the
     * last outputs.
     * Through what was silenced in the forward pass nothing flows back; a layer that passes its input on passes the
     * gradient on as well.
     * @returns {{input: Float64Array, outputs: Float64Array[]}} outputs: one for each layer. Only to be read: layers
     *     may share arrays
     */
    backward(states, dlogits) {
        const outputs = new Array(this.layers.length);
        let gradient = Float64Array.from(dlogits);
        for (let index = this.layers.length - 1; index >= 0; index--) {
            const layer = this.layers[index];
            const state = states[index];
            outputs[index] = gradient;
            if (state.bypassed === "zero") {
                gradient = new Float64Array(state.input.length);
            } else if (state.bypassed === null) {
                gradient = PASSES[layer.kind].backward(layer, state, withoutSilenced(state, gradient));
            }
        }
        return {input: gradient, outputs};
    }
}

/** The gradient with respect to what a layer computed: 0 where its output was silenced. */
export function withoutSilenced(state, gradient) {
    if (state.silenced === null) {
        return gradient;
    }
    return gradient.map((value, index) => (state.silenced[index] ? 0 : value));
}

function answer(layer, x, change) {
    const shared = {input: x, shape: layer.outputShape, silenced: null, bypassed: null};
    if (change && change.off) {
        const same = layer.inputShape.join() === layer.outputShape.join();
        const output = same ? x : new Float64Array(sizeOf(layer.outputShape));
        return {...shared, output, bypassed: same ? "input" : "zero"};
    }
    const state = {...shared, ...PASSES[layer.kind].forward(layer, x, change?.mask ?? null)};
    const silenced = change ? silencedUnits(layer, change) : null;
    if (silenced !== null) {
        state.silenced = silenced;
        state.output = state.output.map((value, index) => (silenced[index] ? 0 : value));
    }
    return state;
}

/** 1 for each silenced unit, or null where none is. */
export function silencedUnits(layer, change) {
    const channelsOff = new Set(change.channelsOff);
    const unitsOff = new Set(change.unitsOff);
    if (channelsOff.size + unitsOff.size === 0) {
        return null;
    }
    const channels = layer.outputShape[layer.outputShape.length - 1];
    const silenced = new Uint8Array(sizeOf(layer.outputShape));
    for (let index = 0; index < silenced.length; index++) {
        silenced[index] = channelsOff.has(index % channels) || unitsOff.has(index) ? 1 : 0;
    }
    return silenced;
}

/** A layer of the description, with its arrays cut out of the blob's numbers. */
function makeLayer(described, numbers) {
    if (!(described.kind in PASSES)) {
        const kinds = Object.keys(PASSES).join(", ");
        throw new TypeError(`${described.name} is a ${described.kind}, expected one of ${kinds}`);
    }
    const layer = {
        name: described.name,
        kind: described.kind,
        attributes: {},
        inputShape: described.input_shape,
        outputShape: described.output_shape,
        params: {},
        paramShapes: {},
        parameters: described.parameters,
        formula: described.formula,
        slope: described.slope,
    };
    for (const [name, value] of Object.entries(described.attributes)) {
        layer.attributes[name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())] = value;
    }
    for (const [name, {shape, offset}] of Object.entries(described.weights)) {
        layer.paramShapes[name] = shape;
        if (numbers !== null) {
            layer.params[name] = numbers.subarray(offset, offset + sizeOf(shape));
        }
    }
    return layer;
}

// ------------------------------------------------------------------------------------------------------ preparation
/** A number or nested lists as a flat float32 array of this shape, repeated along axes that it lacks, as NumPy does. */
function broadcast(nested, shape) {
    const lengths = [];
    for (let part = nested; Array.isArray(part); part = part[0]) {
        lengths.push(part.length);
    }
    const source = Float32Array.from([nested].flat(Infinity));
    const filled = [...new Array(shape.length - lengths.length).fill(1), ...lengths];
    const result = new Float32Array(sizeOf(shape));
    for (let index = 0; index < result.length; index++) {
        let rest = index;
        let from = 0;
        let step = 1;
        for (let axis = shape.length - 1; axis >= 0; axis--) {
            from += filled[axis] === 1 ? 0 : (rest % shape[axis]) * step;
            rest = Math.floor(rest / shape[axis]);
            step *= filled[axis];
        }
        result[index] = source[from];
    }
    return result;
}

const LENET5_BACKGROUND = Math.fround(-0.1);
const LENET5_RANGE = Math.fround(1.175 + 0.1);

/** LeNet-5's levels: -0.1 for the background and 1.175 for ink. */
function toLenet5(levels) {
    return Float32Array.from(levels, (level) =>
        Math.fround(Math.fround(level / 255) * LENET5_RANGE) + LENET5_BACKGROUND);
}

/** The image in the middle of the larger window, background around it. */
function withBorder(picture, [height, width, channels], window) {
    const top = Math.floor((window[0] - height) / 2);
    const left = Math.floor((window[1] - width) / 2);
    const result = new Float32Array(window[0] * window[1] * channels).fill(LENET5_BACKGROUND);
    for (let h = 0; h < height; h++) {
        const row = picture.subarray(h * width * channels, (h + 1) * width * channels);
        result.set(row, ((top + h) * window[1] + left) * channels);
    }
    return result;
}

/** The window in the middle of the image. */
function centreWindow(picture, [height, width, channels], window) {
    const top = Math.floor((height - window[0]) / 2);
    const left = Math.floor((width - window[1]) / 2);
    const result = new Float32Array(window[0] * window[1] * channels);
    for (let h = 0; h < window[0]; h++) {
        const start = ((top + h) * width + left) * channels;
        result.set(picture.subarray(start, start + window[1] * channels), h * window[1] * channels);
    }
    return result;
}
