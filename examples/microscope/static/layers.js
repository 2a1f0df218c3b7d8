/**
 * Every kind of layer, forward and backward, for one image: what the files in layers/ compute, in plain loops over
 * flat arrays and in double precision.
 *
 *     forward(layer, x, mask)      -> {output, and what the backward pass or an explanation needs besides}
 *     backward(layer, state, dy)   -> dx, the gradient with respect to its input; state.input is x, state.output is y
 *
 * The mask is dropout's alone. Dropout and Flatten may pass on the very array that they get: nobody may write into what
 * forward and backward return.
 */

import {BATCH_NORM, DROPOUT, NORMALISATION, PASSING_ON, SQUASHING, squashing} from "./pointwise.js";
import {elementsOfWindow, sizeOf, windowAlong} from "./windows.js";

// ------------------------------------------------------------------------------------------------------ convolution
/**
 * y = b + the sum of x * w under the window. The numbers under the window that are not 0 are gathered once for all
 * outputs: after a ReLU many are 0, and all outputs of a group read the same ones.
 */
function convolutionForward(layer, x) {
    const {groups} = layer.attributes;
    const [outHeight, outWidth, outputs] = layer.outputShape;
    const {weight, bias = new Float32Array(outputs)} = layer.params;
    const groupOutputs = outputs / groups;
    const [kernelHeight, kernelWidth] = layer.attributes.kernelSize;
    const patch = kernelHeight * kernelWidth * layer.inputShape[2] / groups;
    const rows = new Int32Array(patch);
    const values = new Float64Array(patch);
    const y = new Float64Array(sizeOf(layer.outputShape));
    for (let oh = 0; oh < outHeight; oh++) {
        for (let ow = 0; ow < outWidth; ow++) {
            for (let group = 0; group < groups; group++) {
                const count = gatherPatch(layer, x, oh, ow, group, rows, values);
                const place = (oh * outWidth + ow) * outputs;
                const first = group * groupOutputs;
                multiplyPatch(weight, bias, rows, values, count, first, first + groupOutputs, y, place);
            }
        }
    }
    return {output: y};
}

/** The numbers under a window that are not 0, each with the place of its row of weights; how many there are. */
export function gatherPatch(layer, x, oh, ow, group, rows, values) {
    const {kernelSize, stride, padding, groups} = layer.attributes;
    const [height, width, channels] = layer.inputShape;
    const outputs = layer.outputShape[2];
    const groupChannels = channels / groups;
    let count = 0;
    for (let i = 0; i < kernelSize[0]; i++) {
        const h = oh * stride[0] - padding[0] + i;
        if (h < 0 || h >= height) {
            continue;
        }
        for (let j = 0; j < kernelSize[1]; j++) {
            const w = ow * stride[1] - padding[1] + j;
            if (w < 0 || w >= width) {
                continue;
            }
            const start = (h * width + w) * channels + group * groupChannels;
            let row = (i * kernelSize[1] + j) * groupChannels * outputs;
            for (let c = 0; c < groupChannels; c++, row += outputs) {
                const value = x[start + c];
                if (value !== 0) {
                    rows[count] = row;
                    values[count] = value;
                    count++;
                }
            }
        }
    }
    return count;
}

/** Outputs from first to before end of one window, four at a time: their sums then stay in the processor. */
function multiplyPatch(weight, bias, rows, values, count, first, end, y, place) {
    let o = first;
    for (; o + 4 <= end; o += 4) {
        let sum0 = bias[o];
        let sum1 = bias[o + 1];
        let sum2 = bias[o + 2];
        let sum3 = bias[o + 3];
        for (let n = 0; n < count; n++) {
            const value = values[n];
            const at = rows[n] + o;
            sum0 += value * weight[at];
            sum1 += value * weight[at + 1];
            sum2 += value * weight[at + 2];
            sum3 += value * weight[at + 3];
        }
        y[place + o] = sum0;
        y[place + o + 1] = sum1;
        y[place + o + 2] = sum2;
        y[place + o + 3] = sum3;
    }
    for (; o < end; o++) {
        let sum = bias[o];
        for (let n = 0; n < count; n++) {
            sum += values[n] * weight[rows[n] + o];
        }
        y[place + o] = sum;
    }
}

