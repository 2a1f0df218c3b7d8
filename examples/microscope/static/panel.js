/** One number, taken apart before the reader's eyes: windows, kernels, products, the sum, and what is done with it. */

import {brief, make, makeButton, short, shortest} from "./elements.js";
import {hoverOver} from "./hover.js";
import {boxOnSheet, colourOf, drawSheet, largestOf, layOutMap, placeOnSheet} from "./sheets.js";
import {outcomeInWords} from "./outcome.js";
import {isOff, toggle} from "./specimen.js";
import {largestTerms, number, placeInWords} from "./terms.js";
import {flatIndex} from "./windows.js";

const ROWS = 9; // terms that are shown at first
const MOST_COLUMNS = 5; // of a matrix that lecture mode writes in large letters
const MORE_ROWS = 200; // and at each click on "more"
const ENLARGED = 112; // pixels of the enlarged map, more where its numbers would be smaller than 4
const MOST_ENLARGED = 256;
const MOST_SUMS = 6; // of so many maps the sums are written out

/**
 * Fills the panel.
 * @param {HTMLElement} panel
 * @param {Specimen} specimen
 * @param {{layer: number, at: number[], view: string}} chosen
 * @param {Explanation|null} explanation of the number, see Specimen.explain
 * @param {{colours: Int32Array, mark: string, ink: string, about: string, several: boolean, select: function,
 *     change: function, kept: object, controls: HTMLElement[], large: boolean}} page about: what the layer is; several:
 *     whether there are more networks; kept: what was opened in the panel while it showed this number, empty for
 *     another one; controls: stand before the formula; large: whether letters are large
 */
export function showNumber(panel, specimen, {layer, at, view}, explanation, page) {
    const name = specimen.nameOf(layer);
    const outcome = specimen.outcomeOf(layer);
    // A server's numbers have seven digits, an explanation's sum sixteen: one of them is shown, above and below.
    const shown = specimen.valuesOf(layer, view)[flatIndex(at, specimen.shapeOf(layer))];
    const value = explanation === null || explanation.bypassed !== null ? shown : explanation.result;
    const whose = page.several ? `${specimen.title}: ` : "";
    const what = whose + (view === "gradients" ? "gradient of the loss with respect to " : "");
    const tables = explanation === null ? [] : matrices(explanation, specimen, layer, view, page);
    const parts = explanation === null || explanation.terms.length === 0 ? [] : [
        ...tables,
        termTable(explanation, specimen, layer, view, page),
    ];
    panel.replaceChildren(
        make("header", {},
            make("h2", {}, `${what}${name}, ${unitName(specimen, layer, at) ?? placeInWords(at)}`),
            make("p", {class: "result"}, make("output", {id: "result"}, number(value))),
            make("p", {class: "kind"}, page.about)),
        make("p", {class: "how"}, ...page.controls, ...inWords(specimen, layer, view, explanation)),
        ...(tables.length === 0 && explanation?.terms.length > MOST_SUMS && outcome === undefined ? [make("p", {class: "added"},
            addedUp([{sum: explanation.total - (explanation.bias ?? 0)}], explanation,
                `the sum of ${explanation.terms.length} products `))] : []),
        make("div", {class: "apart"}, ...enlarged(specimen, layer, at, view, page), ...parts),
        ...switches(specimen, layer, at, page),
    );
}

/** The class of one of the last layer's units, or of softmax's; that whose loss it is. */
function unitName(specimen, layer, at) {
    const {layers, classNames} = specimen.network;
    const outcome = specimen.outcomeOf(layer);
    return outcome === "loss" ? `for the class ${classNames[specimen.target]}`
        : layer === layers.length - 1 || outcome === "softmax" ? classNames[at[0]] : null;
}

