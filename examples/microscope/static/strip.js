/** A network's layers from left to right, each with all its numbers: on them one is chosen by pointer or keyboard. */

import {make, makeButton} from "./elements.js";
import {hideHover, hoverOver, showOn} from "./hover.js";
import {OUTCOME, OUTCOME_KINDS} from "./outcome.js";
import {ROOMY, boxOnSheet, drawSheet, layOut, placeOnSheet, rangeOf, writeNames} from "./sheets.js";
import {INPUT, isOff, toggle} from "./specimen.js";
import {largestTerms, number, placeInWords} from "./terms.js";
import {drawUnitMarks} from "./unit_marks.js";
import {flatIndex} from "./windows.js";

export const READABLE = 4; // pixels of a number's square: maps of smaller ones are offered to be opened large
const BOXES = 24; // of more terms only the largest are marked
const COLOUR_NAMES = ["R", "G", "B"];
/** How the frames' lines are broken: of the chosen number, of what it is made of, and of its receptive field. */
const [CHOSEN, PARTS, FIELD] = [[], [5, 2], [2, 2]];
const FULLY_CONNECTED = ["Linear", "EuclideanRBF"];
const KINDS = {
    Conv2d: "convolution", MaxPool2d: "max-pooling", AvgPool2d: "average pooling", Subsampling2d: "subsampling",
    LocalResponseNorm: "local response normalisation", BatchNorm2d: "batch normalisation",
    ReLU: "ReLU", ELU: "ELU", Sigmoid: "log-sigmoid", Tanh: "tanh",
    ScaledTanh: "scaled tanh", Dropout: "dropout", Flatten: "flatten", Linear: "fully connected",
    EuclideanRBF: "radial basis functions",
};

