/** Loss and accuracy over the steps of training, as curves. */

import {make} from "./elements.js";

const [LEFT, TOP, BOTTOM, RIGHT] = [3.2, 0.7, 1.6, 0.6]; // around what is drawn, in sizes of the letters
const FEWEST_STEPS = 50; // steps
const HIGHEST_LOSS = 8; // larger ones leave the picture at its top
const NEWEST_WEIGHT = 0.05; // of the newest step in the running mean

export class Curves {
    /** classes: among how many one guesses. */
    constructor(classes) {
        this.guessing = Math.log(classes);
        const canvas = () => make("canvas", {class: "curve", role: "img"});
        [this.lossCanvas, this.accuracyCanvas] = [canvas(), canvas()];
        this.element = make("div", {class: "curves"},
            make("figure", {}, make("figcaption", {}, "Loss of each step, running mean (dashed: guessing)"),
                this.lossCanvas),
            make("figure", {}, make("figcaption", {}, "Accuracy on images that it does not learn from"),
                this.accuracyCanvas));
        this.clear();
    }

    clear() {
        Object.assign(this, {losses: [], means: [], held: []});
    }

    get steps() {
        return this.losses.length;
    }

    /** The running mean of the loss, or NaN before the first step. */
    get loss() {
        return this.means.length === 0 ? NaN : this.means[this.means.length - 1];
    }

    /** The newest accuracy on the other digits, or null. */
    get accuracy() {
        return this.held.length === 0 ? null : this.held[this.held.length - 1][2];
    }

    /** Takes the losses of a snapshot's steps, which go on from those that there are. */
    add({losses, held}) {
        for (const loss of losses) {
            // The mean of what there is at first, so that the first steps weigh no more than the others.
            const weight = Math.max(NEWEST_WEIGHT, 1 / (this.steps + 1));
            const before = this.steps === 0 ? loss : this.loss;
            this.losses.push(loss);
            this.means.push(before + weight * (loss - before));
        }
        this.held.push(...held);
    }

    draw() {
        const style = getComputedStyle(document.documentElement);
        const colour = (name) => style.getPropertyValue(name).trim();
        const colours = {ink: colour("--quiet"), line: colour("--line"), strong: colour("--accent"),
            other: colour("--other")};
        const axis = Math.max(FEWEST_STEPS, this.steps);
        const most = this.means.reduce((largest, mean) => Math.max(largest, mean), 1.15 * this.guessing);
        const top = Math.min(HIGHEST_LOSS, Math.ceil(2 * most) / 2);
        const loss = new Plot(this.lossCanvas, axis, top, colours);
        loss.axes([[0, "0"], [this.guessing, this.guessing.toFixed(1)], [top, String(top)]]);
        loss.dashed(this.guessing);
        loss.spread(this.losses);
        loss.curve(this.means.map((mean, index) => [index + 1, mean]));
        const accuracy = new Plot(this.accuracyCanvas, axis, 1, colours);
        accuracy.axes([[0, "0 %"], [0.5, "50 %"], [0.9, "90 %"]]);
        accuracy.dashed(Math.exp(-this.guessing));
        accuracy.curve(this.held.map(([step, , share]) => [step, share]), true);
        const now = this.accuracy === null ? "" : `, now ${(100 * this.accuracy).toFixed(1)} %`;
        this.lossCanvas.setAttribute("aria-label", `Loss over ${this.steps} steps, now ` +
            `${Number.isNaN(this.loss) ? "none" : this.loss.toFixed(2)}; guessing has ${this.guessing.toFixed(2)}`);
        this.accuracyCanvas.setAttribute("aria-label", `Accuracy over ${this.steps} steps${now}`);
    }
}

/** A canvas with steps along it and a number from 0 to top upwards. */
class Plot {
    constructor(canvas, steps, top, colours) {
        const ratio = devicePixelRatio;
        const {clientWidth: width, clientHeight: height} = canvas;
        [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
        this.context = canvas.getContext("2d");
        this.context.scale(ratio, ratio);
        const size = parseFloat(getComputedStyle(canvas).fontSize);
        Object.assign(this, {steps, top, colours, size, left: LEFT * size, right: width - RIGHT * size,
            above: TOP * size, bottom: height - BOTTOM * size});
    }

    x(step) {
        return this.left + step / this.steps * (this.right - this.left);
    }

    y(value) {
        return this.bottom - Math.min(1, Math.max(0, value / this.top)) * (this.bottom - this.above);
    }

    /** Lines across with their numbers, and the steps below. */
    axes(marked) {
        const {context, colours, left, right, size} = this;
        Object.assign(context, {font: `${size}px system-ui, sans-serif`, textAlign: "right", textBaseline: "middle",
            lineWidth: 1, strokeStyle: colours.line, fillStyle: colours.ink});
        for (const [value, text] of marked) {
            const y = Math.round(this.y(value)) + 0.5;
            this.path([[left, y], [right, y]]);
            context.fillText(text, left - 4, y);
        }
        context.textBaseline = "top";
        context.fillText(`step ${this.steps}`, right, this.bottom + 0.3 * size);
        context.textAlign = "left";
        context.fillText("0", left, this.bottom + 0.3 * size);
    }

    dashed(value) {
        const {context} = this;
        context.strokeStyle = this.colours.other;
        context.setLineDash([5, 4]);
        this.path([[this.left, this.y(value)], [this.right, this.y(value)]]);
        context.setLineDash([]);
    }

    /** Each step's number, faint: for each column of pixels from the smallest to the largest of its steps. */
    spread(values) {
        const {context, colours} = this;
        Object.assign(context, {strokeStyle: colours.strong, globalAlpha: 0.4, lineWidth: 1});
        const columns = new Map();
        values.forEach((value, index) => {
            const x = Math.floor(this.x(index + 1));
            const [low, high] = columns.get(x) ?? [value, value];
            columns.set(x, [Math.min(low, value), Math.max(high, value)]);
        });
        for (const [x, [low, high]] of columns) {
            this.path([[x, this.y(low) + 1], [x, this.y(high) - 1]]);
        }
        context.globalAlpha = 1;
    }

    /** points: [step, number]. dots: also as dots, where they are few. */
    curve(points, dots = false) {
        const {context, colours} = this;
        const places = points.filter(([, value]) => Number.isFinite(value))
            .map(([step, value]) => [this.x(step), this.y(value)]);
        Object.assign(context, {strokeStyle: colours.strong, fillStyle: colours.strong, lineWidth: 2});
        this.path(places);
        for (const [x, y] of dots && places.length <= 40 ? places : []) {
            context.fillRect(x - 2, y - 2, 4, 4);
        }
    }

    path(places) {
        this.context.beginPath();
        places.forEach(([x, y]) => this.context.lineTo(x, y));
        this.context.stroke();
    }
}
