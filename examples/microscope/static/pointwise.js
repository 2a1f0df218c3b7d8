/**
 * The layers whose outputs have their inputs' places: the squashing functions, local response normalisation, dropout,
 * and those that pass their input on. Forward and backward as in layers.js.
 */

/**
 * The squashing functions: value(x), slope(x, y), and both in words with their number: x, or y = value(x) for the slope
 * (for the ReLU's too it is x).
 * A is the amplitude and S the slope of the scaled tanh, which are the layer's attributes.
 */
export const SQUASHING = {
    ReLU: {
        value: (x) => Math.max(0, x),
        slope: (x) => (x > 0 ? 1 : 0),
        valueText: (x) => `max(0, ${x})`,
        slopeText: (x) => `(1 if x ${x} > 0 else 0)`,
    },
    ELU: {
        value: (x, {alpha}) => (x > 0 ? x : alpha * Math.expm1(x)),
        slope: (x, y, {alpha}) => (y > 0 ? 1 : y + alpha),
        valueText: (x, {alpha}) => `(${x} if it is above 0, else ${alpha} * (exp(${x}) - 1))`,
        slopeText: (y, {alpha}) => `(1 if y ${y} > 0 else y ${y} + ${alpha})`,
    },
    Sigmoid: {
        value: (x) => 1 / (1 + Math.exp(-x)),
        slope: (x, y) => y * (1 - y),
        valueText: (x) => `1 / (1 + exp(${x.startsWith("-") ? x.slice(1) : `-${x}`}))`,
        slopeText: (y) => `y ${y} * (1 - ${y})`,
    },
    Tanh: {
        value: (x) => Math.tanh(x),
        slope: (x, y) => 1 - y * y,
        valueText: (x) => `tanh(${x})`,
        slopeText: (y) => `(1 - (y ${y})^2)`,
    },
    ScaledTanh: {
        value: (x, {amplitude, slope}) => amplitude * Math.tanh(slope * x),
        slope: (x, y, {amplitude, slope}) => slope * (amplitude - y * y / amplitude),
        valueText: (x, {amplitude}) => `${amplitude} * tanh(2/3 * ${x})`,
        slopeText: (y, {amplitude}) => `2/3 * (${amplitude} - (y ${y})^2 / ${amplitude})`,
    },
};

/** The two passes of a squashing function. */
export function squashing({value, slope}) {
    return {
        forward(layer, x) {
            const y = new Float64Array(x.length);
            for (let index = 0; index < x.length; index++) {
                y[index] = value(x[index], layer.attributes);
            }
            return {output: y};
        },
        backward(layer, state, dy) {
            const dx = new Float64Array(dy.length);
            for (let index = 0; index < dy.length; index++) {
                dx[index] = dy[index] * slope(state.input[index], state.output[index], layer.attributes);
            }
            return dx;
        },
    };
}

// ------------------------------------------------------------------------------------- local response normalisation
/**
 * The neighbours of a place, itself included, as a box of rows, columns and channels, each from the first to before
 * the second: across the channels of a pixel, or within the map of a channel.
 */
export function neighbours(layer, h, w, c) {
    const [height, width, channels] = layer.inputShape;
    const half = Math.floor(layer.attributes.size / 2);
    const around = (middle, length) => [Math.max(0, middle - half), Math.min(length, middle + half + 1)];
    if (layer.attributes.region === "across") {
        return {rows: [h, h + 1], columns: [w, w + 1], channels: around(c, channels)};
    }
    return {rows: around(h, height), columns: around(w, width), channels: [c, c + 1]};
}

/** For every place the sum of the numbers of its neighbours: numbers has the shape of the layer's input. */
function sumNeighbours(layer, numbers) {
    return layer.attributes.region === "across" ? sumAcross(layer, numbers) : sumWithin(layer, numbers);
}

function sumAcross(layer, numbers) {
    const channels = layer.inputShape[2];
    const half = Math.floor(layer.attributes.size / 2);
    const sums = new Float64Array(numbers.length);
    for (let pixel = 0; pixel < numbers.length; pixel += channels) {
        for (let c = 0; c < channels; c++) {
            const end = Math.min(channels, c + half + 1);
            let sum = 0;
            for (let neighbour = Math.max(0, c - half); neighbour < end; neighbour++) {
                sum += numbers[pixel + neighbour];
            }
            sums[pixel + c] = sum;
        }
    }
    return sums;
}

