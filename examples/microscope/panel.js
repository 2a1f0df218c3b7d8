/** One number, taken apart before the reader's eyes: windows, kernels, products, the sum, and what is done with it. */

import {brief, make, makeButton} from "./elements.js";
import {colourOf, drawSheet, largestOf, layOutMap, placeOnSheet} from "./sheets.js";
import {INPUT, isOff, toggle} from "./specimen.js";
import {number} from "./terms.js";
import {flatIndex} from "./windows.js";

const ROWS = 12; // terms that are shown at first
const MORE_ROWS = 200; // and at each click on "more"
const ENLARGED = 176; // pixels of the enlarged map

/** A place in words. */
export function placeInWords(at) {
    return at.length === 1 ? `unit ${at[0]}` : `map ${at[2]}, row ${at[0]}, column ${at[1]}`;
}

/**
 * Fills the panel.
 * @param {HTMLElement} panel
 * @param {Specimen} specimen whose weights for this number have been fetched
 * @param {{layer: number, at: number[], view: string}} chosen
 * @param {{colours: Int32Array, select: function, change: function, classNames: string[]}} page
 */
export function showNumber(panel, specimen, {layer, at, view}, page) {
    const name = specimen.nameOf(layer);
    const values = specimen.valuesOf(layer, view);
    const value = values[flatIndex(at, specimen.shapeOf(layer))];
    const explanation = specimen.explain(layer, at, view);
    const result = explanation === null ? value : explanation.result;
    const what = view === "gradients" ? "gradient of the loss by " : "";
    panel.replaceChildren(
        make("h2", {}, `${what}${name}, ${unitName(specimen, layer, at) ?? placeInWords(at)}`),
        make("p", {class: "result"}, make("output", {id: "result"}, number(result))),
        make("p", {class: "how"}, ...inWords(specimen, layer, view, explanation)),
        make("div", {class: "apart"},
            ...enlarged(specimen, layer, at, view, page),
            ...(explanation === null ? [] : [
                ...matrices(explanation, specimen, layer, view, page.colours),
                termTable(explanation, specimen, layer, view, page),
            ])),
        ...switches(specimen, layer, at, page),
    );
}

/** The class of one of the last layer's units. */
function unitName(specimen, layer, at) {
    const {layers, classNames} = specimen.network;
    return layer === layers.length - 1 ? classNames[at[0]] : null;
}

/** What the number is, in a sentence or two. */
function inWords(specimen, layerIndex, view, explanation) {
    const {layers, preparation, classNames} = specimen.network;
    if (explanation === null) {
        const kept = preparation.levels === "lenet5" ? "from -0.1 for paper to 1.175 for ink" : "minus the mean of the training pictures";
        return [`The picture, a level of 0 to 255 made a number that the network reads: ${kept}.`];
    }
    if (view === "gradients" && layerIndex === layers.length - 1) {
        return [`The loss is -log of the probability of ${classNames[specimen.target]}. By the network's outputs its ` +
            "gradient is the probability of each class, and for the wanted one the probability minus 1."];
    }
    const {name, kind, formula, slope} = layers[view === "gradients" ? layerIndex + 1 : layerIndex];
    if (explanation.bypassed !== null) {
        const stands = explanation.bypassed === "input" ? "its input stands for its output" : "0 stands for its output";
        return [`${name} is switched off: ${stands}.`];
    }
    if (view === "gradients") {
        return [`By the chain rule, through ${name} (${kind}), which comes after: `, make("code", {}, slope)];
    }
    return [`${kind}: `, make("code", {}, formula)];
}

// ---------------------------------------------------------------------------------------------------- the map itself
function enlarged(specimen, layer, at, view, page) {
    if (at.length === 1) {
        return [];
    }
    const shape = specimen.shapeOf(layer);
    const values = specimen.valuesOf(layer, view);
    const layout = layOutMap(shape, ENLARGED);
    const map = Float64Array.from({length: shape[0] * shape[1]}, (_, place) => values[place * shape[2] + at[2]]);
    const canvas = make("canvas", {
        "aria-hidden": "true",
        onclick: ({offsetX, offsetY}) => {
            const place = placeOnSheet(layout, offsetX, offsetY);
            if (place !== null) {
                page.select(layer, [place[0], place[1], at[2]]);
            }
        },
    });
    drawSheet(canvas, layout, map, page.colours, largestOf(values), null);
    const context = canvas.getContext("2d");
    context.strokeStyle = page.mark;
    context.lineWidth = 2;
    context.strokeRect(at[1] * layout.pixel, at[0] * layout.pixel, layout.pixel, layout.pixel);
    return [make("figure", {}, canvas, make("figcaption", {}, `map ${at[2]} of ${specimen.nameOf(layer)}`))];
}

