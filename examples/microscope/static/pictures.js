/** What is put under the microscope, made in the page: drawn, cut out, rotated, moved, made noisy. Levels are 0..255. */

import {uniformNumbers} from "./random.js";
import {sizeOf} from "./windows.js";

// ----------------------------------------------------------------------------------------------------------- drawing
const PEN = 1.15; // half the pen's width, in pixels of a digit of 28 x 28
const DIGIT = 20; // MNIST's digits are brought to this size and then centred by their mass

/**
 * The levels of a drawing, flat [height, width, 1]: light ink on black.
 * @param {number[][][]} strokes lines of points [x, y], from 0 to 1 over the drawing's width and height
 * @param {number[]} size [height, width]
 * @param {boolean} fitted whether the drawing is scaled and centred as MNIST's digits are
 */
export function drawnLevels(strokes, [height, width], fitted) {
    const points = strokes.flat();
    if (points.length === 0) {
        return new Uint8Array(height * width);
    }
    const unit = Math.min(height, width) / 28;
    const pen = PEN * unit;
    const placed = (scale, right, down) =>
        strokes.map((stroke) => stroke.map(([x, y]) => [x * width * scale + right, y * height * scale + down]));
    if (!fitted) {
        return inked(placed(1, 0, 0), height, width, pen);
    }
    const [xs, ys] = [points.map(([x]) => x * width), points.map(([, y]) => y * height)];
    const [left, top] = [Math.min(...xs), Math.min(...ys)];
    const [wide, high] = [Math.max(...xs) - left, Math.max(...ys) - top];
    const scale = (DIGIT * unit - 2 * pen) / Math.max(wide, high, 4 * unit); // a dot stays a dot
    const right = width / 2 - (left + wide / 2) * scale;
    const down = height / 2 - (top + high / 2) * scale;
    const [massX, massY] = centreOfMass(inked(placed(scale, right, down), height, width, pen), width);
    return inked(placed(scale, right + width / 2 - massX, down + height / 2 - massY), height, width, pen);
}

/** Lines of points in pixels, drawn with a round pen: a pixel is as light as the pen covers it. */
function inked(lines, height, width, pen) {
    const levels = new Uint8Array(height * width);
    for (const line of lines) {
        for (let index = 0; index < line.length; index++) {
            inkSegment(levels, height, width, pen, line[Math.max(0, index - 1)], line[index]);
        }
    }
    return levels;
}

function inkSegment(levels, height, width, pen, [fromX, fromY], [toX, toY]) {
    const [dx, dy] = [toX - fromX, toY - fromY];
    const squared = dx * dx + dy * dy;
    const reach = pen + 1;
    const from = (low) => Math.max(0, Math.floor(low - reach));
    const lastRow = Math.min(height - 1, Math.ceil(Math.max(fromY, toY) + reach));
    const lastColumn = Math.min(width - 1, Math.ceil(Math.max(fromX, toX) + reach));
    for (let row = from(Math.min(fromY, toY)); row <= lastRow; row++) {
        for (let column = from(Math.min(fromX, toX)); column <= lastColumn; column++) {
            const [x, y] = [column + 0.5 - fromX, row + 0.5 - fromY];
            const along = squared === 0 ? 0 : Math.min(1, Math.max(0, (x * dx + y * dy) / squared));
            const distance = Math.hypot(x - along * dx, y - along * dy);
            const level = Math.round(255 * Math.min(1, Math.max(0, pen + 0.5 - distance)));
            levels[row * width + column] = Math.max(levels[row * width + column], level);
        }
    }
}

function centreOfMass(levels, width) {
    let [mass, x, y] = [0, 0, 0];
    levels.forEach((level, index) => {
        mass += level;
        x += level * (index % width + 0.5);
        y += level * (Math.floor(index / width) + 0.5);
    });
    return [x / mass, y / mass];
}

// ------------------------------------------------------------------------------------------------------- cutting out
/**
 * A part of an image brought to a size, as Pillow's BICUBIC does it: first along the rows, then along the columns.
 * @param {{levels: Uint8Array, shape: number[]}} picture
 * @param {{top: number, left: number, height: number, width: number}} part in pixels, which need not be whole
 * @param {number[]} size [height, width]
 */
