/** What an explained number is made of. */

/**
 * @typedef {object} Term
 * @property {number} from flat index in the layer's input (for a gradient: in its output)
 * @property {number[]} place the same as [h, w, c] or [i]
 * @property {number|null} weight what the value is multiplied by, where it is
 * @property {number} value the number that lies there: x, or dy for a gradient
 * @property {number} product what the term is
 * @property {number[]} [weightPlace] where the weight lies in the layer's array
 * @property {boolean} [won] in a max-pooling window: whether it is the winner, or for a gradient has won this window
 * @property {number} [square] in local response normalisation: value * value
 * @property {"numerator"|"denominator"} [part] in its gradient: which part of the formula the term comes from
 * @property {string} [text] the term in words with its numbers, where it is not "value * weight"
 */

/**
 * @typedef {object} Explanation
 * @property {Term[]} terms without the bias
 * @property {number|null} bias what the sum starts with: a bias, or the k of local response normalisation
 * @property {string} how the terms become the total: "sum", "largest", or "input", the one that there is
 * @property {number} total
 * @property {string} finish the last step with its numbers, or "" where the total is the result
 * @property {number} result the number that is explained
 * @property {{top: number, left: number, height: number, width: number}|null} window in the input, inside the image
 * @property {{from: number, place: number[]}} [winner] of a max-pooling window
 * @property {boolean} silenced whether the result was set to 0
 * @property {null|"input"|"zero"} bypassed whether the layer is off, and what stands for its output
 */

export function term(from, place, weight, value, more = {}) {
    return {from, place, weight, value, product: weight === null ? value : weight * value, ...more};
}

/** The sum of a bias, if there is one, and all terms. more: what else the explanation has. */
export function summed(terms, more = {}) {
    let total = more.bias ?? 0;
    for (const {product} of terms) {
        total += product;
    }
    return {
        terms, bias: null, how: "sum", total, finish: "", result: total, window: null, silenced: false, bypassed: null,
        ...more,
    };
}

/** A number in six digits, without trailing zeros and without -0. */
export function number(value) {
    return String(Number((value + 0).toPrecision(6)) + 0);
}

/** A number in brackets where it has a sign, so that none stands beside another. */
export function bracketed(value) {
    return value < 0 ? `(${number(value)})` : number(value);
}

/** A place in words. */
export function placeInWords(at) {
    return at.length === 1 ? `unit ${at[0]}` : `map ${at[2]}, row ${at[0]}, column ${at[1]}`;
}

/** The terms, those first that weigh most. */
export function largestTerms(terms) {
    return [...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
}