/** What the number is, in a sentence or two. */
function inWords(specimen, layerIndex, view, explanation) {
    const {layers, preparation, classNames} = specimen.network;
    const outcome = specimen.outcomeOf(layerIndex);
    if (outcome !== undefined) {
        const [formula, sentence] = outcomeInWords(outcome, view, classNames, specimen.target);
        return [make("code", {}, formula), make("span", {class: "letters"}, make("br"), sentence)];
    }
    if (explanation === null) {
        const made = preparation.levels === "lenet5" ? "-0.1 + 1.275 * level / 255"
            : "(level / 255 - mean) / deviation";
        return ["The image: of a level from 0 to 255 the network reads ", make("code", {}, made)];
    }
    if (view === "gradients" && layerIndex === layers.length - 1) {
        return [`The loss is -log of the probability of ${classNames[specimen.target]}. Taken through softmax and the loss ` +
            "together, its gradient with respect to the network's outputs is the probability of each class, and for the " +
            "wanted one the probability minus 1."];
    }
    const {name, kind, formula, slope} = layers[view === "gradients" ? layerIndex + 1 : layerIndex];
    if (explanation.bypassed !== null) {
        const stands = explanation.bypassed === "input" ? "its input stands for its output" : "0 stands for its output";
        return [`${name} is switched off: ${stands}.`];
    }
    if (view === "gradients") {
        const through = `By the chain rule, through ${name} (${kind}), which comes after: `;
        const [byInput] = slope.split("\n"); // the lines after it are of the weights' gradients, which are not shown
        return [through, make("code", {}, byInput), ...letters(byInput, layers[layerIndex + 1])];
    }
    return [`${kind}: `, make("code", {}, formula), ...letters(formula, layers[layerIndex])];
}

/** What the letters of the formulas with windows stand for. */
function letters(formula, {attributes: {stride, padding}}) {
    if (!formula.includes("SH")) {
        return [];
    }
    const [strides, paddings] = [stride.join(", "), padding.join(", ")];
    const words = `(SH, SW) is the stride, here ${strides}; (PH, PW) the padding, here ${paddings}.`;
    return [make("span", {class: "letters"}, make("br"), words)];
}

// ---------------------------------------------------------------------------------------------------- the map itself
function enlarged(specimen, layer, at, view, page) {
    if (at.length === 1) {
        return [];
    }
    const shape = specimen.shapeOf(layer);
    const values = specimen.valuesOf(layer, view);
    const side = Math.max(ENLARGED, Math.min(MOST_ENLARGED, 4 * Math.max(shape[0], shape[1])));
    const layout = layOutMap(shape, side, at[2]);
    const canvas = make("canvas", {
        "aria-hidden": "true",
        onclick: ({offsetX, offsetY}) => {
            const place = placeOnSheet(layout, offsetX, offsetY);
            if (place !== null) {
                page.select(layer, [place[0], place[1], at[2]]);
            }
        },
    });
    hoverOver(canvas, (x, y) => {
        const place = placeOnSheet(layout, x, y);
        return place === null ? null : {box: boxOnSheet(layout, place),
            text: `${placeInWords(place)}: ${number(values[flatIndex(place, shape)])}`};
    });
    const silenced = view === "gradients" ? null : specimen.silencedOf(layer);
    drawSheet(canvas, layout, values, page.colours, specimen.fullColour(layer, view), silenced, page.ink);
    const context = canvas.getContext("2d");
    context.strokeStyle = page.mark;
    context.lineWidth = 2;
    context.strokeRect(at[1] * layout.pixel, at[0] * layout.pixel, layout.pixel, layout.pixel);
    return [make("figure", {}, canvas, make("figcaption", {}, `map ${at[2]} of ${specimen.nameOf(layer)}`))];
}

