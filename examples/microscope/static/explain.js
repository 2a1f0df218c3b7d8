/**
 * One number that a layer computes, taken apart into the terms that it is made of: what examples/explain/terms.py and
 * examples/explain/windows.py say, with the same terms in the same order.
 */

import {withoutSilenced} from "./engine.js";
import {WINDOW_EXPLANATIONS, windowOf} from "./explain_windows.js";
import {SQUASHING, batchNormFactor, dropoutFactor} from "./pointwise.js";
import {number, summed, term} from "./terms.js";
import {checkPlace, flatIndex, placeOf} from "./windows.js";

/**
 * How one output comes about.
 * @param {Network} network
 * @param {LayerState[]} states of network.forward(input)
 * @param {Float64Array|Float32Array} input the network's
 * @param {number} layerIndex
 * @param {number[]} at [h, w, c] or [i], a place in the layer's output
 * @returns {Explanation} see terms.js
 */
export function explainForward(network, states, input, layerIndex, at) {
    const layer = network.layers[layerIndex];
    const state = states[layerIndex];
    checkPlace(at, layer.outputShape, `the output of ${layer.name}`);
    const x = layerIndex === 0 ? input : states[layerIndex - 1].output;
    if (state.bypassed === "input") {
        const from = flatIndex(at, layer.outputShape);
        return summed([term(from, at, 1, x[from])], {bypassed: "input"});
    }
    if (state.bypassed === "zero") {
        return summed([], {bypassed: "zero"});
    }
    const explanation = EXPLANATIONS[layer.kind].forward(layer, x, at, state);
    explanation.window = windowOf(layer, at);
    if (state.silenced !== null && state.silenced[flatIndex(at, layer.outputShape)]) {
        explanation.silenced = true;
        explanation.finish = `silenced: 0 instead of ${number(explanation.result)}`;
        explanation.result = 0;
    }
    return explanation;
}

/**
 * How the gradient with respect to one number of a layer's input comes about: a term for each output that the number
 * feeds.
 * @param {{input: Float64Array, outputs: Float64Array[]}} gradients of network.backward(states, dlogits)
 * @param {number[]} at a place in the layer's input
 * @returns {Explanation} see terms.js; each term's `from` and `place` are in the layer's output
 */
export function explainBackward(network, states, gradients, input, layerIndex, at) {
    const layer = network.layers[layerIndex];
    const state = states[layerIndex];
    checkPlace(at, layer.inputShape, `the input of ${layer.name}`);
    const x = layerIndex === 0 ? input : states[layerIndex - 1].output;
    if (state.bypassed === "zero") {
        return summed([], {bypassed: "zero"});
    }
    const dy = withoutSilenced(state, gradients.outputs[layerIndex]);
    if (state.bypassed === "input") {
        const from = flatIndex(at, layer.inputShape);
        return summed([term(from, at, 1, dy[from])], {bypassed: "input"});
    }
    const explanation = EXPLANATIONS[layer.kind].backward(layer, x, dy, at, state);
    for (const each of explanation.terms) {
        if (state.silenced !== null && state.silenced[each.from]) {
            each.text = "0 (switched off)";
        }
    }
    return explanation;
}

/**
 * The part of the network's input image that one output of a layer can see, clipped to the image.
 * @param {LayerState[]} [states] of a forward pass: what is switched off in it lets more or nothing through
 * @returns {{top: number, left: number, height: number, width: number}} with height or width 0 where it sees nothing
 */
export function receptiveField(network, layerIndex, at, states = []) {
    checkPlace(at, network.layers[layerIndex].outputShape, `the output of ${network.layers[layerIndex].name}`);
    // What is seen of each layer's input, from the last layer to the first: rows and columns, or one index of a
    // vector, or null for everything.
    let seen = at.length === 3 ? {rows: [at[0], at[0] + 1], columns: [at[1], at[1] + 1]} : {index: at[0]};
    for (let index = layerIndex; index >= 0 && seen !== null; index--) {
        const bypassed = states[index]?.bypassed ?? null;
        if (bypassed === "zero") {
            return {top: 0, left: 0, height: 0, width: 0};
        }
        seen = bypassed === "input" ? seen : seenOfInput(network.layers[index], seen);
    }
    const [height, width] = network.imageShape;
    if (seen === null || !("rows" in seen)) {
        return {top: 0, left: 0, height, width};
    }
    const lengths = [seen.rows, seen.columns].map(([first, end]) => Math.max(0, end - first));
    return {top: seen.rows[0], left: seen.columns[0], height: lengths[0], width: lengths[1]};
}

function seenOfInput(layer, seen) {
    const {kernelSize, stride, padding, size, region} = layer.attributes;
    const clipped = (first, end, axis) => [Math.max(0, first), Math.min(layer.inputShape[axis], end)];
    if (layer.kind === "Linear" || layer.kind === "EuclideanRBF") {
        return null;
    }
    if (layer.kind === "Flatten" && layer.inputShape.length === 3) {
        const [h, w] = placeOf(seen.index, layer.inputShape);
        return {rows: [h, h + 1], columns: [w, w + 1]};
    }
    if (kernelSize !== undefined) {
        const [rows, columns] = [seen.rows, seen.columns].map(([first, end], axis) => {
            const start = first * stride[axis] - padding[axis];
            return clipped(start, (end - 1) * stride[axis] - padding[axis] + kernelSize[axis], axis);
        });
        return {rows, columns};
    }
    if (region === "within") {
        const half = Math.floor(size / 2);
        const [rows, columns] = [seen.rows, seen.columns].map(([first, end], axis) =>
            clipped(first - half, end + half, axis));
        return {rows, columns};
    }
    return seen;
}

