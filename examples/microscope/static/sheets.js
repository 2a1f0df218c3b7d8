/** The maps of a volume, or the units of a vector, side by side on a canvas: each number is a square of its own. */

import {sizeOf} from "./windows.js";

/**
 * What a sheet may take in the row of all layers, in pixels: its height; its width, where the maps can be made small
 * enough, of maps and of a vector; and the side of a number's square in a map and in a vector.
 */
export const ROOMY = {highest: 264, widest: 264, longest: 264, pixel: 12, unit: 12};
const MAP_GAP = 3;
const UNIT_GAP = 1;
const LEAST_HEIGHT = 100; // pixels of a sheet whose maps cannot be made small enough, or it would be a long line
const MOST_SEEN_UNITS = 1000; // of a vector whose units are never smaller than 3 pixels
const NAMED_UNITS = 12; // of a last layer with so few classes, each unit gets a line with its name

/** From blue through the page's background to orange; silenced numbers are grey. */
const PALETTES = {
    light: {negative: [6, 82, 165], zero: [255, 255, 255], positive: [190, 66, 0], silenced: [190, 190, 190]},
    dark: {negative: [104, 176, 255], zero: [20, 23, 28], positive: [255, 164, 84], silenced: [80, 80, 80]},
};
const STEPS = 255;

/** A palette as colours for a canvas: of -1 the first, of 0 the middle one, of 1 the last, then the silenced. */
export function makeColours(dark) {
    const {negative, zero, positive, silenced} = PALETTES[dark ? "dark" : "light"];
    const packed = (parts) => {
        const [red, green, blue] = parts.map(Math.round);
        return 255 << 24 | blue << 16 | green << 8 | red;
    };
    const colours = new Int32Array(2 * STEPS + 2);
    for (let step = -STEPS; step <= STEPS; step++) {
        const share = Math.abs(step) / STEPS;
        const towards = step < 0 ? negative : positive;
        colours[step + STEPS] = packed(zero.map((from, part) => from + share * (towards[part] - from)));
    }
    colours[2 * STEPS + 1] = packed(silenced);
    return colours;
}

/** The colour of a number as CSS has it, and whether white text is easier to read on it. */
export function colourOf(colours, value, largest) {
    const packed = colours[STEPS + Math.round(STEPS * Math.min(1, Math.max(-1, value / (largest || 1))))];
    const parts = [packed & 255, packed >> 8 & 255, packed >> 16 & 255];
    const [red, green, blue] = parts.map((part) => (part / 255) ** 2.2);
    const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    return {css: `rgb(${parts.join(" ")})`, whiteText: luminance < 0.179}; // where white and black stand out alike
}

/** The smallest and the largest of the numbers. */
export function rangeOf(values) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
        low = Math.min(low, value);
        high = Math.max(high, value);
    }
    return [low, high];
}

/** The largest magnitude. */
export function largestOf(values) {
    const [low, high] = rangeOf(values);
    return Math.max(-low, high, 0);
}

/** How a volume [H, W, C] or a vector [F] is laid out: see `layOut`. */
function tiled(shape, pixel, highest) {
    const vector = shape.length === 1;
    const [mapHeight, mapWidth, maps] = vector ? [1, 1, shape[0]] : shape;
    const gap = vector ? UNIT_GAP : MAP_GAP;
    const [tileHeight, tileWidth] = [mapHeight * pixel + gap, mapWidth * pixel + gap];
    const rows = Math.min(maps, Math.max(1, Math.floor((highest + gap) / tileHeight)));
    const columns = Math.ceil(maps / rows);
    return {
        shape, vector, pixel, gap, mapHeight, mapWidth, tileHeight, tileWidth, columns, maps,
        width: columns * tileWidth - gap, height: Math.ceil(maps / columns) * tileHeight - gap,
    };
}

/** The largest layout that fits. names: of the units, which have a line each where they are few; or null. */
export function layOut(shape, names, {highest, widest, longest, pixel: largest, unit} = ROOMY) {
    if (names !== null && shape[0] <= NAMED_UNITS) {
        const line = Math.min(Math.floor(highest / shape[0]), Math.max(14, 2 * unit - 2));
        const gap = Math.ceil(line / 5);
        const layout = {...tiled(shape, line - gap, highest), named: true, columns: 1, tileHeight: line, gap};
        const letters = Math.max(...names.map(({length}) => length));
        return {...layout, width: Math.min(widest, Math.ceil((2 + 0.6 * letters) * line)), height: shape[0] * line - gap};
    }
    const vector = shape.length === 1;
    for (let pixel = vector ? unit : largest; pixel > 1; pixel--) {
        const layout = tiled(shape, pixel, highest);
        if (layout.width <= (vector ? longest : widest) && layout.height <= highest) {
            return layout;
        }
    }
    // The many numbers of a large network: the sheet is larger than it should be.
    return tiled(shape, vector && shape[0] <= MOST_SEEN_UNITS ? 3 : 1, Math.max(highest, LEAST_HEIGHT));
}

