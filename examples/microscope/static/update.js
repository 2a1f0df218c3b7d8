/** One number's update, taken apart: gradient, velocity, weight, and what each digit of the batch wanted of it. */

import {softmax} from "./engine.js";
import {make} from "./elements.js";
import {drawPicture} from "./sheets.js";
import {lossGradient} from "./specimen.js";
import {number} from "./terms.js";

const MOST_PULLS = 8; // digits that are shown

/**
 * The update of one weight in the last step, in words with its numbers.
 * @param {string} title which weight it is
 * @param {{rate: number, momentum: number}} settings of that step
 * @param {{w: number, g: number, v: number, before: number}} numbers after the step: w, its gradient, its velocity;
 *     before: the weight before it
 */
export function updateInWords(title, {rate, momentum}, {before, g, v, w}) {
    const line = (name, how, value) => make("tr", {}, make("th", {scope: "row"}, name), make("td", {}, how),
        make("td", {class: "number"}, value));
    const kept = momentum === 0 ? "" : `${number(momentum)} \u00d7 ${bracketed((v + rate * g) / momentum)} `;
    const product = `${kept}\u2212 ${number(rate)} \u00d7 ${bracketed(g)}`;
    return make("table", {class: "update"}, make("caption", {}, title), make("tbody", {},
        line("gradient", "of the batch's mean loss with respect to this weight", number(g)),
        line("new velocity", `momentum \u00d7 velocity \u2212 rate \u00d7 gradient = ${product}`, number(v)),
        line("new weight", `weight + new velocity = ${number(before)} + ${bracketed(v)}`, number(w))));
}

/** A number in brackets where it has a sign, so that none stands beside another. */
function bracketed(value) {
    return value < 0 ? `(${number(value)})` : number(value);
}

/**
 * The gradient of each digit's loss with respect to one weight of a convolution; their mean is the batch's.
 * @param {Network} network as it was before the step
 * @param {number} layerIndex of the convolution
 * @param {number[]} place of the weight: row, column, input map, kernel
 */
export function pulls(network, layerIndex, place, inputs, labels) {
    return inputs.map((input, index) => {
        const states = network.forward(input);
        const probabilities = softmax(states[states.length - 1].output);
        const gradients = network.backward(states, lossGradient(probabilities, labels[index]));
        return weightGradient(network.layers[layerIndex], states[layerIndex].input, gradients.outputs[layerIndex], place);
    });
}

/** The sum, over all windows, of the output's gradient times the number that the weight met there. */
function weightGradient({attributes: {stride, padding, groups}, inputShape, outputShape}, x, dy, [i, j, c, o]) {
    const [height, width, channels] = inputShape;
    const [outHeight, outWidth, outputs] = outputShape;
    const channel = Math.floor(o / (outputs / groups)) * (channels / groups) + c;
    let sum = 0;
    for (let oh = 0; oh < outHeight; oh++) {
        const h = oh * stride[0] - padding[0] + i;
        for (let ow = 0; ow < outWidth; ow++) {
            const w = ow * stride[1] - padding[1] + j;
            if (h >= 0 && h < height && w >= 0 && w < width) {
                sum += dy[(oh * outWidth + ow) * outputs + o] * x[(h * width + w) * channels + channel];
            }
        }
    }
    return sum;
}

/** The digits that pulled hardest: each moved the weight by minus the rate times its share of the gradient. */
export function pullsInPictures(all, {rate}, pictures, shape) {
    const moved = all.map((gradient, index) => ({picture: pictures[index], by: -rate * gradient / all.length}));
    moved.sort((a, b) => Math.abs(b.by) - Math.abs(a.by));
    const items = moved.slice(0, MOST_PULLS).map(({picture: {levels, label}, by}) => {
        const canvas = make("canvas", {role: "img", "aria-label": `a ${label}`});
        drawPicture(canvas, levels, shape);
        return make("li", {}, canvas, make("span", {}, by.toExponential(1).replaceAll("-", "\u2212")));
    });
    const words = `How far each digit of the batch moved it, the strongest first: minus rate \u00d7 the gradient of its loss / ${all.length}`;
    return make("figure", {}, make("figcaption", {}, words), make("ul", {class: "batch pulls"}, ...items));
}
