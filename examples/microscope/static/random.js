/** Random numbers that are the same each time. */

/** A function that gives numbers between 0 and 1, uniformly distributed; always the same ones after a seed. */
export function uniformNumbers(seed) {
    let state = seed >>> 0;
    return () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return (state + 0.5) / 2 ** 32;
    };
}