// ------------------------------------------------------------------------------------------- windows and their sums
/** Input, weights and products of one channel as matrices, and the choice of the channel. */
function matrices(explanation, specimen, layer, view, colours) {
    const inSpace = explanation.terms.filter(({place, part}) => place.length === 3 && part === undefined);
    const pixels = new Set(inSpace.map(({place}) => `${place[0]} ${place[1]}`));
    if (inSpace.length === 0 || pixels.size < 2) {
        return [];
    }
    const byChannel = new Map();
    for (const term of inSpace) {
        const channel = term.place[2];
        byChannel.set(channel, [...(byChannel.get(channel) ?? []), term]);
    }
    const sums = [...byChannel].map(([channel, terms]) => ({
        channel, terms, sum: terms.reduce((total, {product}) => total + product, 0),
    }));
    const strongest = sums.reduce((best, each) => (Math.abs(each.sum) > Math.abs(best.sum) ? each : best));
    const source = specimen.nameOf(specimen.sourceOf(layer, view));
    const shown = make("div", {class: "matrices"});
    const show = ({channel, terms, sum}) => {
        const of = view === "gradients" ? `gradient by ${source}` : source;
        const weighted = terms[0].weight !== null;
        shown.replaceChildren(
            matrix(`${of}, map ${channel}`, terms, ({value}) => value, colours),
            ...(weighted ? [
                make("span", {class: "sign", "aria-hidden": "true"}, "\u00d7"),
                matrix(explanation.how === "sum" ? "weights" : "", terms, ({weight}) => weight, colours),
                make("span", {class: "sign", "aria-hidden": "true"}, "="),
                matrix(`products; their sum: ${brief(sum)}`, terms, ({product}) => product, colours),
            ] : []),
        );
    };
    show(strongest);
    if (sums.length === 1) {
        return [shown];
    }
    const choice = make("select", {onchange: () => show(sums[choice.selectedIndex])});
    sums.forEach(({channel, sum}) => choice.append(make("option", {}, `map ${channel}: sum ${brief(sum)}`)));
    choice.selectedIndex = sums.indexOf(strongest);
    const label = make("label", {}, `${sums.length} maps of ${source} are added up; shown: `, choice);
    return [make("div", {class: "channels"}, label, shown)];
}

/** Terms by their rows and columns, each cell in the colour of its number. */
function matrix(caption, terms, pick, colours) {
    const largest = largestOf(terms.map(pick));
    const rows = new Map();
    for (const term of terms) {
        const [row, column] = term.place;
        rows.set(row, (rows.get(row) ?? new Map()).set(column, term));
    }
    const columns = [...new Set(terms.map(({place}) => place[1]))].sort((a, b) => a - b);
    const head = make("tr", {}, make("td"), ...columns.map((column) => make("th", {scope: "col"}, String(column))));
    const body = [...rows].sort(([a], [b]) => a - b).map(([row, cells]) => make("tr", {},
        make("th", {scope: "row"}, String(row)),
        ...columns.map((column) => cells.has(column) ? cell(cells.get(column), pick, largest, colours) : make("td"))));
    return make("table", {class: "matrix"}, make("caption", {}, caption), make("tbody", {}, head, ...body));
}

function cell(term, pick, largest, colours) {
    const made = make("td", {class: term.won ? "won" : null}, brief(pick(term)));
    const {css, whiteText} = colourOf(colours, pick(term), largest);
    made.style.backgroundColor = css;
    made.style.color = whiteText ? "#fff" : "#000";
    return made;
}

/** All terms, the largest first, and what they add up to. */
function termTable(explanation, specimen, layer, view, page) {
    const {terms, bias, how, total, finish, result} = explanation;
    const source = specimen.sourceOf(layer, view);
    const known = source >= INPUT && source < specimen.network.layers.length;
    const sorted = [...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
    const largest = largestOf(terms.map(({product}) => product));
    const body = make("tbody");
    let shown = 0;
    const more = makeButton("", () => showRows(MORE_ROWS), {class: "more"});
    const showRows = (count) => {
        for (const term of sorted.slice(shown, shown + count)) {
            const place = term.place.join(",");
            const where = !known ? place
                : makeButton(place, () => page.select(source, term.place), {title: "Take this number apart"});
            body.append(make("tr", {class: term.won ? "won" : null},
                make("th", {scope: "row"}, where), make("td", {}, termInWords(term)),
                make("td", {class: "number"}, number(term.product)), bar(term.product, largest)));
        }
        shown = Math.min(terms.length, shown + count);
        more.hidden = shown === terms.length;
        more.textContent = `${terms.length - shown} smaller ones`;
    };
    showRows(ROWS);
    const lines = [];
    if (bias !== null) {
        lines.push([view === "activations" && specimen.network.layers[layer].kind === "LocalResponseNorm" ? "k" : "bias", bias]);
    }
    lines.push([{sum: "sum", largest: "the largest", input: "that is"}[how], total]);
    const foot = make("tfoot", {}, ...lines.map(([words, value]) => footLine(words, number(value))));
    if (finish !== "") {
        foot.append(footLine(finish, number(result)));
    }
    const caption = `${terms.length === 1 ? "The one number" : `The ${terms.length} numbers`} that it is made of`;
    return make("div", {class: "terms"}, make("table", {}, make("caption", {}, caption), body, foot), more);
}

function footLine(words, value) {
    return make("tr", {}, make("th", {scope: "row", colspan: "2"}, words), make("td", {class: "number"}, value), make("td"));
}

function termInWords({text, weight, value}) {
    return text ?? (weight === null ? "" : `${number(weight)} \u00d7 ${number(value)}`);
}

function bar(value, largest) {
    const filled = make("span", {class: value < 0 ? "bar negative" : "bar"});
    filled.style.width = `${largest === 0 ? 0 : 60 * Math.abs(value) / largest}px`;
    return make("td", {"aria-hidden": "true"}, filled);
}

// -------------------------------------------------------------------------------------------------------- experiments
/** Buttons that switch the number, its map or its layer off. */
function switches(specimen, layer, at, page) {
    if (layer === INPUT) {
        return [];
    }
    const {name, outputShape} = specimen.network.layers[layer];
    const parts = [[`this ${at.length === 1 ? "unit" : "number"}`, {unit: flatIndex(at, outputShape)}]];
    if (at.length === 3) {
        parts.push([`map ${at[2]}`, {channel: at[2]}]);
    }
    parts.push([name, {}]);
    return [make("p", {class: "switches"}, ...parts.map(([words, part]) => {
        const off = isOff(specimen, name, part);
        return makeButton(`Switch ${words} ${off ? "on again" : "off"}`, () => {
            toggle(specimen, name, part);
            page.change();
        });
    }))];
}
