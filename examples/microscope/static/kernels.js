/** The kernels of a convolution side by side, below each its gradient; a weight is chosen by pointer or keyboard. */

import {brief, make} from "./elements.js";
import {hoverOver} from "./hover.js";
import {boxOnSheet, drawSheet, largestOf, placeOnSheet} from "./sheets.js";
import {number} from "./terms.js";
import {flatIndex} from "./windows.js";

const GALLERY_WIDTH = 460; // pixels of a gallery
const LARGEST_CELL = 10; // pixels of a weight
const KERNEL_GAP = 3;
const MOST_KERNELS = 16; // kernels that are shown

export class KernelGallery {
    /**
     * @param {object} layer of the description, a convolution
     * @param {string} source what its kernels read: the name of the layer before
     * @param {function} choose is called with the gallery when a weight of it was chosen: `place` says which
     */
    constructor(layer, source, choose) {
        Object.assign(this, {layer, choose, name: layer.name, weight: layer.weights.weight});
        const [rows, columns, inputs, outputs] = this.weight.shape;
        this.count = Math.min(MOST_KERNELS, outputs);
        /** The weight that is chosen: row, column, input map, kernel. */
        this.place = [Math.floor(rows / 2), Math.floor(columns / 2), 0, 0];
        const fitting = Math.floor((GALLERY_WIDTH / this.count - KERNEL_GAP) / columns);
        const pixel = Math.max(2, Math.min(LARGEST_CELL, fitting));
        const [tileHeight, tileWidth] = [rows * pixel + KERNEL_GAP, columns * pixel + KERNEL_GAP];
        this.layout = {
            shape: [rows, columns, 2 * this.count], vector: false, pixel, gap: KERNEL_GAP, mapHeight: rows,
            mapWidth: columns, tileHeight, tileWidth,
            columns: this.count, maps: 2 * this.count, width: this.count * tileWidth - KERNEL_GAP,
            height: 2 * tileHeight - KERNEL_GAP,
        };
        this.canvas = make("canvas", {
            class: "kernels", tabindex: "0", role: "slider", "aria-valuemin": "0", "aria-valuenow": "0",
            "aria-valuemax": String(this.weight.shape.reduce((a, b) => a * b) - 1),
            "aria-label": `Kernels of ${layer.name} and their gradients; arrow keys move, Page Up and Page Down ` +
                "change the kernel, Enter takes the weight's last update apart",
            onpointerdown: (event) => this.point(event),
            onkeydown: (event) => this.press(event),
        });
        hoverOver(this.canvas, (x, y) => this.numberAt(x, y));
        this.canvas.style.setProperty("--width", `${this.layout.width}px`);
        const scale = () => make("span", {title: "the weight or gradient of the full colour"});
        this.scales = [scale(), scale()];
        const input = make("select", {onchange: () => {
            this.place[2] = input.selectedIndex;
            this.choose(this);
        }});
        input.append(...Array.from({length: inputs}, (_, map) => make("option", {}, `${source}, map ${map}`)));
        const shown = inputs === 1 ? [] : [make("label", {}, " for ", input)];
        const few = this.count < outputs ? `, the first ${this.count} of ${outputs}` : "";
        this.element = make("figure", {class: "gallery"},
            make("figcaption", {}, make("b", {}, layer.name), `: kernels${few}`, ...shown, this.scales[0],
                ", gradients below", this.scales[1]), this.canvas);
    }

    /** Where a weight lies in the parameters. */
    indexOf(place) {
        return this.weight.offset + flatIndex(place, this.weight.shape);
    }