// ------------------------------------------------------------------------------------------- windows and their sums
/** Input, weights and products of one channel as matrices, and the choice of the channel. */
function matrices(explanation, specimen, layer, view, page) {
    const inSpace = explanation.terms.filter(({place, part}) => place.length === 3 && part === undefined);
    const pixels = new Set(inSpace.map(({place}) => `${place[0]} ${place[1]}`));
    if (inSpace.length === 0 || pixels.size < 2) {
        return [];
    }
    const byChannel = new Map();
    for (const term of inSpace) {
        const channel = term.place[2];
        byChannel.set(channel, byChannel.get(channel) ?? []);
        byChannel.get(channel).push(term);
    }
    const sums = [...byChannel].map(([channel, terms]) => ({
        channel, terms, sum: terms.reduce((total, {product}) => total + product, 0),
    }));
    const strongest = sums.reduce((best, each) => (Math.abs(each.sum) > Math.abs(best.sum) ? each : best));
    const source = specimen.nameOf(specimen.sourceOf(layer, view));
    const shown = make("div", {class: "matrices"});
    const show = ({channel, terms, sum}) => {
        const of = view === "gradients" ? `gradient with respect to ${source}` : source;
        // In the colours of the sheet that the window lies on.
        const whole = specimen.fullColour(specimen.sourceOf(layer, view), view);
        const paint = {colours: page.colours, write: page.large ? shortest : short};
        shown.replaceChildren(matrix(`${of}, map ${channel}`, terms, ({value}) => value, {...paint, largest: whole}));
        if (terms[0].square !== undefined) {
            shown.append(matrix("squares", terms, ({square}) => square, paint));
        } else if (terms[0].weight !== null) {
            const backward = view === "gradients" && specimen.network.layers[layer + 1].kind === "Conv2d";
            const weights = weightsInWords(terms[0].weightPlace) + (backward ? ", rotated by 180\u00b0" : "");
            const products = `products; their sum: ${brief(sum)}`;
            shown.append(
                signed("\u00d7", matrix(weights, terms, ({weight}) => weight, {...paint, ofWeights: true})),
                signed("=", matrix(products, terms, ({product}) => product, paint)),
            );
        }
    };
    const isSum = explanation.how === "sum" && sums[0].terms[0].weight !== null;
    const added = isSum && view === "activations" ? [make("p", {class: "added"}, addedUp(sums, explanation))] : [];
    const first = sums.find(({channel}) => channel === page.kept.channel) ?? strongest;
    show(first);
    if (sums.length === 1) {
        return [make("div", {class: added.length === 0 ? "channels" : "channels whole"}, shown, ...added)];
    }
    const choice = make("select", {onchange: () => {
        page.kept.channel = sums[choice.selectedIndex].channel;
        show(sums[choice.selectedIndex]);
    }});
    sums.forEach(({channel, sum}) => choice.append(make("option", {}, `map ${channel}: sum ${brief(sum)}`)));
    choice.selectedIndex = sums.indexOf(first);
    const label = make("label", {}, `${sums.length} maps of ${source} are added up; shown: `, choice);
    return [make("div", {class: added.length === 0 ? "channels" : "channels whole"}, label, shown, ...added)];
}

/** The kernel in the formula's letters: its places below count from 0, as i and j do there. */
function weightsInWords(place) {
    const [, , c, o] = place ?? [];
    return place?.length === 4 ? `weights; w[i,j,${c},${o}]` : "weights";
}

/** The maps' sums and the bias added up in one line: "bias 0.1 + 0.2 + 0.3 = 0.6". what: is summed, if it is one. */
function addedUp(sums, {bias, total, finish}, what = "") {
    const of = (value) => (value < 0 ? `(${brief(value)})` : brief(value));
    const each = sums.length <= MOST_SUMS ? sums.map(({sum}) => what + of(sum))
        : [`the sums of ${sums.length} maps ${of(sums.reduce((all, {sum}) => all + sum, 0))}`];
    const parts = [...(bias === null ? [] : [`bias ${brief(bias)}`]), ...each];
    return parts.length < 2 && finish === "" ? "" : `${parts.join(" + ")} = ${brief(total)}${finish && `; ${finish}`}`;
}

/** A matrix with the sign before it, which stays with it where lines are broken. */
function signed(sign, table) {
    return make("div", {class: "signed"}, make("span", {class: "sign", "aria-hidden": "true"}, sign), table);
}

/**
 * Terms by their rows and columns, each cell in the colour of its number. largest: the magnitude of the full colour.
 * write(number): what stands in a cell. ofWeights: whether rows and columns are counted as the weights' are, else by
 * the places of what they weigh.
 */
