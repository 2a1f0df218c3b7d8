/**
 * What follows a network's last layer, shown like two layers more: softmax, which makes probabilities of the outputs,
 * and the loss, the cross-entropy.
 */

import {crossEntropy} from "./engine.js";
import {bracketed, number, summed, term} from "./terms.js";

/** Their names. Their layer numbers follow those of the network's layers. */
export const OUTCOME = ["softmax", "loss"];
const [SOFTMAX, LOSS] = OUTCOME;

export const OUTCOME_KINDS = {[SOFTMAX]: "probabilities of the classes", [LOSS]: "cross-entropy"};

/** What the view shows of softmax or the loss; gradients: of the loss with respect to it. */
export function outcomeValues(name, view, {logits, probabilities, target}) {
    if (name === LOSS) {
        return [view === "gradients" ? 1 : crossEntropy(logits, target)];
    }
    // -1 / p of the target, of which the p may be too small for a number: p = e^-loss.
    return view === "gradients" ? probabilities.map((_, unit) => (unit === target ? -Math.exp(crossEntropy(logits, target)) : 0))
        : probabilities;
}

/** How one of them comes about, see terms.js; null for the gradient of the loss with respect to itself. */
export function explainOutcome(name, at, view, {logits, probabilities, target}) {
    const [unit] = at;
    if (name === SOFTMAX && view === "activations") {
        const largest = Math.max(...logits);
        const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
        const explanation = summed(powers.map((power, index) =>
            term(index, [index], null, power, {text: `e^(${number(logits[index])} \u2212 ${bracketed(largest)})`})));
        explanation.finish = `${number(powers[unit])} / ${number(explanation.total)}`;
        explanation.result = probabilities[unit];
        return explanation;
    }
    if (name === SOFTMAX) {
        const slope = outcomeValues(SOFTMAX, view, {logits, probabilities, target})[unit];
        const text = unit === target ? `\u22121 / ${number(probabilities[unit])} \u00d7 1` : "0 \u00d7 1";
        return summed([term(0, [0], slope, 1, {text})]);
    }
    if (view === "gradients") {
        return null;
    }
    const probability = probabilities[target];
    const explanation = summed([term(target, [target], null, probability, {text: "the wanted class's probability"})],
        {how: "input"});
    explanation.finish = `\u2212log ${number(probability)}`;
    explanation.result = crossEntropy(logits, target);
    return explanation;
}

/** What they are, in a formula and a sentence: [formula, sentence]. */
export function outcomeInWords(name, view, classNames, target) {
    const wanted = classNames[target];
    if (name === SOFTMAX) {
        return view === "activations" ? ["p[j] = e^(z[j] - max z) / sum over i of e^(z[i] - max z)",
            "The largest output, max z, is taken off first, so that no power becomes infinite; it cancels."]
            : [`dL/dp[j] = -1 / p[j] for j = ${wanted}, else 0`,
                "Only the wanted class's probability is in the loss; through softmax it depends on all outputs."];
    }
    return view === "activations" ? [`L = -log p[${wanted}] = log(sum over i of e^z[i]) - z[${wanted}]`,
        `Whoever guesses among ${classNames.length} classes has the loss ${number(Math.log(classNames.length))}.`]
        : ["dL/dL = 1", "Here the backward pass begins: it goes to the left, layer by layer."];
}