/** Where a number lies on the sheet. */
export function boxOnSheet(layout, at) {
    const map = layout.only === undefined ? at[at.length - 1] : 0;
    const [row, column] = layout.vector ? [0, 0] : at;
    return {
        left: (map % layout.columns) * layout.tileWidth + column * layout.pixel,
        top: Math.floor(map / layout.columns) * layout.tileHeight + row * layout.pixel,
        width: layout.pixel,
        height: layout.pixel,
    };
}

/** The place of the number that lies under a point of the sheet, or null between the maps. */
export function placeOnSheet(layout, x, y) {
    const [mapColumn, mapRow] = [Math.floor(x / layout.tileWidth), Math.floor(y / layout.tileHeight)];
    const map = layout.named ? mapRow : mapRow * layout.columns + mapColumn;
    const row = Math.floor((y - mapRow * layout.tileHeight) / layout.pixel);
    const column = layout.named ? 0 : Math.floor((x - mapColumn * layout.tileWidth) / layout.pixel);
    const inside = map >= 0 && map < layout.maps && (layout.named || mapColumn < layout.columns)
        && row >= 0 && row < layout.mapHeight && column >= 0 && column < layout.mapWidth;
    return !inside ? null : layout.vector ? [map] : [row, column, layout.only ?? map];
}

/** How one map of [H, W, C], the only one, is laid out by itself, in a square of `side` pixels. */
export function layOutMap(shape, side, only) {
    const [height, width] = shape;
    const pixel = Math.max(1, Math.floor(side / Math.max(height, width)));
    return {...tiled([height, width, 1], pixel, Infinity), shape, only};
}

/**
 * Draws all numbers.
 * @param {number} largest the magnitude that gets the full colour
 * @param {Uint8Array|null} silenced 1 where a number was switched off
 * @param {string} ink of the lines between the maps, without which white ones run together
 */
export function drawSheet(canvas, layout, values, colours, largest, silenced, ink) {
    if (canvas.width !== layout.width || canvas.height !== layout.height) {
        [canvas.width, canvas.height] = [layout.width, layout.height]; // which takes time even if they had it
    }
    const context = canvas.getContext("2d");
    const image = context.createImageData(layout.width, layout.height);
    const pixels = new Int32Array(image.data.buffer);
    const scale = largest === 0 ? 0 : STEPS / largest;
    const {pixel, maps, mapHeight, mapWidth, only = 0} = layout;
    const apart = layout.shape[layout.shape.length - 1]; // from a map's number to its next
    for (let map = 0; map < maps; map++) {
        const {left, top} = boxOnSheet(layout, layout.vector ? [map] : [0, 0, map]);
        for (let place = 0, index = only + map; place < mapHeight * mapWidth; place++, index += apart) {
            const off = silenced !== null && silenced[index];
            const colour = colours[off ? 2 * STEPS + 1 : STEPS + Math.round(scale * values[index])];
            const column = place % mapWidth;
            const first = (top + (place - column) / mapWidth * pixel) * layout.width + left + column * pixel;
            for (let start = first; start < first + pixel * layout.width; start += layout.width) {
                pixels.fill(colour, start, start + pixel);
            }
        }
    }
    context.putImageData(image, 0, 0);
    if (!layout.vector) {
        Object.assign(context, {strokeStyle: ink, lineWidth: 1, globalAlpha: 0.3});
        for (let map = 0; map < maps; map++) {
            const {left, top} = boxOnSheet(layout, [0, 0, map]);
            context.strokeRect(left - 1.5, top - 1.5, mapWidth * pixel + 3, mapHeight * pixel + 3);
        }
        context.globalAlpha = 1;
    }
}

/** Writes the names beside the units of a named layout. */
export function writeNames(canvas, layout, names, ink) {
    const context = canvas.getContext("2d");
    context.fillStyle = ink;
    context.font = `${Math.max(10, Math.round(0.68 * layout.tileHeight))}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    names.forEach((name, unit) => context.fillText(name, layout.pixel + 7,
        unit * layout.tileHeight + layout.pixel / 2 + 1, layout.width - layout.pixel - 7));
}

/** The levels of an image, grey or coloured, on a canvas of its own size. */
export function drawPicture(canvas, levels, [height, width, channels]) {
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let place = 0; place < sizeOf([height, width]); place++) {
        for (let part = 0; part < 3; part++) {
            image.data[4 * place + part] = levels[place * channels + (channels === 1 ? 0 : part)];
        }
        image.data[4 * place + 3] = 255;
    }
    context.putImageData(image, 0, 0);
}
