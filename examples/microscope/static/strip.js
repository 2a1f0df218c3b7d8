/** A network's layers from left to right, each with all its numbers: on them one is chosen by pointer or keyboard. */

import {make, makeButton} from "./elements.js";
import {boxOnSheet, drawSheet, layOut, placeOnSheet, rangeOf, writeNames} from "./sheets.js";
import {INPUT, isOff, toggle} from "./specimen.js";
import {largestTerms, number, placeInWords} from "./terms.js";
import {drawUnitMarks} from "./unit_marks.js";
import {flatIndex} from "./windows.js";

const BOXES = 24; // of more terms only the largest are marked
const FULLY_CONNECTED = ["Linear", "EuclideanRBF"];
const KINDS = {
    Conv2d: "convolution", MaxPool2d: "max-pooling", AvgPool2d: "average pooling", Subsampling2d: "subsampling",
    LocalResponseNorm: "local response normalisation", BatchNorm2d: "batch normalisation",
    ReLU: "ReLU", ELU: "ELU", Sigmoid: "log-sigmoid", Tanh: "tanh",
    ScaledTanh: "scaled tanh", Dropout: "dropout", Flatten: "flatten", Linear: "fully connected",
    EuclideanRBF: "radial basis functions",
};

/**
 * The stage that each layer belongs to: a convolution or a fully connected layer, with what follows it.
 * @returns {{kind: "input"|"convolution"|"connected", number: number, layers: number[]}[]} numbers count from 1
 */
export function stagesOf(network) {
    const stages = [{kind: "input", number: 1, layers: [INPUT]}];
    network.layers.forEach(({kind}, index) => {
        const starts = kind === "Conv2d" ? "convolution" : FULLY_CONNECTED.includes(kind) ? "connected" : null;
        if (starts !== null || stages.length === 1) {
            const stage = starts ?? "convolution";
            const before = stages.filter(({kind: other}) => other === stage).length;
            stages.push({kind: stage, number: before + 1, layers: []});
        }
        stages[stages.length - 1].layers.push(index);
    });
    return stages;
}

/** The column of each stage, so that networks under each other have like stages in like columns. */
export function columnsOf(networks) {
    const all = networks.map(stagesOf);
    const most = (kind) => Math.max(...all.map((stages) => stages.filter((stage) => stage.kind === kind).length));
    const convolutions = most("convolution");
    const connected = most("connected");
    return all.map((stages) => {
        const mine = stages.filter(({kind}) => kind === "connected").length;
        return stages.map((stage) => ({...stage, column: {
            input: 1,
            convolution: 1 + stage.number,
            connected: 1 + convolutions + connected - mine + stage.number, // the last ones under each other
        }[stage.kind]}));
    });
}

/** One layer of a network: its name, its numbers, the marks on them. */
export class LayerCard {
    /** page: {select(specimen, layer, at), change(), enter()}; enter moves the focus to the panel. */
    constructor(specimen, layer, page) {
        Object.assign(this, {specimen, layer, page});
        const {layers, classNames} = specimen.network;
        this.shape = specimen.shapeOf(layer);
        this.names = layer === layers.length - 1 ? classNames : null;
        this.last = this.shape.map(() => 0); // the number that was chosen in this layer last
        this.layout = layOut(this.shape, this.names !== null);
        this.numbers = make("canvas", {"aria-hidden": "true"});
        this.marks = make("canvas", {
            "class": "marks", "tabindex": "0", "role": "slider", "aria-label": this.label(),
            "aria-valuemin": "0", "aria-valuemax": String(this.shape.reduce((a, b) => a * b) - 1),
            onpointerdown: (event) => this.point(event),
            onpointermove: (event) => event.buttons === 1 && this.point(event),
            onkeydown: (event) => this.press(event),
        });
        [this.marks.width, this.marks.height] = [this.layout.width, this.layout.height];
        this.range = make("span", {class: "range"});
        this.kindLine = make("p", {}, this.kind());
        this.power = layer === INPUT ? null : makeButton("on", () => {
            toggle(specimen, specimen.nameOf(layer), {});
            page.change();
        }, {pressed: true, class: "power", title: "Switch the layer off or on"});
        const sheet = make("div", {class: "sheet"}, this.numbers, this.marks);
        sheet.style.width = `${this.layout.width}px`;
        sheet.style.height = `${this.layout.height}px`;
        this.element = make("article", {class: "layer", "data-layer": specimen.nameOf(layer)},
            make("header", {}, make("h4", {}, specimen.nameOf(layer)), ...(this.power ? [this.power] : [])),
            this.kindLine, make("p", {}, this.shape.join(" \u00d7 ")), sheet,
            make("p", {}, this.range), ...this.parameters());
    }

    kind() {
        if (this.layer === INPUT) {
            return "what the network reads";
        }
        const [kind, first] = [this.specimen.network, this.specimen.first].map(({layers}) => layers[this.layer].kind);
        return kind === first ? KINDS[kind] : `${KINDS[kind]} in its place`;
    }

    parameters() {
        const count = this.layer === INPUT ? 0 : this.specimen.network.layers[this.layer].parameters;
        return count === 0 ? [] : [make("p", {}, `${count.toLocaleString("en")} parameters`)];
    }

