/** A network with an image under it: all that there is to see of it at one moment. */

import {Network, decodeBytes, encodeBytes, silencedUnits, softmax} from "./engine.js";
import {explainBackward, explainForward, receptiveField} from "./explain.js";
import {PASSES} from "./layers.js";
import {OUTCOME, explainOutcome, outcomeValues} from "./outcome.js";
import {experimented} from "./pictures.js";
import {largestOf} from "./sheets.js";
import {number, placeInWords, summed, term} from "./terms.js";
import {placeOf, sizeOf} from "./windows.js";

/** The layer number of the network's input. */
export const INPUT = -1;

export class Specimen {
    /**
     * @param {object} description of the network: examples/microscope/data.py
     * @param {number} place which of the page's networks it is
     */
    constructor(description, place) {
        this.network = new Network(description);
        /** The network that the page came with; another one with the same layers may be shown in its place. */
        this.first = this.network;
        /** Of the network that learns, by layer: which units are dead or saturated, see trainer.js. */
        this.units = null;
        this.place = place;
        this.title = description.title;
        this.about = description.about;
        /** Whether the network is computed by the server of the page, which holds its weights. */
        this.remote = description.weights === null;
        this.size = description.preparation.size;
        this.channels = description.preparation.channels;
        /** The levels of the image before any experiment, [...size, channels]. */
        this.picture = decodeBytes(description.picture.levels);
        this.firstPicture = this.picture;
        this.changes = {};
        /** Whether faint gradients have full colours, see fullColour. */
        this.amplified = false;
        /** The probabilities of an image before any experiment. */
        this.before = {picture: null, probabilities: null};
    }

    /** Puts a network with the same layers under the image, perhaps with another activation; null: the first again. */
    show(description, params, units) {
        this.network = description === null ? this.first : new Network(description, params);
        this.units = units;
        this.before.picture = null; // of which another network has said something
    }

    /** Whether it has answered yet: what follows from `look` is there. */
    get answered() {
        return this.states !== undefined;
    }

    /**
     * Looks at the image after the experiments and keeps what there is to see. All is of the moment of the call.
     * @param {{angle: number, right: number, down: number, noise: number}} effects see pictures.js
     * @param {number|null} target the class whose loss the gradients are of; null: that of the answer
     */
    async look(effects, target) {
        const {picture} = this;
        const changes = structuredClone(this.changes);
        const levels = experimented(picture, [...this.size, this.channels], effects);
        const untouched = levels === picture && !isChanged(changes);
        const seen = await this.compute(levels, changes, target);
        if (untouched) {
            this.before = {picture, probabilities: seen.probabilities};
        } else if (this.before.picture !== picture) {
            this.before = {picture, probabilities: (await this.compute(picture, {}, target)).probabilities};
        }
        Object.assign(this, seen, {levels});
    }

    /** @returns everything that follows from the levels: input, states, probabilities, target, gradients. */
    async compute(levels, changes, target) {
        const input = this.network.prepare(levels);
        if (this.remote) {
            return this.ask(input, levels, changes, target);
        }
        const states = this.network.forward(input, changes);
        const probabilities = softmax(states[states.length - 1].output);
        const chosen = target ?? placeOfLargest(probabilities);
        const gradients = this.network.backward(states, lossGradient(probabilities, chosen));
        return {input, states, probabilities, target: chosen, gradients};
    }

    /** The same, from the server: it sends every layer's outputs, then the input's gradient and every layer's. */
    async ask(input, levels, changes, target) {
        const sent = {};
        for (const [name, {off, channelsOff, unitsOff, mask}] of Object.entries(changes)) {
            const bytes = mask === null ? null : encodeBytes(mask);
            sent[name] = {off, channels_off: [...channelsOff], units_off: [...unitsOff], mask: bytes};
        }
        const body = JSON.stringify({network: this.place, levels: encodeBytes(levels), changes: sent, target});
        const reply = await fetch("answer", {method: "POST", headers: {"Content-Type": "application/json"}, body});
        const numbers = new Float32Array(await goodReply(reply).arrayBuffer());
        const {layers, imageShape} = this.network;
        let place = 0;
        const next = (shape) => Float64Array.from(numbers.subarray(place, place += sizeOf(shape)));
        const states = [];
        let x = Float64Array.from(input);
        for (const layer of layers) {
            const state = stateOf(layer, x, next(layer.outputShape), changes[layer.name]);
            states.push(state);
            x = state.output;
        }
        const gradients = {input: next(imageShape), outputs: layers.map((layer) => next(layer.outputShape))};
        const probabilities = softmax(x);
        return {input, states, probabilities, target: target ?? placeOfLargest(probabilities), gradients};
    }

