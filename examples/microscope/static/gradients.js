/**
 * The gradients of the loss with respect to the parameters of a layer, for one image: what the backward passes in
 * layers/ compute besides dx, in plain loops and in double precision.
 *
 *     PARAMETER_GRADIENTS[kind](layer, state, dy, grads)
 *
 * adds them to the arrays in grads, which have the names and the sizes of the layer's params. state is that of the
 * forward pass, see layers.js.
 */

import {gatherPatch} from "./layers.js";

/** dw = the sum over all windows of x * dy, where x met w; db = the sum of dy. */
function convolutionGradients(layer, state, dy, {weight, bias}) {
    const {groups, kernelSize: [kernelHeight, kernelWidth]} = layer.attributes;
    const [outHeight, outWidth, outputs] = layer.outputShape;
    const groupOutputs = outputs / groups;
    const patch = kernelHeight * kernelWidth * layer.inputShape[2] / groups;
    const [rows, values] = [new Int32Array(patch), new Float64Array(patch)];
    for (let oh = 0; oh < outHeight; oh++) {
        for (let ow = 0; ow < outWidth; ow++) {
            for (let group = 0; group < groups; group++) {
                const first = group * groupOutputs;
                const slopes = (oh * outWidth + ow) * outputs + first;
                if (!anyIn(dy, slopes, groupOutputs)) { // as where a ReLU let nothing through
                    continue;
                }
                const count = gatherPatch(layer, state.input, oh, ow, group, rows, values);
                for (let n = 0; n < count; n++) {
                    const value = values[n];
                    const start = rows[n] + first;
                    for (let o = 0; o < groupOutputs; o++) {
                        weight[start + o] += value * dy[slopes + o];
                    }
                }
                for (let o = 0; o < (bias ? groupOutputs : 0); o++) {
                    bias[first + o] += dy[slopes + o];
                }
            }
        }
    }
}

function anyIn(numbers, start, count) {
    for (let index = start; index < start + count; index++) {
        if (numbers[index] !== 0) {
            return true;
        }
    }
    return false;
}

/** dw = x dy^T; db = dy. */
function linearGradients(layer, state, dy, {weight, bias}) {
    const x = state.input;
    for (let i = 0, start = 0; i < x.length; i++, start += dy.length) {
        const value = x[i];
        if (value !== 0) {
            for (let o = 0; o < dy.length; o++) {
                weight[start + o] += value * dy[o];
            }
        }
    }
    for (let o = 0; o < (bias ? dy.length : 0); o++) {
        bias[o] += dy[o];
    }
}

export const PARAMETER_GRADIENTS = {Conv2d: convolutionGradients, Linear: linearGradients};