/**
 * The stage that each layer belongs to: a convolution or a fully connected layer, with what follows it; softmax and the
 * loss are of the last one.
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
    stages[stages.length - 1].layers.push(...OUTCOME.map((_, place) => network.layers.length + place));
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
    /**
     * page: {select(specimen, layer, at), change(), enter(), enlarge(specimen, layer)}; enter moves the focus to the
     * panel. large: whether this is the layer that lecture mode shows, beside its card in the row.
     */
    constructor(specimen, layer, page, {large = false} = {}) {
        Object.assign(this, {specimen, layer, page, large});
        const {layers, classNames} = specimen.network;
        this.shape = specimen.shapeOf(layer);
        this.description = layers[layer]; // undefined of the input, softmax and the loss
        this.names = layer >= layers.length - 1 && this.shape[0] === classNames.length ? classNames : null;
        this.last = this.shape.map(() => 0); // the number that was chosen in this layer last
        this.numbers = make("canvas", {"aria-hidden": "true"});
        this.marks = make("canvas", {
            "class": "marks", "tabindex": "0", "role": "slider", "aria-label": this.label(),
            "aria-valuemin": "0", "aria-valuemax": String(this.shape.reduce((a, b) => a * b) - 1),
            onpointerdown: (event) => this.point(event),
            onpointermove: (event) => event.buttons === 1 && this.point(event),
            onkeydown: (event) => this.press(event),
            onfocus: () => this.hover(),
            onblur: hideHover,
        });
        hoverOver(this.marks, (x, y) => this.numberAt(placeOnSheet(this.layout, x, y)));
        this.power = this.description === undefined ? null : makeButton("on", () => {
            toggle(specimen, specimen.nameOf(layer), {});
            page.change();
        }, {pressed: true, class: "power", title: "Switch the layer off or on"});
        const colours = layer === INPUT && specimen.channels === COLOUR_NAMES.length ? COLOUR_NAMES : [];
        this.mapNames = colours.map((name) => make("span", {class: "map-name", "aria-hidden": "true"}, name));
        this.sheet = make("div", {class: "sheet"}, this.numbers, this.marks, ...this.mapNames);
        const name = specimen.nameOf(layer);
        this.enlarge = makeButton("+", () => page.enlarge(specimen, layer),
            {class: "enlarge", "aria-label": `Show ${name} large`, title: "One layer by itself, in lecture mode"});
        this.heading = make("h3", {}, name);
        this.nameAnew();
        this.size = make("p", {class: "size"}, this.shape.join(" \u00d7 "));
        const buttons = [this.enlarge, ...(this.power ? [this.power] : [])];
        this.element = make("article", {class: "layer", [large ? "data-stand" : "data-layer"]: name},
            make("header", {}, this.heading, make("span", {class: "tools"}, ...buttons)),
            this.sheet, this.size);
        this.useLayout(this.layOut(ROOMY));
    }

    /** The largest layout that fits. In the row softmax and the loss stand under each other, without the classes' names. */
    layOut(limits) {
        const above = !this.large && this.specimen.outcomeOf(this.layer) !== undefined;
        const names = above ? null : this.names;
        return layOut(this.shape, names, above ? {...limits, highest: limits.highest / 2} : limits);
    }

    /** Lays the sheet out anew; it is drawn by the next `draw`. */
    useLayout(layout) {
        this.layout = layout;
        for (const canvas of [this.numbers, this.marks]) {
            [canvas.width, canvas.height] = [layout.width, layout.height];
        }
        this.sheet.style.width = `${layout.width}px`;
        this.sheet.style.height = `${layout.height}px`;
        this.enlarge.hidden = this.large || layout.pixel >= READABLE;
        this.size.textContent = this.shape.join(" \u00d7 ")
            + (layout.only === undefined ? "" : `, here map ${layout.only}; Page Up and Page Down change it`);
        this.mapNames.forEach((name, map) => {
            const {left, top} = boxOnSheet(layout, [0, 0, map]);
            name.hidden = layout.only !== undefined && layout.only !== map;
            Object.assign(name.style, {left: `${left}px`, top: `${top}px`});
        });
    }

    kind() {
        const {specimen, layer} = this;
        return layer === INPUT ? "what the network reads"
            : OUTCOME_KINDS[specimen.outcomeOf(layer)] ?? KINDS[specimen.network.layers[layer].kind];
    }

    /** The network that learns may have another activation in the layer's place. */
    nameAnew() {
        const {network, first} = this.specimen;
        const other = this.description !== undefined && network.layers[this.layer].kind !== first.layers[this.layer].kind;
        this.heading.textContent = this.specimen.nameOf(this.layer) + (other ? `: ${this.kind()}` : "");
        this.heading.title = this.kind();
        this.marks.setAttribute("aria-label", this.label());
    }

    /** What the layer is: its kind, how many numbers in which range, how many parameters. */
    inWords(view) {
        const [low, high] = rangeOf(this.specimen.valuesOf(this.layer, view)).map((value) => value.toPrecision(2));
        const count = this.description?.parameters ?? 0;
        const parameters = count === 0 ? "" : `, ${count.toLocaleString("en")} parameters`;
        const numbers = low === high ? `${this.shape.join(" \u00d7 ")} number`
            : `${this.shape.join(" \u00d7 ")} numbers from ${Number(low)} to ${Number(high)}`;
        return `${this.kind()}, ${numbers}${parameters}`;
    }

    label() {
        const maps = this.shape.length === 3 ? ", Page Up and Page Down change the map" : "";
        const keys = `arrow keys move${maps}, Enter goes to the number's parts`;
        return `${this.specimen.nameOf(this.layer)}, ${this.kind()}, ${this.shape.join(" by ")} numbers; ${keys}`;
    }

    draw(view, colours, ink) {
        const values = this.specimen.valuesOf(this.layer, view);
        // The gradient with respect to a number that is switched off need not be 0: it says what switching on would do.
        const silenced = view === "gradients" ? null : this.specimen.silencedOf(this.layer);
        drawSheet(this.numbers, this.layout, values, colours, this.specimen.fullColour(this.layer, view), silenced, ink);
        if (this.layout.named) {
            writeNames(this.numbers, this.layout, this.names, ink);
        }
        const units = this.specimen.units?.[this.specimen.nameOf(this.layer)];
        if (units !== undefined) {
            drawUnitMarks(this.numbers, this.layout, units, ink);
        }
        this.nameAnew();
        this.view = view;
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
        const parts = [];
        const windows = [];
        const fields = [];
        const terms = explanation === null ? [] : explanation.terms;
        if (specimen === this.specimen) {
            if (this.layer === layer) {
                boxes.push(at);
            }
            if (this.layer === specimen.sourceOf(layer, view) && terms.length > 0) {
                if (this.shape.length === 3) {
                    windows.push(windowOfTerms(terms));
                } else {
                    parts.push(...largestTerms(terms).slice(0, BOXES).map(({place}) => place));
                }
                if (explanation.winner !== undefined) {
                    parts.push(explanation.winner.place);
                }
            } else if (this.layer === INPUT && layer !== INPUT) {
                fields.push({...specimen.fieldOf(layer, at), maps: [...Array(specimen.channels).keys()]});
            }
        }
        this.marks.getContext("2d").clearRect(0, 0, this.marks.width, this.marks.height);
        this.outline(fields.flatMap((field) => this.framesOf(field)), FIELD, colour);
        this.outline([...parts.map((place) => this.frameOf(place)), ...windows.flatMap((each) => this.framesOf(each))],
            PARTS, colour);
        this.outline(boxes.map((place) => this.frameOf(place)), CHOSEN, colour);
    }

    frameOf(at) {
        const {only} = this.layout;
        return only === undefined || at[2] === only ? boxOnSheet(this.layout, at) : null;
    }

    framesOf({top, left, height, width, maps}) {
        const {pixel} = this.layout;
        return height === 0 || width === 0 ? [] : [...maps].map((map) => {
            const corner = this.frameOf([top, left, map]);
            return corner === null ? null : {...corner, width: width * pixel, height: height * pixel};
        });
    }

    /** Draws frames in a light and a dark line beside each other, which stand out from every colour. */
    outline(frames, dashes, {edge, line}) {
        const context = this.marks.getContext("2d");
        for (const {left, top, width, height} of frames.filter((frame) => frame !== null)) {
            for (const [lineWidth, strokeStyle, pattern] of [[3, edge, []], [1.5, line, dashes]]) {
                Object.assign(context, {lineWidth, strokeStyle});
                context.setLineDash(pattern);
                context.strokeRect(left, top, width, height);
            }
        }
    }

    /** A number's place and value, and where it lies on the sheet. */
    numberAt(at) {
        if (at === null || !this.specimen.answered || this.frameOf(at) === null) {
            return null;
        }
        const value = this.specimen.valuesOf(this.layer, this.view)[flatIndex(at, this.shape)];
        return {text: `${this.placeNamed(at)}: ${number(value)}`, box: this.frameOf(at)};
    }

    placeNamed(at) {
        return this.names === null ? placeInWords(at) : this.names[at[0]];
    }

    /** Shows the label of the number that the keys are on. */
    hover() {
        if (document.activeElement === this.marks && this.marks.matches(":focus-visible")) {
            showOn(this.marks, this.numberAt(this.last));
        }
    }

    /** Says the number chosen here last to a screen reader. */
    say(values) {
        const index = flatIndex(this.last, this.shape);
        this.marks.setAttribute("aria-valuenow", String(index));
        this.marks.setAttribute("aria-valuetext", `${this.placeNamed(this.last)}: ${number(values[index])}`);
        this.hover();
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
