/** The window slides over its input: the chosen number goes along its map, row by row, and its window with it. */

import {makeButton} from "./elements.js";

const PLACE_TIME = 250; // milliseconds at each place
const WINDOWED = ["Conv2d", "MaxPool2d", "AvgPool2d", "Subsampling2d"];

export class Slide {
    /** page: choice, view, select(specimen, layer, at), redraw(). */
    constructor(page) {
        Object.assign(this, {page, timer: null});
        // Whatever a person does stops it; the button does so by itself.
        for (const kind of ["pointerdown", "keydown"]) {
            addEventListener(kind, ({target, key}) => {
                if (target.closest(".slide") === null || (kind === "keydown" && key !== "Enter" && key !== " ")) {
                    this.stop();
                }
            }, true);
        }
    }

    get moving() {
        return this.timer !== null;
    }

    /** A button for the panel; none where no window slides. */
    makeControls({specimen, layer}, view) {
        if (view !== "activations" || !WINDOWED.includes(specimen.network.layers[layer]?.kind)) {
            return [];
        }
        const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
        return [still ? makeButton("Slide the window one place", () => this.step(), {class: "slide"})
            : makeButton(this.moving ? "Stop" : "Slide the window", () => (this.moving ? this.stop() : this.start()),
                {class: "slide"})];
    }

    start() {
        this.timer = setInterval(() => this.step(), PLACE_TIME);
        this.step();
    }

    stop() {
        if (this.moving) {
            clearInterval(this.timer);
            this.timer = null;
            this.page.redraw(); // the button's words
        }
    }

    /** To the next place of the map; after the last to the first. */
    step() {
        const {choice: {specimen, layer, at: [row, column, map]}, view} = this.page;
        if (this.makeControls(this.page.choice, view).length === 0) {
            this.stop(); // another layer was chosen meanwhile, by an address or a stop of the tour
            return;
        }
        const [rows, columns] = specimen.shapeOf(layer);
        const next = (row * columns + column + 1) % (rows * columns);
        this.page.select(specimen, layer, [Math.floor(next / columns), next % columns, map]);
    }
}