    /** chosen: whether the weight at `place` has a frame. gradients may be null. */
    draw(snapshot, {colours, ink}, {edge, line}, chosen) {
        this.snapshot = snapshot;
        const {params, gradients} = snapshot;
        const {mapHeight, mapWidth, maps} = this.layout;
        const cells = new Float64Array(mapHeight * mapWidth * maps);
        const weights = this.cut(params);
        const slopes = this.cut(gradients ?? new Float32Array(params.length));
        const [largest, steepest] = [largestOf(weights), largestOf(slopes)];
        for (let index = 0; index < weights.length; index++) {
            const [pixel, kernel] = [Math.floor(index / this.count), index % this.count];
            cells[pixel * maps + kernel] = weights[index] / (largest || 1);
            cells[pixel * maps + this.count + kernel] = slopes[index] / (steepest || 1);
        }
        drawSheet(this.canvas, this.layout, cells, colours, 1, null, ink);
        this.scales[0].textContent = ` (\u00b1${brief(largest)})`;
        this.scales[1].textContent = steepest === 0 ? "" : ` (\u00b1${brief(steepest)})`;
        const [row, column, , kernel] = this.place;
        const context = this.canvas.getContext("2d");
        for (const map of chosen ? [kernel, this.count + kernel] : []) {
            const {left, top, width, height} = boxOnSheet(this.layout, [row, column, map]);
            for (const [lineWidth, strokeStyle] of [[3, edge], [1.5, line]]) {
                Object.assign(context, {lineWidth, strokeStyle});
                context.strokeRect(left, top, width, height);
            }
        }
        const at = this.indexOf(this.place);
        this.canvas.setAttribute("aria-valuenow", String(at - this.weight.offset));
        this.canvas.setAttribute("aria-valuetext", `${weightInWords(this.place)}: weight ${number(params[at])}` +
            (gradients === null ? "" : `, gradient ${number(gradients[at])}`));
    }

    /** The numbers of the shown kernels for the shown input map, [rows, columns, kernels]. */
    cut(numbers) {
        const [rows, columns] = this.weight.shape;
        return Float64Array.from({length: rows * columns * this.count}, (_, index) => {
            const [pixel, kernel] = [Math.floor(index / this.count), index % this.count];
            return numbers[this.indexOf([Math.floor(pixel / columns), pixel % columns, this.place[2], kernel])];
        });
    }

    point({offsetX, offsetY}) {
        const found = this.weightAt(offsetX, offsetY);
        if (found !== null) {
            this.place = found.place;
            this.choose(this);
        }
    }

    /** The weight under a point of the canvas, the numbers that it is shown by there, and their box. */
    weightAt(x, y) {
        const scale = this.layout.width / this.canvas.clientWidth; // a narrow page shows it smaller
        const at = placeOnSheet(this.layout, x * scale, y * scale);
        if (at === null) {
            return null;
        }
        const box = Object.entries(boxOnSheet(this.layout, at)).map(([side, length]) => [side, length / scale]);
        const of = at[2] < this.count ? "params" : "gradients";
        return {place: [at[0], at[1], this.place[2], at[2] % this.count], of, box: Object.fromEntries(box)};
    }

    numberAt(x, y) {
        const found = this.weightAt(x, y);
        const numbers = found === null || this.snapshot === undefined ? null : this.snapshot[found.of];
        return numbers === null ? null : {box: found.box, text: `${weightInWords(found.place)}: ` +
            `${found.of === "params" ? "weight" : "gradient"} ${number(numbers[this.indexOf(found.place)])}`};
    }

    press(event) {
        const step = {ArrowUp: [-1, 0, 0, 0], ArrowDown: [1, 0, 0, 0], ArrowLeft: [0, -1, 0, 0],
            ArrowRight: [0, 1, 0, 0], PageUp: [0, 0, 0, -1], PageDown: [0, 0, 0, 1], Enter: [0, 0, 0, 0]}[event.key];
        if (step !== undefined) {
            event.preventDefault();
            const [rows, columns, inputs] = this.weight.shape;
            const ends = [rows, columns, inputs, this.count];
            this.place = this.place.map((index, axis) => Math.min(ends[axis] - 1, Math.max(0, index + step[axis])));
            this.choose(this);
        }
    }
}

export function weightInWords([row, column, map, kernel]) {
    return `kernel ${kernel}, input map ${map}, row ${row}, column ${column}`;
}
