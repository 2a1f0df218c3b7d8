/** The layers that look at a window of the image, explained: see explain.js. */

import {neighbours} from "./pointwise.js";
import {number, summed, term} from "./terms.js";
import {elementsOfWindow, flatIndex, outputsOver, placeOf, windowAlong} from "./windows.js";

/** The window of an output in the layer's input, inside the image; null for layers that have none. */
export function windowOf(layer, at) {
    let rows, columns;
    if (layer.attributes.kernelSize !== undefined) {
        [rows, columns] = [0, 1].map((axis) => {
            const {first, end} = windowAlong(layer, axis, at[axis]);
            return [first, end];
        });
    } else if (layer.kind === "LocalResponseNorm") {
        ({rows, columns} = neighbours(layer, ...at));
    } else {
        return null;
    }
    const [height, width] = [rows, columns].map(([first, end]) => Math.max(0, end - first));
    return {top: rows[0], left: columns[0], height, width};
}

/** Calls visit(h, w, i, j) for each element (i, j) of an output's window that lies on a pixel (h, w). */
function eachInWindow(layer, oh, ow, visit) {
    const down = windowAlong(layer, 0, oh);
    const right = windowAlong(layer, 1, ow);
    for (let h = down.first; h < down.end; h++) {
        for (let w = right.first; w < right.end; w++) {
            visit(h, w, h - down.start, w - right.start);
        }
    }
}