export function cutOut({levels, shape}, part, [height, width]) {
    const [rows, columns, channels] = shape;
    const across = new Uint8ClampedArray(rows * width * channels);
    resamplingWeights(columns, part.left, part.width, width).forEach(({first, weights}, column) => {
        for (let row = 0; row < rows; row++) {
            for (let c = 0; c < channels; c++) {
                let sum = 0;
                for (let n = 0; n < weights.length; n++) {
                    sum += weights[n] * levels[(row * columns + first + n) * channels + c];
                }
                across[(row * width + column) * channels + c] = sum; // which rounds, and stays within 0..255
            }
        }
    });
    const result = new Uint8ClampedArray(height * width * channels);
    const rowLength = width * channels;
    resamplingWeights(rows, part.top, part.height, height).forEach(({first, weights}, row) => {
        for (let place = 0; place < rowLength; place++) {
            let sum = 0;
            for (let n = 0; n < weights.length; n++) {
                sum += weights[n] * across[(first + n) * rowLength + place];
            }
            result[row * rowLength + place] = sum;
        }
    });
    return new Uint8Array(result.buffer);
}

/** For each new pixel along one axis, which old ones it is made of and with what weights. */
function resamplingWeights(length, start, extent, newLength) {
    const scale = extent / newLength;
    const stretch = Math.max(1, scale); // where the image shrinks, the filter grows: it averages
    return Array.from({length: newLength}, (_, index) => {
        const centre = start + (index + 0.5) * scale;
        const first = Math.max(0, Math.floor(centre - 2 * stretch + 0.5));
        const end = Math.min(length, Math.floor(centre + 2 * stretch + 0.5));
        const weights = Array.from({length: end - first}, (_, n) => bicubic((first + n + 0.5 - centre) / stretch));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        return {first, weights: weights.map((weight) => weight / total)};
    });
}

/** Keys' cubic with a = -1/2 (Keys 1981, equation 15). */
function bicubic(distance) {
    const x = Math.abs(distance);
    if (x < 1) {
        return (1.5 * x - 2.5) * x * x + 1;
    }
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// ------------------------------------------------------------------------------------------------------- experiments
/**
 * The image rotated, moved and made noisy; pixels beside it are like those at its border.
 * @param {Uint8Array} levels flat, of this shape
 * @param {{angle: number, right: number, down: number, noise: number}} effects angle in degrees, clockwise; right and
 *     down in pixels; noise as the standard deviation of what is added to the levels
 */
export function experimented(levels, shape, {angle, right, down, noise}) {
    const moved = angle === 0 && right === 0 && down === 0 ? levels : turned(levels, shape, angle, right, down);
    if (noise === 0) {
        return moved;
    }
    const normal = normalNumbers();
    return Uint8Array.from(moved, (level) => Math.min(255, Math.max(0, Math.round(level + noise * normal()))));
}

function turned(levels, shape, angle, right, down) {
    const [height, width, channels] = shape;
    const [cosine, sine] = [Math.cos(angle * Math.PI / 180), Math.sin(angle * Math.PI / 180)];
    const result = new Uint8Array(sizeOf(shape));
    for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
            // Where the pixel comes from: the way back, moved first and then rotated about the middle.
            const [x, y] = [column - right - (width - 1) / 2, row - down - (height - 1) / 2];
            const fromColumn = cosine * x + sine * y + (width - 1) / 2;
            const fromRow = cosine * y - sine * x + (height - 1) / 2;
            for (let c = 0; c < channels; c++) {
                const level = between(levels, shape, fromRow, fromColumn, c);
                result[(row * width + column) * channels + c] = Math.round(level);
            }
        }
    }
    return result;
}

/** The level between four pixels, by its distances from them. */
function between(levels, [height, width, channels], row, column, c) {
    const level = (h, w) => {
        const [inRow, inColumn] = [Math.min(height - 1, Math.max(0, h)), Math.min(width - 1, Math.max(0, w))];
        return levels[(inRow * width + inColumn) * channels + c];
    };
    const [top, left] = [Math.floor(row), Math.floor(column)];
    const [low, far] = [row - top, column - left];
    return (1 - low) * ((1 - far) * level(top, left) + far * level(top, left + 1))
        + low * ((1 - far) * level(top + 1, left) + far * level(top + 1, left + 1));
}

/** Normally distributed numbers, always the same: noise that moved by itself would hide what a slider does. */
function normalNumbers() {
    const uniform = uniformNumbers(1);
    return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()); // Box and Muller 1958
}