function matrix(caption, terms, pick, {colours, write, largest = largestOf(terms.map(pick)), ofWeights = false}) {
    const rows = new Map();
    const named = [new Map(), new Map()];
    for (const term of terms) {
        const [row, column] = term.place;
        rows.set(row, (rows.get(row) ?? new Map()).set(column, term));
        const places = ofWeights && term.weightPlace?.length === 4 ? term.weightPlace : term.place;
        named.forEach((names, axis) => names.set(term.place[axis], places[axis]));
    }
    const paint = (term, row, column) => cell(term, pick, largest, {colours, write},
        `row ${named[0].get(row)}, column ${named[1].get(column)}: ${number(pick(term))}`);
    const columns = [...new Set(terms.map(({place}) => place[1]))].sort((a, b) => a - b);
    const head = make("tr", {}, make("td"), ...columns.map((column) => make("th", {scope: "col"},
        String(named[1].get(column)))));
    const body = [...rows].sort(([a], [b]) => a - b).map(([row, cells]) => make("tr", {},
        make("th", {scope: "row"}, String(named[0].get(row))),
        ...columns.map((column) => cells.has(column) ? paint(cells.get(column), row, column) : make("td"))));
    return make("table", {class: columns.length > MOST_COLUMNS ? "matrix wide" : "matrix"},
        make("caption", {}, caption), make("tbody", {}, head, ...body));
}

function cell(term, pick, largest, {colours, write}, words) {
    const made = make("td", {class: term.won ? "won" : null, "data-number": words}, write(pick(term)));
    const {css, whiteText} = colourOf(colours, pick(term), largest);
    made.style.backgroundColor = css;
    made.style.color = whiteText ? "#fff" : "#000";
    return made;
}

/** All terms, the largest first, and what they add up to. */
function termTable(explanation, specimen, layer, view, page) {
    const {terms, bias, how, total, finish, result} = explanation;
    const source = specimen.sourceOf(layer, view);
    const sorted = largestTerms(terms);
    const largest = largestOf(terms.map(({product}) => product));
    const body = make("tbody");
    let shown = 0;
    const showRows = (count) => {
        for (const term of sorted.slice(shown, count)) {
            const place = term.place.join(",");
            const where = makeButton(place, () => page.select(source, term.place), {title: "Take this number apart"});
            body.append(make("tr", {class: term.won ? "won" : null},
                make("th", {scope: "row"}, where), make("td", {}, termInWords(term)),
                make("td", {class: "number"}, number(term.product)), bar(term.product, largest)));
        }
        shown = Math.min(terms.length, count);
        page.kept.rows = shown;
        more.hidden = shown === terms.length;
        more.textContent = `${terms.length - shown} smaller ones`;
    };
    const more = makeButton("", () => {
        const next = shown;
        showRows(shown + MORE_ROWS);
        body.rows[next].querySelector("button")?.focus(); // or the focus would be lost with the button
    }, {class: "more"});
    showRows(page.kept.rows ?? ROWS);
    const lines = [];
    if (bias !== null) {
        const isK = view === "activations" && specimen.network.layers[layer].kind === "LocalResponseNorm";
        lines.push([isK ? "k" : "bias", bias]);
    }
    lines.push([{sum: "sum", largest: "the largest", input: "that is"}[how], total]);
    const foot = make("tfoot", {}, ...lines.map(([words, value]) => footLine(words, number(value))));
    if (finish !== "") {
        foot.append(footLine(finish, number(result)));
    }
    const caption = `${terms.length === 1 ? "The one number" : `The ${terms.length} numbers`} that it is made of`;
    const heads = ["place", "how", "number"].map((words) =>
        make("th", {scope: "col", class: words === "number" ? "number" : null}, words));
    const head = make("thead", {}, make("tr", {}, ...heads, make("td")));
    return make("div", {class: "terms"}, make("table", {}, make("caption", {}, caption), head, body, foot), more);
}

function footLine(words, value) {
    return make("tr", {}, make("th", {scope: "row", colspan: "2"}, words), make("td", {class: "number"}, value),
        make("td"));
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
    if (specimen.network.layers[layer] === undefined) {
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
