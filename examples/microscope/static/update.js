/** One number's update, taken apart: gradient, velocity, weight, and what each digit of the batch wanted of it. */

import {Network, softmax} from "./engine.js";
import {make} from "./elements.js";
import {weightInWords} from "./kernels.js";
import {drawPicture} from "./sheets.js";
import {lossGradient} from "./specimen.js";
import {bracketed, number} from "./terms.js";

const MOST_PULLS = 8; // digits that are shown

export class UpdateView {
    constructor() {
        /** The kernels of which a weight was chosen. */
        this.gallery = null;
        this.drawn = null;
        this.element = make("div", {class: "taken"});
    }

    choose(gallery) {
        this.gallery = gallery;
        this.drawn = null;
    }

    /** The chosen weight's last update; digits: the view of the batch, which knows the digits. */
    draw(snapshot, description, digits) {
        const {gallery} = this;
        const hint = gallery === null ? "Click a weight of a kernel and see how the last step changed it."
            : snapshot.previous === null || snapshot.step === 0 ? "No step has been taken yet."
                : snapshot.playing ? "Pause, and see how the last step changed the chosen weight." : null;
        if (hint !== null) {
            this.element.replaceChildren(make("p", {class: "hint"}, hint));
            this.drawn = null;
        } else if (this.drawn !== snapshot) {
            this.drawn = snapshot;
            const network = new Network(description, snapshot.previous);
            this.element.replaceChildren(updateInWords(gallery, snapshot),
                pullsInPictures(gallery, snapshot, network, digits));
        }
    }
}

/** The update of one weight in words with its numbers. */
function updateInWords(gallery, {params, velocities, gradients, previous, settings: {rate, momentum}}) {
    const at = gallery.indexOf(gallery.place);
    const [before, g, v] = [previous[at], gradients[at], velocities[at]];
    const line = (name, how, value) => make("tr", {}, make("th", {scope: "row"}, name), make("td", {}, how),
        make("td", {class: "number"}, number(value)));
    const kept = momentum === 0 ? "" : `${number(momentum)} \u00d7 ${bracketed((v + rate * g) / momentum)} `;
    const sum = `${kept}\u2212 ${number(rate)} \u00d7 ${bracketed(g)}`;
    const caption = `The last step of ${gallery.name}, ${weightInWords(gallery.place)}`;
    return make("table", {class: "update"}, make("caption", {}, caption), make("tbody", {},
        line("gradient", "of the batch's mean loss with respect to this weight", g),
        line("new velocity", `momentum \u00d7 velocity \u2212 rate \u00d7 gradient = ${sum}`, v),
        line("new weight", `weight + new velocity = ${number(before)} + ${bracketed(v)}`, params[at])));
}

/** The digits that pulled hardest: each moved the weight by minus the rate times its share of the gradient. */
function pullsInPictures({name, place}, {batch, settings: {rate}}, network, digits) {
    const moved = [...batch].map((index) => {
        const levels = digits.levelsOf(index);
        const label = digits.labelOf(index);
        const gradient = gradientOfDigit(network, network.indexOf(name), place, network.prepare(levels), label);
        return {levels, label, by: -rate * gradient / batch.length};
    });
    const all = moved.filter(({by}) => by !== 0);
    if (all.length === 0) {
        return make("p", {class: "hint"}, "No digit of the batch lets a gradient through to this weight.");
    }
    all.sort((a, b) => Math.abs(b.by) - Math.abs(a.by));
    const items = all.slice(0, MOST_PULLS).map(({levels, label, by}) => {
        const canvas = make("canvas", {role: "img", "aria-label": `a ${label}`});
        drawPicture(canvas, levels, digits.shape);
        return make("li", {}, canvas, make("span", {}, by.toExponential(1).replaceAll("-", "\u2212")));
    });
    const words = "How far each digit of the batch moved it, the strongest first: " +
        `minus rate \u00d7 the gradient of its loss / ${batch.length}`;
    return make("figure", {}, make("figcaption", {}, words), make("ul", {class: "batch pulls"}, ...items));
}

/**
 * The gradient of one digit's loss with respect to one weight of a convolution.
 * @param {Network} network as it was before the step
 * @param {number} layerIndex of the convolution
 * @param {number[]} place of the weight: row, column, input map, kernel
 */
function gradientOfDigit(network, layerIndex, place, input, label) {
    const states = network.forward(input);
    const probabilities = softmax(states[states.length - 1].output);
    const {outputs} = network.backward(states, lossGradient(probabilities, label));
    return weightGradient(network.layers[layerIndex], states[layerIndex].input, outputs[layerIndex], place);
}

/** The sum, over all windows, of the output's gradient times the number that the weight met there. */
function weightGradient(layer, x, dy, [i, j, c, o]) {
    const {attributes: {stride, padding, groups}, inputShape, outputShape} = layer;
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
