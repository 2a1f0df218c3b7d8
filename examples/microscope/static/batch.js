/** The digits that the last step learned from, and what the network said of them before it. */

import {make} from "./elements.js";
import {drawPicture} from "./sheets.js";
import {sizeOf} from "./windows.js";

const MOST_DIGITS = 16; // digits that are shown

export class BatchView {
    /** digits: {levels, labels}, see trainer.js; shape: of one digit's levels, [28, 28, 1]. */
    constructor(digits, shape) {
        Object.assign(this, {digits, shape});
        this.words = make("figcaption");
        this.row = make("ul", {class: "batch"});
        this.element = make("figure", {}, this.words, this.row);
    }

    levelsOf(index) {
        const size = sizeOf(this.shape);
        return this.digits.levels.subarray(index * size, (index + 1) * size);
    }

    labelOf(index) {
        return this.digits.labels[index];
    }

    /** batch: the numbers of the digits; answers: the classes that the network took them for. */
    draw({batch, answers}) {
        const shown = [...batch].slice(0, MOST_DIGITS);
        let right = 0;
        this.row.replaceChildren(...shown.map((index, place) => {
            const levels = this.levelsOf(index);
            const said = answers[place];
            const label = this.labelOf(index);
            right += said === label ? 1 : 0;
            const canvas = make("canvas", {"aria-hidden": "true"});
            drawPicture(canvas, levels, this.shape);
            const [mark, how] = said === label ? ["\u2713", "right"] : ["\u2717", "wrong"];
            return make("li", {title: `A ${label}, read as ${said}`}, canvas,
                make("span", {class: how, "aria-label": `a ${label} read as ${said}, ${how}`}, `${mark} ${said}`));
        }));
        const some = batch.length > MOST_DIGITS ? `${MOST_DIGITS} digits of the last batch` : "The last batch";
        this.words.textContent = `${some}, as read before the step: ${right} of ${shown.length} right`;
    }
}