// --------------------------------------------------------------------------------------------- sums over everything
function linearTerms(layer, x, [o]) {
    const {weight, bias} = layer.params;
    const outputs = layer.outputShape[0];
    const terms = [];
    for (let i = 0; i < layer.inputShape[0]; i++) {
        terms.push(term(i, [i], weight[i * outputs + o], x[i], {weightPlace: [i, o]}));
    }
    return summed(terms, {bias: bias?.[o] ?? null});
}

function linearGradientTerms(layer, x, dy, [i]) {
    const {weight} = layer.params;
    const terms = [];
    for (let o = 0; o < dy.length; o++) {
        terms.push(term(o, [o], weight[i * dy.length + o], dy[o], {weightPlace: [i, o]}));
    }
    return summed(terms);
}

function rbfTerms(layer, x, [c]) {
    const {prototypes} = layer.params;
    const features = layer.inputShape[0];
    const terms = [];
    for (let j = 0; j < features; j++) {
        const weight = prototypes[c * features + j];
        const difference = x[j] - weight;
        terms.push(term(j, [j], weight, x[j], {
            product: -(difference * difference),
            weightPlace: [c, j],
            text: `-(x[${j}] ${number(x[j])} - w[${c},${j}] ${number(weight)})^2`,
        }));
    }
    return summed(terms);
}

function rbfGradientTerms(layer, x, dy, [j]) {
    const {prototypes} = layer.params;
    const terms = [];
    for (let c = 0; c < dy.length; c++) {
        const weight = prototypes[c * layer.inputShape[0] + j];
        terms.push(term(c, [c], -2 * (x[j] - weight), dy[c], {
            weightPlace: [c, j],
            text: `-2 * dy[${c}] ${number(dy[c])} * (x[${j}] ${number(x[j])} - w[${c},${j}] ${number(weight)})`,
        }));
    }
    return summed(terms);
}

// ---------------------------------------------------------------------------------------------- one input, one output
function squashingExplained({value, slope, valueText, slopeText}) {
    return {
        forward(layer, x, at) {
            const from = flatIndex(at, layer.inputShape);
            const explanation = summed([term(from, at, null, x[from])], {how: "input"});
            explanation.finish = valueText(number(x[from]), layer.attributes);
            explanation.result = value(x[from], layer.attributes);
            return explanation;
        },
        backward(layer, x, dy, at) {
            const from = flatIndex(at, layer.inputShape);
            const y = value(x[from], layer.attributes);
            const factor = slopeText(number(layer.kind === "ReLU" ? x[from] : y), layer.attributes);
            return summed([term(from, at, slope(x[from], y, layer.attributes), dy[from], {
                text: `dy[${at.join(",")}] ${number(dy[from])} * ${factor}`,
            })]);
        },
    };
}

function batchNormTerms(layer, x, at) {
    const channel = at[2];
    const from = flatIndex(at, layer.inputShape);
    const {weight, bias, running_mean: mean, running_variance: variance} = layer.params;
    const value = `(x[${at.join(",")}] ${number(x[from])} - mean ${number(mean[channel])})`;
    const spread = `sqrt(variance ${number(variance[channel])} + ${layer.attributes.epsilon})`;
    const product = (x[from] - mean[channel]) * batchNormFactor(layer, channel);
    const text = `w[${channel}] ${number(weight[channel])} * ${value} / ${spread}`;
    return summed([term(from, at, null, x[from], {product, text})], {bias: bias[channel]});
}

function batchNormGradientTerms(layer, x, dy, at) {
    const from = flatIndex(at, layer.inputShape);
    const factor = batchNormFactor(layer, at[2]);
    const words = `w[${at[2]}] / sqrt(variance + ${layer.attributes.epsilon}) ${number(factor)}`;
    const text = `dy[${at.join(",")}] ${number(dy[from])} * ${words}`;
    return summed([term(from, at, factor, dy[from], {text})]);
}

function dropoutTerms(layer, numbers, at, {mask}) {
    const from = flatIndex(at, layer.inputShape);
    const factor = dropoutFactor(layer, mask, from);
    const words = mask === null ? "1 (outside training every unit goes through)"
        : `mask ${factor === 0 ? 0 : 1} / (1 - p ${layer.attributes.p})`;
    const text = `${number(numbers[from])} * ${words}`;
    return summed([term(from, at, factor, numbers[from], {text})]);
}

function flattenTerms(layer, x, [index]) {
    return summed([term(index, placeOf(index, layer.inputShape), null, x[index])]);
}

function flattenGradientTerms(layer, x, dy, at) {
    const index = flatIndex(at, layer.inputShape);
    return summed([term(index, [index], null, dy[index])]);
}

const EXPLANATIONS = {
    ...WINDOW_EXPLANATIONS,
    BatchNorm2d: {forward: batchNormTerms, backward: batchNormGradientTerms},
    ...Object.fromEntries(Object.entries(SQUASHING).map(([kind, how]) => [kind, squashingExplained(how)])),
    Dropout: {
        forward: (layer, x, at, state) => dropoutTerms(layer, x, at, state),
        backward: (layer, x, dy, at, state) => dropoutTerms(layer, dy, at, state),
    },
    Flatten: {forward: flattenTerms, backward: flattenGradientTerms},
    Linear: {forward: linearTerms, backward: linearGradientTerms},
    EuclideanRBF: {forward: rbfTerms, backward: rbfGradientTerms},
};
