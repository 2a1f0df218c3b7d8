/** The row of all layers; of several networks one row each, with like layers in like columns. */

import {make} from "./elements.js";
import {INPUT} from "./specimen.js";
import {columnsOf} from "./strip.js";

/**
 * @param {Specimen[]} specimens
 * @param {HTMLElement[]|null} headings of the networks, or null where there is one alone
 * @param {LayerCard[][]} cards of each network, from its input on
 */
export function makeRow(specimens, headings, cards) {
    const columns = columnsOf(specimens.map(({network}) => network));
    const last = Math.max(...columns.flat().map(({column}) => column));
    const strip = make("div", {class: headings === null ? "strip" : "strip several", tabindex: "-1"});
    const put = (element, row, column) => {
        Object.assign(element.style, {gridRow: row, gridColumn: column});
        strip.append(element);
    };
    specimens.forEach(({title}, place) => {
        const row = 2 * place + 1;
        if (headings !== null) {
            put(make("h2", {}, headings[place]), row, `1 / ${1 + last}`);
        }
        for (let column = 1; column <= last; column++) {
            const stage = columns[place].find((each) => each.column === column);
            put(stage === undefined ? make("p", {class: "absent"}, `${title} has no such layers`)
                : makeStage(specimens[place], stage.layers, cards[place]), row + 1, column);
        }
    });
    return strip;
}

/** The cards of a stage's layers; softmax and the loss under each other. */
function makeStage(specimen, layers, cards) {
    const elements = (outcome) => layers.filter((layer) => (specimen.outcomeOf(layer) !== undefined) === outcome)
        .map((layer) => cards[layer - INPUT].element);
    const after = elements(true);
    return make("div", {class: "stage"}, ...elements(false), ...(after.length === 0 ? [] : [make("div", {}, ...after)]));
}