    /** Fetches the weights of a layer from the server, once; null where all are there. */
    fetchWeights(layerIndex) {
        const layer = this.network.layers[layerIndex];
        if (!this.remote || layer === undefined || Object.keys(layer.paramShapes).length === 0 || layer.fetched) {
            return null;
        }
        layer.arriving ??= this.fetchNow(layer, layerIndex).finally(() => (layer.arriving = undefined));
        return layer.arriving;
    }

    async fetchNow(layer, layerIndex) {
        const reply = goodReply(await fetch(`weights/${this.place}/${layerIndex}`));
        const numbers = new Float32Array(await reply.arrayBuffer());
        let place = 0;
        for (const [name, shape] of Object.entries(layer.paramShapes)) {
            layer.params[name] = numbers.subarray(place, place += sizeOf(shape));
        }
        layer.fetched = true;
    }

    // ------------------------------------------------------------------------------------------------ by layer number
    /** Of all that is shown: the input, the layers, softmax, the loss. */
    get layerNumbers() {
        return Array.from({length: 1 + this.network.layers.length + OUTCOME.length}, (_, place) => INPUT + place);
    }

    /** "softmax" or "loss" where the number is theirs, else undefined. */
    outcomeOf(layerIndex) {
        return OUTCOME[layerIndex - this.network.layers.length];
    }

    get outcome() {
        const {states, probabilities, target} = this;
        return {logits: states[states.length - 1].output, probabilities, target};
    }

    shapeOf(layerIndex) {
        const {layers, imageShape} = this.network;
        const outcome = this.outcomeOf(layerIndex);
        return layerIndex === INPUT ? imageShape : outcome === "loss" ? [1]
            : layers[outcome === "softmax" ? layers.length - 1 : layerIndex].outputShape;
    }

    nameOf(layerIndex) {
        return layerIndex === INPUT ? "input" : this.outcomeOf(layerIndex) ?? this.network.layers[layerIndex].name;
    }

    /** The numbers that the view shows of a layer: its outputs, or the gradient with respect to each of them. */
    valuesOf(layerIndex, view) {
        const outcome = this.outcomeOf(layerIndex);
        if (outcome !== undefined) {
            return outcomeValues(outcome, view, this.outcome);
        }
        if (view === "gradients") {
            return layerIndex === INPUT ? this.gradients.input : this.gradients.outputs[layerIndex];
        }
        return layerIndex === INPUT ? this.input : this.states[layerIndex].output;
    }

    /**
     * The magnitude that has the full colour. Of a layer's gradients it is the largest that there would be if the image
     * were read altogether wrong: all of them are in proportion to 1 - p of the wanted class, so those of an image that
     * is read well look as weak as they are.
     */
    fullColour(layerIndex, view) {
        const outcome = this.outcomeOf(layerIndex);
        if (outcome !== undefined && view === "activations") {
            return outcome === "softmax" ? 1 : Math.log(this.network.classNames.length);
        }
        const largest = largestOf(this.valuesOf(layerIndex, view));
        const faint = view === "gradients" && outcome === undefined && !this.amplified;
        return (faint ? largest / this.wrongness : largest) || 1;
    }

    /** From 0 to 1: how much of the probability the wanted class lacks. */
    get wrongness() {
        return 1 - this.probabilities[this.target];
    }

    silencedOf(layerIndex) {
        return this.states[layerIndex]?.silenced ?? null;
    }

    /** The layer whose numbers an explanation's terms are: the one before, or for a gradient the one after. */
    sourceOf(layerIndex, view) {
        return layerIndex + (view === "gradients" ? 1 : -1);
    }

    /**
     * How one shown number comes about; null where it is only what was put in: the input's numbers.
     * The weights of the layer in between must have been fetched.
     */
    explain(layerIndex, at, view) {
        const {network, states, gradients, input} = this;
        const outcome = this.outcomeOf(layerIndex);
        if (outcome !== undefined) {
            return explainOutcome(outcome, at, view, this.outcome);
        }
        if (view === "activations") {
            return layerIndex === INPUT ? null : explainForward(network, states, input, layerIndex, at);
        }
        if (layerIndex < network.layers.length - 1) {
            return explainBackward(network, states, gradients, input, layerIndex + 1, at);
        }
        // Cross-entropy after softmax: p - 1 for the target, p for the others.
        const hit = at[0] === this.target ? 1 : 0;
        const probability = this.probabilities[at[0]];
        const explanation = summed([term(at[0], at, null, probability, {text: `probability ${number(probability)}`})]);
        explanation.finish = hit ? `${number(probability)} - 1` : "";
        explanation.result = probability - hit;
        return explanation;
    }