    label() {
        const maps = this.shape.length === 3 ? ", Page Up and Page Down change the map" : "";
        const keys = `arrow keys move${maps}, Enter goes to the number's parts`;
        return `${this.specimen.nameOf(this.layer)}, ${this.kind()}, ${this.shape.join(" by ")} numbers; ${keys}`;
    }

    draw(view, colours, ink) {
        const values = this.specimen.valuesOf(this.layer, view);
        const [low, high] = rangeOf(values);
        // The gradient with respect to a number that is switched off need not be 0: it says what switching on would do.
        const silenced = view === "gradients" ? null : this.specimen.silencedOf(this.layer);
        drawSheet(this.numbers, this.layout, values, colours, Math.max(-low, high, 0), silenced);
        if (this.layout.named) {
            writeNames(this.numbers, this.layout, this.names, ink);
        }
        const units = this.specimen.units?.[this.specimen.nameOf(this.layer)];
        if (units !== undefined) {
            drawUnitMarks(this.numbers, this.layout, units, ink);
        }
        this.kindLine.textContent = this.kind(); // which the network that learns may have another of
        this.marks.setAttribute("aria-label", this.label());
        this.range.textContent = `${Number(low.toPrecision(2))} to ${Number(high.toPrecision(2))}`;
        this.say(values);
        if (this.power !== null) {
            const off = isOff(this.specimen, this.specimen.nameOf(this.layer), {});
            this.power.textContent = off ? "off" : "on";
            this.power.setAttribute("aria-pressed", String(!off));
            this.power.setAttribute("aria-label", `${this.specimen.nameOf(this.layer)} is ${off ? "off" : "on"}`);
            this.element.classList.toggle("off", off);
        }
    }

    /** Marks what of this layer has to do with the chosen number: itself, what it is made of, what it sees. */
    mark({specimen, layer, at}, view, explanation, colour) {
        const boxes = [];
        const windows = [];
        const terms = explanation === null ? [] : explanation.terms;
        if (specimen === this.specimen) {
            if (this.layer === layer) {
                boxes.push(at);
            }
            if (this.layer === specimen.sourceOf(layer, view) && terms.length > 0) {
                if (this.shape.length === 3) {
                    windows.push(windowOfTerms(terms));
                } else {
                    boxes.push(...largestTerms(terms).slice(0, BOXES).map(({place}) => place));
                }
                if (explanation.winner !== undefined) {
                    boxes.push(explanation.winner.place);
                }
            } else if (this.layer === INPUT && layer !== INPUT) {
                windows.push({...specimen.fieldOf(layer, at), maps: [...Array(specimen.channels).keys()]});
            }
        }
        this.outline(boxes, windows, colour);
    }

    /** Draws frames in a light and a dark line beside each other, which stand out from every colour. */
    outline(boxes, windows, {edge, line}) {
        const context = this.marks.getContext("2d");
        context.clearRect(0, 0, this.marks.width, this.marks.height);
        const {pixel} = this.layout;
        const frames = boxes.map((at) => boxOnSheet(this.layout, at));
        for (const {top, left, height, width, maps} of windows) {
            for (const map of height > 0 && width > 0 ? maps : []) {
                const corner = boxOnSheet(this.layout, [top, left, map]);
                frames.push({left: corner.left, top: corner.top, width: width * pixel, height: height * pixel});
            }
        }
        for (const {left, top, width, height} of frames) {
            for (const [lineWidth, strokeStyle] of [[3, edge], [1.5, line]]) {
                Object.assign(context, {lineWidth, strokeStyle});
                context.strokeRect(left, top, width, height);
            }
        }
    }

    /** Says the number chosen here last to a screen reader. */
    say(values) {
        const index = flatIndex(this.last, this.shape);
        this.marks.setAttribute("aria-valuenow", String(index));
        const name = this.names === null ? placeInWords(this.last) : this.names[this.last[0]];
        this.marks.setAttribute("aria-valuetext", `${name}: ${number(values[index])}`);
    }

    point({offsetX, offsetY}) {
        const at = placeOnSheet(this.layout, offsetX, offsetY);
        if (at !== null) {
            this.page.select(this.specimen, this.layer, at);
        }
    }

    press(event) {
        const steps = {ArrowUp: [-1, 0, 0], ArrowDown: [1, 0, 0], ArrowLeft: [0, -1, 0], ArrowRight: [0, 1, 0],
            PageUp: [0, 0, -1], PageDown: [0, 0, 1]}[event.key];
        if (steps === undefined && event.key !== "Enter") {
            return;
        }
        event.preventDefault();
        const at = this.last;
        if (steps === undefined) {
            this.page.select(this.specimen, this.layer, at);
            this.page.enter();
            return;
        }
        const {columns, named} = this.layout;
        const moved = this.shape.length === 3 ? at.map((index, axis) => index + steps[axis])
            : [at[0] + steps[0] * (named ? 1 : columns) + steps[1] + steps[2]];
        this.page.select(this.specimen, this.layer, moved.map((index, axis) =>
            Math.min(this.shape[axis] - 1, Math.max(0, index))));
    }
}

/** The smallest window that holds all terms, and the maps that they lie in. */
function windowOfTerms(terms) {
    const along = (axis) => {
        const places = terms.map(({place}) => place[axis]);
        return [Math.min(...places), Math.max(...places)];
    };
    const [[top, bottom], [left, right]] = [along(0), along(1)];
    const maps = new Set(terms.map(({place}) => place[2]));
    return {top, left, height: bottom - top + 1, width: right - left + 1, maps};
}
