/** Dead and saturated units and maps: marked on the sheets of numbers, and counted in words. */

import {make} from "./elements.js";
import {boxOnSheet} from "./sheets.js";

/** What trainer.js says of a unit. */
const [ALIVE, DEAD, SATURATED] = [0, 1, 2];
const MARK_SIDE = 14; // pixels of a mark among words

/** Of each unit of a vector, or of each map: it is dead or saturated if all its units are. */
function ofMaps(units, shape) {
    const maps = shape[shape.length - 1];
    return Uint8Array.from({length: maps}, (_, map) => {
        const kind = units[map];
        for (let index = map; index < units.length; index += maps) {
            if (units[index] !== kind) {
                return ALIVE;
            }
        }
        return kind;
    });
}

/** Crosses out what is dead, and draws a bar over and under what is saturated. */
export function drawUnitMarks(canvas, layout, units, ink) {
    const context = canvas.getContext("2d");
    ofMaps(units, layout.shape).forEach((kind, map) => {
        if (kind === ALIVE || layout.only !== undefined && layout.only !== map) {
            return;
        }
        const {left, top} = boxOnSheet(layout, layout.vector ? [map] : [0, 0, map]);
        const [width, height] = [layout.mapWidth * layout.pixel, layout.mapHeight * layout.pixel];
        drawMark(context, kind, {left, top, width, height}, ink);
    });
}

function drawMark(context, kind, {left, top, width, height}, ink) {
    const thick = Math.min(3, Math.max(1, Math.round(Math.min(width, height) / 8)));
    if (kind === DEAD) {
        Object.assign(context, {strokeStyle: ink, lineWidth: Math.max(1, thick / 2)});
        context.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
        context.beginPath();
        context.moveTo(left, top);
        context.lineTo(left + width, top + height);
        context.moveTo(left + width, top);
        context.lineTo(left, top + height);
        context.stroke();
    } else {
        context.fillStyle = ink;
        context.fillRect(left, top, width, thick);
        context.fillRect(left, top + height - thick, width, thick);
    }
}

/**
 * How many are dead or saturated, a paragraph for each of the two that there is, with its mark.
 * @param {Object<string, Uint8Array>} units of the activations, by their names
 * @param {object[]} layers of the network's description
 */
export function unitsInWords(units, layers, ink) {
    const paragraphs = [[DEAD, "Dead, 0 for every digit"], [SATURATED, "Saturated, too flat for a gradient"]];
    return paragraphs.flatMap(([kind, words]) => {
        const found = Object.entries(units).flatMap(([name, kinds]) => {
            const place = layers.findIndex((layer) => layer.name === name);
            return countOf(kind, layers[place - 1].name, kinds, layers[place].output_shape);
        });
        if (found.length === 0) {
            return [];
        }
        const canvas = make("canvas", {class: "unit-mark", width: MARK_SIDE, height: MARK_SIDE, "aria-hidden": "true"});
        drawMark(canvas.getContext("2d"), kind, {left: 0, top: 0, width: MARK_SIDE, height: MARK_SIDE}, ink);
        return [make("p", {class: "hint"}, canvas, ` ${words}: ${found.join("; ")}.`)];
    });
}

/** Such as ["conv2: 3 of 16 maps"]; [] where there is none. name: of the layer whose outputs are squashed. */
function countOf(kind, name, kinds, shape) {
    const maps = ofMaps(kinds, shape);
    const count = maps.filter((each) => each === kind).length;
    return count === 0 ? [] : [`${name}: ${count} of ${maps.length} ${shape.length === 3 ? "maps" : "units"}`];
}
