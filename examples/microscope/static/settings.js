/** The settings of training, each with its control. */

import {make, makeSlider} from "./elements.js";

export const ACTIVATION_NAMES = {Sigmoid: "logistic sigmoid", Tanh: "tanh", ReLU: "ReLU"};
/** With these the network reads nine of ten digits after seconds. */
export const FIRST_SETTINGS = {activation: "ReLU", rate: 0.02, momentum: 0.9, batch: 16, spread: 1, seed: 1};
const LAST_SEED = 9999;

/**
 * The sliders and the choice of the activation.
 * @param {object} settings as they are at first
 * @param {string[]} activations that there are to choose from
 * @param {function} follow gets {name: value} of a setting that the next step can follow
 * @param {function} restart gets one with which training must start anew
 */
export function makeSettings(settings, activations, follow, restart) {
    const activation = make("select", {autocomplete: "off", onchange: () => {
        restart({activation: activations[activation.selectedIndex]});
    }});
    activation.append(...activations.map((kind) => make("option", {}, ACTIVATION_NAMES[kind])));
    activation.selectedIndex = activations.indexOf(settings.activation);
    const slider = (name, key, base, range, event, change) => {
        const settingAt = (value) => (base === null ? value : Number((base ** value).toPrecision(2)));
        const value = base === null ? settings[key] : Math.log(settings[key]) / Math.log(base);
        return makeSlider({name, ...range, value, shown: (at) => String(settingAt(at)),
            [event]: (at) => change({[key]: settingAt(at)})});
    };
    return [
        slider("Learning rate", "rate", 10, {min: -4, max: 0, step: 0.05}, "oninput", follow),
        slider("Momentum", "momentum", null, {min: 0, max: 0.99, step: 0.01}, "oninput", follow),
        slider("Batch size", "batch", 2, {min: 0, max: 6, step: 1}, "oninput", follow),
        slider("Initial spread", "spread", 10, {min: -2, max: 1, step: 0.05}, "onchange", restart),
        make("p", {class: "choices"}, make("label", {}, "Activation ", activation)),
    ];
}

/** A field for the seed; restart as in `makeSettings`. */
export function makeSeed(seed, restart) {
    const change = () => {
        field.value = Math.min(LAST_SEED, Math.max(0, Math.round(Number(field.value)) || 0));
        restart({seed: Number(field.value)});
    };
    const attributes = {type: "number", min: 0, max: LAST_SEED, value: seed, autocomplete: "off"};
    const field = make("input", {...attributes, onchange: change});
    return make("label", {}, "from seed ", field);
}
