/** How large the sheets in the row are: so large that all layers, and below them one number's parts, are in the window. */

import {ROOMY, layOut} from "./sheets.js";

const PANEL = 318; // pixels that the explanation of one number takes
const LEAST = 96; // a sheet's height where there is never room enough: then the row of layers scrolls
const STEP = 6;
const LINE = 80; // pixels

/** The sizes for sheets of this height. */
function limitsOf(highest) {
    const share = highest / ROOMY.highest;
    return {highest, widest: Math.round(1.7 * highest), pixel: Math.round(3 + 7 * share), unit: Math.round(6 + 4 * share)};
}

/** Lays all cards out as large as there is room for. On a narrow screen the row is one line, which scrolls sideways. */
export function fitStrip(strip, cards) {
    const topOf = (element) => element.getBoundingClientRect().top;
    const networks = strip.parentElement;
    // What stands before the layers in their column counts only while it is closed to a line.
    const before = networks.previousElementSibling?.offsetHeight ?? 0;
    const above = topOf(document.querySelector("main")) + scrollY + topOf(strip) - topOf(networks);
    const room = innerHeight - above - (before < LINE ? before : 0) - PANEL;
    strip.style.maxHeight = "";
    for (let highest = ROOMY.highest; highest >= LEAST; highest -= STEP) {
        const limits = limitsOf(highest);
        cards.forEach((card) => card.useLayout(layOut(card.shape, card.names !== null, limits)));
        if (strip.scrollHeight <= room) {
            return;
        }
    }
    strip.style.maxHeight = `${Math.max(room, 2.2 * LEAST)}px`;
}