/** Calls visit(oh, ow, i, j) for each output whose window's element (i, j) lies on the pixel (h, w). */
function eachOver(layer, h, w, visit) {
    const {kernelSize, stride, padding} = layer.attributes;
    const rows = outputsOver(layer, 0, h);
    const columns = outputsOver(layer, 1, w);
    for (let oh = rows.first; oh < rows.end; oh++) {
        const i = h + padding[0] - oh * stride[0];
        for (let ow = columns.first; ow < columns.end; ow++) {
            const j = w + padding[1] - ow * stride[1];
            if (i < kernelSize[0] && j < kernelSize[1]) {
                visit(oh, ow, i, j);
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------------ convolution
/** Whether output map o sees the channel c of its group: LeNet-5's table leaves some out. */
function sees(layer, o, c) {
    const {connections} = layer.attributes;
    return connections === null || connections[o].includes(c);
}

function convolutionTerms(layer, x, [oh, ow, o]) {
    const {weight, bias} = layer.params;
    const shape = layer.paramShapes.weight;
    const first = Math.floor(o * layer.attributes.groups / shape[3]) * shape[2]; // the first channel of o's group
    const terms = [];
    eachInWindow(layer, oh, ow, (h, w, i, j) => {
        for (let c = 0; c < shape[2]; c++) {
            if (sees(layer, o, c)) {
                const place = [h, w, first + c];
                const weightPlace = [i, j, c, o];
                const from = flatIndex(place, layer.inputShape);
                terms.push(term(from, place, weight[flatIndex(weightPlace, shape)], x[from], {weightPlace}));
            }
        }
    });
    return summed(terms, {bias: bias?.[o] ?? null});
}

function convolutionGradientTerms(layer, x, dy, [h, w, channel]) {
    const {weight} = layer.params;
    const shape = layer.paramShapes.weight;
    const c = channel % shape[2];
    const groupOutputs = shape[3] / layer.attributes.groups;
    const first = Math.floor(channel / shape[2]) * groupOutputs; // the first output of the group that sees the channel
    const terms = [];
    eachOver(layer, h, w, (oh, ow, i, j) => {
        for (let o = first; o < first + groupOutputs; o++) {
            if (sees(layer, o, c)) {
                const place = [oh, ow, o];
                const weightPlace = [i, j, c, o];
                const from = flatIndex(place, layer.outputShape);
                terms.push(term(from, place, weight[flatIndex(weightPlace, shape)], dy[from], {weightPlace}));
            }
        }
    });
    return summed(terms);
}

// ---------------------------------------------------------------------------------------------------------- pooling
function maxPoolTerms(layer, x, [oh, ow, c], state) {
    const from = state.winners[flatIndex([oh, ow, c], layer.outputShape)];
    const terms = [];
    eachInWindow(layer, oh, ow, (h, w) => {
        const place = [h, w, c];
        const index = flatIndex(place, layer.inputShape);
        const won = index === from;
        terms.push(term(index, place, null, x[index], {won, text: won ? "the largest" : ""}));
    });
    const winner = {from, place: placeOf(from, layer.inputShape)};
    return summed(terms, {how: "largest", total: x[from], result: x[from], winner});
}

function maxPoolGradientTerms(layer, x, dy, [h, w, c], state) {
    const here = flatIndex([h, w, c], layer.inputShape);
    const terms = [];
    eachOver(layer, h, w, (oh, ow) => {
        const place = [oh, ow, c];
        const from = flatIndex(place, layer.outputShape);
        const winner = state.winners[from];
        const won = winner === here;
        const there = placeOf(winner, layer.inputShape).join(",");
        const words = won ? "1 (it won this window)" : `0 (x[${there}] won this window)`;
        const text = `dy[${place.join(",")}] ${number(dy[from])} * ${words}`;
        terms.push(term(from, place, won ? 1 : 0, dy[from], {won, text}));
    });
    return summed(terms);
}

function averagePoolTerms(layer, x, [oh, ow, c]) {
    const terms = [];
    eachInWindow(layer, oh, ow, (h, w) => {
        const from = flatIndex([h, w, c], layer.inputShape);
        terms.push(term(from, [h, w, c], null, x[from]));
    });
    const explanation = summed(terms);
    const count = elementsOfWindow(layer, oh, ow);
    explanation.finish = `${number(explanation.total)} / ${count}`;
    explanation.result = explanation.total / count;
    return explanation;
}

function averagePoolGradientTerms(layer, x, dy, [h, w, c]) {
    const terms = [];
    eachOver(layer, h, w, (oh, ow) => {
        const place = [oh, ow, c];
        const from = flatIndex(place, layer.outputShape);
        const count = elementsOfWindow(layer, oh, ow);
        const text = `dy[${place.join(",")}] ${number(dy[from])} / ${count}`;
        terms.push(term(from, place, 1 / count, dy[from], {product: dy[from] / count, text}));
    });
    return summed(terms);
}

function subsamplingTerms(layer, x, [oh, ow, c]) {
    const {weight, bias} = layer.params;
    const terms = [];
    eachInWindow(layer, oh, ow, (h, w) => {
        const from = flatIndex([h, w, c], layer.inputShape);
        terms.push(term(from, [h, w, c], weight[c], x[from], {weightPlace: [c]}));
    });
    return summed(terms, {bias: bias[c]});
}

function subsamplingGradientTerms(layer, x, dy, [h, w, c]) {
    const terms = [];
    eachOver(layer, h, w, (oh, ow) => {
        const from = flatIndex([oh, ow, c], layer.outputShape);
        terms.push(term(from, [oh, ow, c], layer.params.weight[c], dy[from], {weightPlace: [c]}));
    });
    return summed(terms);
}

// ------------------------------------------------------------------------------------- local response normalisation
/** Calls visit(place, index) for each neighbour of a place, itself included. */
function eachNeighbour(layer, at, visit) {
    const {rows, columns, channels} = neighbours(layer, ...at);
    for (let h = rows[0]; h < rows[1]; h++) {
        for (let w = columns[0]; w < columns[1]; w++) {
            for (let c = channels[0]; c < channels[1]; c++) {
                visit([h, w, c], flatIndex([h, w, c], layer.inputShape));
            }
        }
    }
}

/** The sum is s; each term has the neighbour's square besides. */
function normalisationTerms(layer, x, at) {
    const {alpha, beta, k} = layer.attributes;
    const terms = [];
    eachNeighbour(layer, at, (place, from) => {
        const square = x[from] * x[from];
        const text = `alpha ${number(alpha)} * (x[${place.join(",")}] ${number(x[from])})^2`;
        terms.push(term(from, place, alpha, x[from], {square, product: alpha * square, text}));
    });
    const explanation = summed(terms, {bias: k});
    const value = x[flatIndex(at, layer.inputShape)];
    explanation.finish = `${number(value)} / ${number(explanation.total)}^${number(beta)}`;
    explanation.result = value * Math.pow(explanation.total, -beta);
    return explanation;
}

/** The first term is the place's own numerator; then comes its part in the denominator of every neighbour. */
function normalisationGradientTerms(layer, x, dy, at, state) {
    const {alpha, beta} = layer.attributes;
    const {denominators} = state;
    const here = flatIndex(at, layer.inputShape);
    const name = (place, index) => `dy[${place.join(",")}] ${number(dy[index])}`;
    const text = `${name(at, here)} / (s ${number(denominators[here])})^${number(beta)}`;
    const terms = [term(here, at, Math.pow(denominators[here], -beta), dy[here], {part: "numerator", text})];
    const factor = -2 * alpha * beta * x[here];
    eachNeighbour(layer, at, (place, from) => {
        const s = denominators[from];
        const y = x[from] * Math.pow(s, -beta);
        const words = `${number(factor)} * ${name(place, from)} * y ${number(y)} / s ${number(s)}`;
        terms.push(term(from, place, factor * y / s, dy[from], {part: "denominator", text: words}));
    });
    return summed(terms);
}

export const WINDOW_EXPLANATIONS = {
    Conv2d: {forward: convolutionTerms, backward: convolutionGradientTerms},
    MaxPool2d: {forward: maxPoolTerms, backward: maxPoolGradientTerms},
    AvgPool2d: {forward: averagePoolTerms, backward: averagePoolGradientTerms},
    Subsampling2d: {forward: subsamplingTerms, backward: subsamplingGradientTerms},
    LocalResponseNorm: {forward: normalisationTerms, backward: normalisationGradientTerms},
};
