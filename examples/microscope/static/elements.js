/** Elements of the page, made one way: text goes in as text, so that no name of a file or a class can be markup. */

/**
 * @param {string} tag such as "p"; "svg:rect" for one of SVG
 * @param {object} attributes "class", "aria-label", ...; onclick and its like are listeners; null: left out
 * @param {...(Node|string)} children
 */
export function make(tag, attributes = {}, ...children) {
    const [first, inSvg] = tag.split(":");
    const made = inSvg ? document.createElementNS("http://www.w3.org/2000/svg", inSvg) : document.createElement(first);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) {
            made.addEventListener(name.slice(2), value);
        } else if (value !== null) {
            made.setAttribute(name, value);
        }
    }
    made.append(...children);
    return made;
}

/** A button of the page's. pressed: null for one that does something, else whether what it switches is on. */
export function makeButton(text, onclick, {pressed = null, ...attributes} = {}) {
    const state = pressed === null ? null : String(pressed);
    return make("button", {type: "button", "aria-pressed": state, onclick, ...attributes}, text);
}

/** A slider with its name and its value. shown: the value in words; onchange: once it is let go. */
export function makeSlider({name, min, max, step, value, shown, oninput = () => {}, onchange = () => {}}) {
    const output = make("output", {}, shown(value));
    const slider = make("input", {type: "range", min, max, step, value, "aria-valuetext": shown(value), oninput: () => {
        output.textContent = shown(Number(slider.value));
        slider.setAttribute("aria-valuetext", output.textContent);
        oninput(Number(slider.value));
    }, onchange: () => onchange(Number(slider.value))});
    return make("label", {class: "slider"}, make("span", {}, name), slider, output);
}

/** Fills an element anew; the control that had the focus, counted from the first, has it again. */
export function keepingFocus(element, fill) {
    const controls = () => [...element.querySelectorAll("button, select")];
    const focused = controls().indexOf(document.activeElement);
    fill();
    controls()[focused]?.focus();
}

/** A number in so few digits that it fits the cell of a matrix. */
export function short(value) {
    const size = Math.abs(value);
    return size >= 0.001 && size < 0.01 ? brief(Number(value.toPrecision(1))) : brief(value);
}

/** The same in two digits, for letters that the last row of a hall can read. */
export function shortest(value) {
    const size = Math.abs(value);
    return size >= 0.01 && size < 100 ? brief(Number(value.toPrecision(size < 0.1 ? 1 : 2))) : short(value);
}

/** A number in few digits, three at most, for where many stand together. */
export function brief(value) {
    const size = Math.abs(value);
    const digits = size < 0.1 ? 2 : 3;
    const text = size > 0 && size < 0.001 ? value.toExponential(0) : String(Number(value.toPrecision(digits)));
    return text.replaceAll("-", "\u2212");
}