    /** What of the input image a layer's output sees. */
    fieldOf(layerIndex, at) {
        if (this.outcomeOf(layerIndex) !== undefined) {
            return this.fieldOf(this.network.layers.length - 1, [0]); // all that the last layer sees
        }
        return layerIndex === INPUT ? null : receptiveField(this.network, layerIndex, at, this.states);
    }
}

/** The gradient with respect to the outputs of cross-entropy after softmax, -log p[target]. */
export function lossGradient(probabilities, target) {
    return probabilities.map((probability, index) => probability - (index === target ? 1 : 0));
}

/** The flat index of the largest number. */
export function placeOfLargest(numbers) {
    return numbers.reduce((best, value, index) => (value > numbers[best] ? index : best), 0);
}

/** The state of a layer whose outputs the server computed. */
function stateOf(layer, x, output, change) {
    const bypassed = !change?.off ? null : layer.inputShape.join() === layer.outputShape.join() ? "input" : "zero";
    const silenced = change && !change.off ? silencedUnits(layer, change) : null;
    // What an explanation needs besides, a winner or a denominator, is made again from the input, unless that takes
    // weights: layers that have some keep nothing else.
    const weightless = Object.keys(layer.paramShapes).length === 0;
    const again = () => PASSES[layer.kind].forward(layer, x, change?.mask ?? null);
    const more = weightless && bypassed === null ? again() : {};
    return {...more, input: x, output, shape: layer.outputShape, silenced, bypassed};
}

function goodReply(reply) {
    if (!reply.ok) {
        throw new Error(`the server refused: ${reply.status} ${reply.statusText}`);
    }
    return reply;
}

function isChanged(changes) {
    return Object.values(changes).some(
        ({off, channelsOff, unitsOff, mask}) => off || channelsOff.size > 0 || unitsOff.size > 0 || mask !== null);
}

/** What is changed of a layer. */
function changeOf(specimen, name) {
    return specimen.changes[name] ??= {off: false, channelsOff: new Set(), unitsOff: new Set(), mask: null};
}

/** Switches a part off, or on again. part: {channel}, {unit}, {mask} or {} for the whole layer. */
export function toggle(specimen, name, {channel, unit, mask}) {
    const change = changeOf(specimen, name);
    if (mask !== undefined) {
        change.mask = null;
    } else if (channel === undefined && unit === undefined) {
        change.off = !change.off;
    } else {
        const [set, member] = unit === undefined ? [change.channelsOff, channel] : [change.unitsOff, unit];
        if (!set.delete(member)) {
            set.add(member);
        }
    }
}

/** Draws a mask for every dropout layer, as a step of training does. */
export function drawMasks(specimen) {
    for (const {name, kind, attributes, outputShape} of specimen.network.layers) {
        if (kind === "Dropout") {
            changeOf(specimen, name).mask = Uint8Array.from({length: sizeOf(outputShape)}, () =>
                (Math.random() >= attributes.p ? 1 : 0));
        }
    }
}

/** Whether a part is switched off by itself; part as for `toggle`. */
export function isOff(specimen, name, {channel, unit}) {
    const change = specimen.changes[name];
    if (change === undefined) {
        return false;
    }
    return unit !== undefined ? change.unitsOff.has(unit)
        : channel !== undefined ? change.channelsOff.has(channel) : change.off;
}

/** Everything that is switched off, as {name, what, part}. */
export function switchedOff(specimen) {
    const found = [];
    for (const [name, {off, channelsOff, unitsOff, mask}] of Object.entries(specimen.changes)) {
        const shape = specimen.network.layers[specimen.network.indexOf(name)].outputShape;
        if (off) {
            found.push({name, what: `${name}, the whole layer`, part: {}});
        }
        if (mask !== null) {
            const silenced = mask.filter((kept) => !kept).length;
            found.push({name, what: `${name}, ${silenced} of ${mask.length} units by its mask`, part: {mask}});
        }
        for (const channel of channelsOff) {
            found.push({name, what: `${name}, map ${channel}`, part: {channel}});
        }
        for (const unit of unitsOff) {
            found.push({name, what: `${name}, ${placeInWords(placeOf(unit, shape))}`, part: {unit}});
        }
    }
    return found;
}