function sumWithin(layer, numbers) {
    const [height, width, channels] = layer.inputShape;
    const half = Math.floor(layer.attributes.size / 2);
    const sums = new Float64Array(numbers.length);
    for (let h = 0; h < height; h++) {
        const bottom = Math.min(height, h + half + 1);
        for (let w = 0; w < width; w++) {
            const right = Math.min(width, w + half + 1);
            const place = (h * width + w) * channels;
            for (let row = Math.max(0, h - half); row < bottom; row++) {
                for (let column = Math.max(0, w - half); column < right; column++) {
                    const start = (row * width + column) * channels;
                    for (let c = 0; c < channels; c++) {
                        sums[place + c] += numbers[start + c];
                    }
                }
            }
        }
    }
    return sums;
}

/** y = x / s^beta. The state keeps s = k + alpha * the neighbours' squares, as denominators. */
function normalisationForward(layer, x) {
    const {alpha, beta, k} = layer.attributes;
    const squares = new Float64Array(x.length);
    for (let index = 0; index < x.length; index++) {
        squares[index] = x[index] * x[index];
    }
    const denominators = sumNeighbours(layer, squares);
    const y = new Float64Array(x.length);
    for (let index = 0; index < x.length; index++) {
        denominators[index] = k + alpha * denominators[index];
        y[index] = x[index] * Math.pow(denominators[index], -beta);
    }
    return {output: y, denominators};
}

/** dx = dy / s^beta - 2 alpha beta x * the sum of the neighbours' dy * y / s. */
function normalisationBackward(layer, state, dy) {
    const {alpha, beta} = layer.attributes;
    const {input, denominators} = state;
    const powers = new Float64Array(dy.length);
    const shares = new Float64Array(dy.length);
    for (let index = 0; index < dy.length; index++) {
        powers[index] = Math.pow(denominators[index], -beta);
        shares[index] = dy[index] * input[index] * powers[index] / denominators[index];
    }
    const dx = sumNeighbours(layer, shares);
    for (let index = 0; index < dy.length; index++) {
        dx[index] = dy[index] * powers[index] - 2 * alpha * beta * input[index] * dx[index];
    }
    return dx;
}

export const NORMALISATION = {forward: normalisationForward, backward: normalisationBackward};

// ---------------------------------------------------------------------------------------------- batch normalisation
/** w / sqrt(variance + epsilon) of a channel, with the running average: as outside training. */
export function batchNormFactor({params: {weight, running_variance: variance}, attributes: {epsilon}}, channel) {
    return weight[channel] / Math.sqrt(variance[channel] + epsilon);
}

export const BATCH_NORM = {
    forward(layer, x) {
        const {bias, running_mean: mean} = layer.params;
        const factors = Float64Array.from(bias, (_, channel) => batchNormFactor(layer, channel));
        return {output: x.map((value, index) => {
            const channel = index % factors.length;
            return (value - mean[channel]) * factors[channel] + bias[channel];
        })};
    },
    backward(layer, state, dy) {
        const factors = Float64Array.from(layer.params.weight, (_, channel) => batchNormFactor(layer, channel));
        return dy.map((gradient, index) => gradient * factors[index % factors.length]);
    },
};

/** What dropout multiplies a unit by: 1 outside training, where there is no mask; in training 1 / (1 - p), or 0. */
export function dropoutFactor(layer, mask, index) {
    return mask === null ? 1 : mask[index] ? 1 / (1 - layer.attributes.p) : 0;
}

/** mask: 1 for each unit that goes through, or null outside training. */
export const DROPOUT = {
    forward: (layer, x, mask) => ({
        output: mask === null ? x : x.map((value, index) => value * dropoutFactor(layer, mask, index)), mask,
    }),
    backward: (layer, {mask}, dy) =>
        (mask === null ? dy : dy.map((value, index) => value * dropoutFactor(layer, mask, index))),
};

/** Flatten, of which the flat array knows nothing. */
export const PASSING_ON = {
    forward: (layer, x) => ({output: x}),
    backward: (layer, state, dy) => dy,
};
