/** How large the sheets in the row are: so that all layers, and below them one number's parts, are in the window. */

import {ROOMY} from "./sheets.js";

const [PANEL, SHORT_PANEL] = [308, 270]; // pixels that the explanation of one number takes
const SHORT = "(max-height: 47rem)"; // of learning.css: there it is written closer
const NARROW = "(max-width: 60rem)"; // of page.css: there the layers stand in two rows, which scroll sideways
const ON_NARROW = 120; // a sheet's height there
const LEAST = 60; // a sheet's height where there is never room enough: then the row of layers scrolls
const LEAST_ROW = 190; // pixels of the row itself then
const STEP = 4;
const LINE = 80; // pixels

/** The sizes for sheets of this height. */
function limitsOf(highest) {
    const share = highest / ROOMY.highest;
    return {highest, widest: 1.7 * highest, longest: highest, pixel: Math.round(3 + 7 * share),
        unit: Math.min(12, Math.round(1 + 16 * share))};
}

function useHeight(cards, highest) {
    const limits = limitsOf(highest);
    cards.forEach((card) => card.useLayout(card.layOut(limits)));
}

/** Lays all cards out as large as there is room for. */
export function fitStrip(strip, cards) {
    strip.style.maxHeight = "";
    if (matchMedia(NARROW).matches) {
        useHeight(cards, ON_NARROW);
        return;
    }
    const topOf = (element) => element.getBoundingClientRect().top;
    const networks = strip.parentElement;
    // What stands before the layers in their column counts only while it is closed to a line.
    const before = networks.previousElementSibling === null ? 0
        : networks.previousElementSibling.offsetHeight + parseFloat(getComputedStyle(networks.parentElement).rowGap);
    const above = topOf(networks.parentElement) + scrollY + topOf(strip) - topOf(networks);
    const room = innerHeight - above - (before < LINE ? before : 0) - (matchMedia(SHORT).matches ? SHORT_PANEL : PANEL);
    for (let highest = ROOMY.highest; highest >= LEAST; highest -= STEP) {
        useHeight(cards, highest);
        if (strip.scrollHeight <= room) {
            return;
        }
    }
    strip.style.maxHeight = `${Math.max(room, LEAST_ROW)}px`;
}
