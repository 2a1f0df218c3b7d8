/**
 * Places in arrays, and the windows that layers slide over them. Arrays are flat, of shape [H, W, C] with the channel
 * fastest, as Python has them, or [features].
 */

/** The index in a flat array of a place such as [h, w, c] or [i]. */
export function flatIndex(place, shape) {
    let index = 0;
    for (let axis = 0; axis < shape.length; axis++) {
        index = index * shape[axis] + place[axis];
    }
    return index;
}

/** The place of a flat array's element: the reverse of flatIndex. */
export function placeOf(index, shape) {
    const place = new Array(shape.length);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
        place[axis] = index % shape[axis];
        index = Math.floor(index / shape[axis]);
    }
    return place;
}

/** How many numbers an array of this shape holds. */
export function sizeOf(shape) {
    return shape.reduce((product, length) => product * length, 1);
}

/** Throws a RangeError unless the array of this shape has this place. */
export function checkPlace(place, shape, what) {
    const fits = place.length === shape.length && place.every(
        (index, axis) => Number.isInteger(index) && index >= 0 && index < shape[axis]);
    if (!fits) {
        throw new RangeError(`${what} has the shape [${shape.join(", ")}] and no place [${place.join(", ")}]`);
    }
}

/**
 * The part of an output's window that lies inside the image, along one axis (0: rows, 1: columns).
 * @returns {{first: number, end: number, start: number}} the places from first to before end; start is where the
 *     kernel's element 0 lies, which may be outside.
 */
export function windowAlong(layer, axis, output) {
    const {kernelSize, stride, padding} = layer.attributes;
    const start = output * stride[axis] - padding[axis];
    return {
        first: Math.max(0, start),
        end: Math.min(layer.inputShape[axis], start + kernelSize[axis]),
        start,
    };
}

/** The outputs whose windows hold a place of the image, along one axis: from first to before end. */
export function outputsOver(layer, axis, place) {
    const {kernelSize, stride, padding} = layer.attributes;
    const near = place + padding[axis];
    const first = Math.max(0, Math.ceil((near - kernelSize[axis] + 1) / stride[axis]));
    const end = Math.min(layer.outputShape[axis], Math.floor(near / stride[axis]) + 1);
    return {first, end};
}

/**
 * How many elements an average divides by: those of the window inside the padded image, fewer where it runs off the
 * far edge.
 */
export function elementsOfWindow(layer, oh, ow) {
    const {kernelSize, stride, padding} = layer.attributes;
    let count = 1;
    for (let axis = 0; axis < 2; axis++) {
        const room = layer.inputShape[axis] + 2 * padding[axis] - (axis === 0 ? oh : ow) * stride[axis];
        count *= Math.min(kernelSize[axis], room);
    }
    return count;
}