/** Each output hands its gradient, times the weight, to every number that it has read. */
function convolutionBackward(layer, state, dy) {
    const {groups} = layer.attributes;
    const [outHeight, outWidth, outputs] = layer.outputShape;
    const groupOutputs = outputs / groups;
    const which = new Int32Array(groupOutputs);
    const values = new Float64Array(groupOutputs);
    const dx = new Float64Array(sizeOf(layer.inputShape));
    for (let oh = 0; oh < outHeight; oh++) {
        for (let ow = 0; ow < outWidth; ow++) {
            for (let group = 0; group < groups; group++) {
                let count = 0;
                for (let o = group * groupOutputs; o < (group + 1) * groupOutputs; o++) {
                    const value = dy[(oh * outWidth + ow) * outputs + o];
                    if (value !== 0) {
                        which[count] = o;
                        values[count] = value;
                        count++;
                    }
                }
                if (count > 0) {
                    spreadPatch(layer, oh, ow, group, which, values, count, dx);
                }
            }
        }
    }
    return dx;
}

/** Adds the gradients of the outputs of one window to those of the numbers under it. */
function spreadPatch(layer, oh, ow, group, which, values, count, dx) {
    const {weight} = layer.params;
    const {kernelSize, stride, padding, groups} = layer.attributes;
    const [height, width, channels] = layer.inputShape;
    const outputs = layer.outputShape[2];
    const groupChannels = channels / groups;
    for (let i = 0; i < kernelSize[0]; i++) {
        const h = oh * stride[0] - padding[0] + i;
        if (h < 0 || h >= height) {
            continue;
        }
        for (let j = 0; j < kernelSize[1]; j++) {
            const w = ow * stride[1] - padding[1] + j;
            if (w < 0 || w >= width) {
                continue;
            }
            const start = (h * width + w) * channels + group * groupChannels;
            let row = (i * kernelSize[1] + j) * groupChannels * outputs;
            for (let c = 0; c < groupChannels; c++, row += outputs) {
                let sum = 0;
                for (let n = 0; n < count; n++) {
                    sum += values[n] * weight[row + which[n]];
                }
                dx[start + c] += sum;
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------- pooling
/** The largest of each window, the first of equal ones; winners holds its index in the input. */
function maxPoolForward(layer, x) {
    const [, width, channels] = layer.inputShape;
    const [outHeight, outWidth] = layer.outputShape;
    const y = new Float64Array(sizeOf(layer.outputShape));
    const winners = new Int32Array(y.length);
    let place = 0;
    for (let oh = 0; oh < outHeight; oh++) {
        const {first: top, end: bottom} = windowAlong(layer, 0, oh);
        for (let ow = 0; ow < outWidth; ow++) {
            const {first: left, end: right} = windowAlong(layer, 1, ow);
            for (let c = 0; c < channels; c++, place++) {
                let winner = (top * width + left) * channels + c;
                let largest = x[winner];
                for (let h = top; h < bottom; h++) {
                    for (let w = left; w < right; w++) {
                        const at = (h * width + w) * channels + c;
                        if (x[at] > largest) {
                            largest = x[at];
                            winner = at;
                        }
                    }
                }
                y[place] = largest;
                winners[place] = winner;
            }
        }
    }
    return {output: y, winners};
}

function maxPoolBackward(layer, state, dy) {
    const dx = new Float64Array(sizeOf(layer.inputShape));
    for (let place = 0; place < dy.length; place++) {
        dx[state.winners[place]] += dy[place];
    }
    return dx;
}

/** Calls visit(place, start) for each window and each pixel under it: where the channels of the two begin. */
function eachPixelOfWindows(layer, visit) {
    const [, width, channels] = layer.inputShape;
    const [outHeight, outWidth] = layer.outputShape;
    for (let oh = 0; oh < outHeight; oh++) {
        const rows = windowAlong(layer, 0, oh);
        for (let ow = 0; ow < outWidth; ow++) {
            const columns = windowAlong(layer, 1, ow);
            const place = (oh * outWidth + ow) * channels;
            for (let h = rows.first; h < rows.end; h++) {
                for (let w = columns.first; w < columns.end; w++) {
                    visit(place, (h * width + w) * channels);
                }
            }
        }
    }
}

/** The sum of each window, channel by channel. */
function sumWindows(layer, x) {
    const channels = layer.inputShape[2];
    const sums = new Float64Array(sizeOf(layer.outputShape));
    eachPixelOfWindows(layer, (place, start) => {
        for (let c = 0; c < channels; c++) {
            sums[place + c] += x[start + c];
        }
    });
    return sums;
}

/** The reverse of sumWindows: each window's number is added to all places under it. */
function spreadWindows(layer, numbers) {
    const channels = layer.inputShape[2];
    const dx = new Float64Array(sizeOf(layer.inputShape));
    eachPixelOfWindows(layer, (place, start) => {
        for (let c = 0; c < channels; c++) {
            dx[start + c] += numbers[place + c];
        }
    });
    return dx;
}

/** Divides each window's numbers, in place, by the number of its elements. */
function divideByElements(layer, numbers) {
    const [outHeight, outWidth, channels] = layer.outputShape;
    let place = 0;
    for (let oh = 0; oh < outHeight; oh++) {
        for (let ow = 0; ow < outWidth; ow++) {
            const count = elementsOfWindow(layer, oh, ow);
            for (let c = 0; c < channels; c++, place++) {
                numbers[place] /= count;
            }
        }
    }
    return numbers;
}

function averagePoolForward(layer, x) {
    return {output: divideByElements(layer, sumWindows(layer, x))};
}

function averagePoolBackward(layer, state, dy) {
    return spreadWindows(layer, divideByElements(layer, dy.slice()));
}

/** LeNet-5's: a window's sum, scaled and shifted by two numbers per map. */
function subsamplingForward(layer, x) {
    const {weight, bias} = layer.params;
    const sums = sumWindows(layer, x);
    const channels = weight.length;
    return {output: sums.map((sum, index) => weight[index % channels] * sum + bias[index % channels])};
}

function subsamplingBackward(layer, state, dy) {
    const {weight} = layer.params;
    return spreadWindows(layer, dy.map((gradient, index) => gradient * weight[index % weight.length]));
}

// -------------------------------------------------------------------------------------------------- fully connected
function linearForward(layer, x) {
    const {weight, bias = new Float32Array(layer.outputShape[0])} = layer.params;
    const y = Float64Array.from(bias);
    for (let i = 0, start = 0; i < x.length; i++, start += y.length) {
        const value = x[i];
        if (value !== 0) {
            for (let o = 0; o < y.length; o++) {
                y[o] += value * weight[start + o];
            }
        }
    }
    return {output: y};
}

function linearBackward(layer, state, dy) {
    const {weight} = layer.params;
    const dx = new Float64Array(sizeOf(layer.inputShape));
    for (let i = 0, start = 0; i < dx.length; i++, start += dy.length) {
        let sum = 0;
        for (let o = 0; o < dy.length; o++) {
            sum += dy[o] * weight[start + o];
        }
        dx[i] = sum;
    }
    return dx;
}

/** Minus the squared distance from each prototype. */
function rbfForward(layer, x) {
    const {prototypes} = layer.params;
    const y = new Float64Array(sizeOf(layer.outputShape));
    for (let c = 0, start = 0; c < y.length; c++, start += x.length) {
        for (let j = 0; j < x.length; j++) {
            const difference = x[j] - prototypes[start + j];
            y[c] -= difference * difference;
        }
    }
    return {output: y};
}

function rbfBackward(layer, state, dy) {
    const {prototypes} = layer.params;
    const x = state.input;
    const dx = new Float64Array(x.length);
    for (let c = 0, start = 0; c < dy.length; c++, start += x.length) {
        for (let j = 0; j < x.length; j++) {
            dx[j] -= 2 * dy[c] * (x[j] - prototypes[start + j]);
        }
    }
    return dx;
}

/** The two passes of every kind, by the name of its Python class. */
export const PASSES = {
    Conv2d: {forward: convolutionForward, backward: convolutionBackward},
    MaxPool2d: {forward: maxPoolForward, backward: maxPoolBackward},
    AvgPool2d: {forward: averagePoolForward, backward: averagePoolBackward},
    Subsampling2d: {forward: subsamplingForward, backward: subsamplingBackward},
    LocalResponseNorm: NORMALISATION,
    BatchNorm2d: BATCH_NORM,
    ...Object.fromEntries(Object.entries(SQUASHING).map(([kind, how]) => [kind, squashing(how)])),
    Dropout: DROPOUT,
    Flatten: PASSING_ON,
    Linear: {forward: linearForward, backward: linearBackward},
    EuclideanRBF: {forward: rbfForward, backward: rbfBackward},
};
