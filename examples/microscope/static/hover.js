/** A small label with the place and the value of the number under the pointer, or of the one that the keys are on. */

import {make} from "./elements.js";

const GAP = 8; // pixels between the number and its label

let label = null;

/** Shows the label beside a box {left, top, right, bottom} of the window, and inside the window. */
export function showHover(text, {left, right, top, bottom}) {
    if (label === null) {
        // A screen reader is told the same by the elements themselves.
        label = make("div", {class: "hover", "aria-hidden": "true"});
        document.body.append(label);
        document.addEventListener("keydown", ({key}) => key === "Escape" && hideHover());
        document.addEventListener("scroll", hideHover, {capture: true, passive: true});
    }
    label.textContent = text;
    label.hidden = false;
    const {width, height} = label.getBoundingClientRect();
    const above = top - GAP - height;
    const room = document.documentElement.clientWidth - width - 2;
    label.style.left = `${Math.max(2, Math.min(room, (left + right - width) / 2))}px`;
    label.style.top = `${above >= 2 ? above : bottom + GAP}px`;
}

export function hideHover() {
    if (label !== null) {
        label.hidden = true;
    }
}

/** Shows a label over a canvas: numberAt(x, y) gives {text, box}, the box on the canvas, or null where no number is. */
export function hoverOver(canvas, numberAt) {
    canvas.addEventListener("pointermove", ({offsetX, offsetY}) => showOn(canvas, numberAt(offsetX, offsetY)));
    canvas.addEventListener("pointerleave", hideHover);
}

/** Shows the label of one number of a canvas. */
export function showOn(canvas, found) {
    if (found === null) {
        hideHover();
        return;
    }
    const {left, top} = canvas.getBoundingClientRect();
    const {text, box} = found;
    showHover(text, {left: left + box.left, right: left + box.left + box.width,
        top: top + box.top, bottom: top + box.top + box.height});
}

/** Shows what cells of tables inside the element say of their numbers, in "data-number". */
export function hoverCells(element) {
    element.addEventListener("pointerover", ({target}) => {
        const cell = target.closest("[data-number]");
        if (cell === null) {
            hideHover();
        } else {
            showHover(cell.dataset.number, cell.getBoundingClientRect());
        }
    });
    element.addEventListener("pointerleave", hideHover);
}
