/**
 * Lecture mode: one layer large and its explanation beside it, all in view, in letters that the last row can read.
 * The layers' names stand above as tabs. Whether it is on stands in the page's address, as "?lecture".
 */

import {make, makeButton} from "./elements.js";
import {layOutMap} from "./sheets.js";
import {INPUT, placeOfLargest} from "./specimen.js";
import {LayerCard, READABLE} from "./strip.js";
import {placeOf} from "./windows.js";

const LARGEST = 56; // pixels of a number's square
const UNDER = 4; // pixels left free below the sheet, so that rounding makes nothing scroll

export class Lecture {
    /** page: {choice, view, cardOf(specimen, layer), select(specimen, layer, at), relayed()}; see page.js. */
    constructor(page, specimens, {button, tabs, stand}) {
        Object.assign(this, {page, specimens, button, tabs, stand, card: null});
        button.addEventListener("click", () => this.set(!this.on));
        document.addEventListener("keydown", (event) => this.press(event));
        new ResizeObserver(() => {
            if (this.on && this.card !== null) {
                this.fit();
                page.redraw();
            }
        }).observe(stand);
    }

    get on() {
        return document.documentElement.classList.contains("lecture");
    }

    /** Switches lecture mode on or off, and writes it into the address. */
    set(on) {
        document.documentElement.classList.toggle("lecture", on);
        this.button.setAttribute("aria-pressed", String(on));
        this.tabs.hidden = this.stand.hidden = !on;
        if (!on) {
            this.card = null;
            this.stand.replaceChildren();
        }
        history.replaceState(history.state, "", addressWith(on));
        this.page.relayed();
    }

    /** Puts the chosen layer on the stand, and its tab in front. */
    follow({specimen, layer, at}) {
        if (!this.on) {
            return;
        }
        if (this.card === null || this.card.specimen !== specimen || this.card.layer !== layer) {
            const focused = this.stand.contains(document.activeElement);
            this.card = new LayerCard(specimen, layer, this.page, {large: true});
            this.stand.replaceChildren(this.card.element);
            this.fillTabs(specimen, layer);
            if (focused) {
                this.card.marks.focus();
            }
            this.card.last = at;
            this.fit();
        } else if (this.card.layout.only !== undefined && this.card.layout.only !== at[2]) {
            this.card.last = at;
            this.fit();
        }
        this.card.last = at;
    }

    /** Gives the sheet all the room there is; of maps that would be too small to read, the chosen one alone. */
    fit() {
        const {card, stand} = this;
        const {shape} = card;
        const widest = stand.clientWidth - UNDER;
        const layout = () => {
            const around = card.element.offsetHeight - card.sheet.offsetHeight;
            const highest = Math.max(60, stand.clientHeight - around - UNDER);
            const limits = {highest, widest, longest: widest, pixel: LARGEST, unit: LARGEST};
            const all = card.layOut(limits);
            const alone = shape.length === 3 && shape[2] > 1 && all.pixel < READABLE;
            return alone ? layOutMap(shape, Math.min(highest, widest), card.last[2]) : all;
        };
        card.useLayout(layout());
        card.useLayout(layout()); // what is said of the layout is now there, and takes its room
        card.draw(this.page.view, this.page.colours, this.page.ink);
    }

    fillTabs(specimen, chosen) {
        const {layerNumbers} = specimen;
        const focused = this.tabs.contains(document.activeElement);
        const tab = (layer) => makeButton(specimen.nameOf(layer), () => this.go(specimen, layer),
            {"aria-current": layer === chosen ? "true" : null});
        const step = (words, layer, label) => {
            const button = makeButton(words, () => this.go(specimen, layer), {"aria-label": label});
            button.disabled = !layerNumbers.includes(layer);
            return button;
        };
        const whose = this.specimens.length === 1 ? [] : [this.makeChoice(specimen)];
        this.tabs.replaceChildren(...whose, step("\u2039", chosen - 1, "Previous layer"),
            ...layerNumbers.map(tab), step("\u203a", chosen + 1, "Next layer"));
        const current = this.tabs.querySelector("[aria-current]");
        if (focused) {
            current.focus();
        }
        this.tabs.scrollLeft = current.offsetLeft - this.tabs.clientWidth / 2; // where the names are too many
    }

    makeChoice(specimen) {
        const choice = make("select", {"aria-label": "Network", onchange: () =>
            this.go(this.specimens[choice.selectedIndex], INPUT)});
        choice.append(...this.specimens.map(({title}) => make("option", {}, title)));
        choice.selectedIndex = specimen.place;
        return choice;
    }

    /** To a layer: to the number that was chosen there last, or the largest one. */
    go(specimen, layer) {
        const {last} = this.page.cardOf(specimen, layer);
        const shape = specimen.shapeOf(layer);
        const untouched = last.every((index) => index === 0);
        const values = specimen.valuesOf(layer, this.page.view);
        return this.page.select(specimen, layer, untouched ? placeOf(placeOfLargest(values), shape) : last);
    }

    /** L switches it on and off; left and right arrow, where nothing else takes them, go to the layers beside. */
    press(event) {
        const {key, target} = event;
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented
            || target.closest("input, select, textarea, [role=application]") !== null) {
            return;
        }
        const step = {ArrowLeft: -1, ArrowRight: 1}[key];
        if (key.toLowerCase() === "l") {
            this.set(!this.on);
        } else if (this.on && step !== undefined) {
            const {specimen, layer} = this.page.choice;
            const next = layer + step;
            if (specimen.layerNumbers.includes(next)) {
                this.go(specimen, next);
            }
        }
    }
}

/** Whether the page's address asks for lecture mode. */
export function lectureWanted() {
    return new URLSearchParams(location.search).has("lecture");
}

function addressWith(on) {
    const {pathname, hash} = location;
    return `${pathname}${on ? "?lecture" : ""}${hash}`;
}
