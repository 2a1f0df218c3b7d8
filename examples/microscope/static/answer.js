/** What a network says that the image is. */

import {make} from "./elements.js";

const MOST_CLASSES = 10;
const IN_SHORT = 3; // classes for which lecture mode has room

/** The probabilities as bars; a line marks those before the experiments. several: whether there are more networks. */
export function makeAnswer(specimen, several) {
    const {probabilities, before: {probabilities: before}} = specimen;
    const order = [...probabilities.keys()];
    if (order.length > MOST_CLASSES) {
        order.sort((a, b) => probabilities[b] - probabilities[a]).length = MOST_CLASSES;
    }
    const best = Math.max(...probabilities);
    const third = [...probabilities].sort((a, b) => b - a)[Math.min(IN_SHORT, probabilities.length) - 1];
    const items = order.map((index) => {
        const filled = make("span", {class: "filled"});
        filled.style.width = `${100 * probabilities[index]}%`;
        const mark = make("span", {class: "before"});
        mark.style.left = `${100 * before[index]}%`;
        mark.hidden = !isMoved(before[index], probabilities[index]);
        const rank = probabilities[index] === best ? "best" : probabilities[index] < third ? "minor" : null;
        return make("li", {class: rank},
            make("span", {class: "name"}, specimen.network.classNames[index]),
            make("span", {class: "track", "aria-hidden": "true"}, filled, mark),
            make("span", {class: "share"}, `${(100 * probabilities[index]).toFixed(1)} %`));
    });
    const title = several ? [make("h3", {}, specimen.title)] : [];
    const marked = order.some((index) => isMoved(before[index], probabilities[index]));
    const legend = marked ? [make("p", {class: "hint"}, "The lines mark the answer before the experiments.")] : [];
    return make("div", {class: "answer"}, ...title, make("ul", {}, ...items), ...legend);
}

/** The answer in a sentence. */
export function answerInWords({title, network, probabilities}, several) {
    const best = probabilities.indexOf(Math.max(...probabilities));
    const share = (100 * probabilities[best]).toFixed(1);
    return `${several ? `${title}: ` : ""}${network.classNames[best]}, ${share} %.`;
}

/** Whether a probability has changed by more than its bar shows. */
function isMoved(before, now) {
    return Math.abs(before - now) >= 0.005;
}
