/** What can be done to the image and to the networks: noise, turning, moving, and parts that are switched off. */

import {makeSliders} from "./controls.js";
import {keepingFocus, make, makeButton} from "./elements.js";
import {drawMasks, switchedOff, toggle} from "./specimen.js";

const STILL = {noise: 0, angle: 0, right: 0, down: 0};

export class Experiments {
    /** page: specimens, change(). element: to fill. */
    constructor(page, element) {
        Object.assign(this, {page, effects: {...STILL}});
        this.sliders = make("div");
        this.off = make("ul", {class: "off-list"});
        const masks = makeButton("Draw dropout masks, as in training", () => {
            page.specimens.forEach(drawMasks);
            page.change();
        });
        masks.hidden = !page.specimens.some(({network}) => network.layers.some(({kind}) => kind === "Dropout"));
        const hint = make("p", {class: "hint"},
            "Layers, maps and single numbers can be switched off where they are shown.");
        this.fill();
        element.append(this.sliders, masks, this.off, hint,
            makeButton("Undo the experiments", () => this.undo()));
    }

    fill() {
        const {page, effects} = this;
        const largestShift = Math.round(page.specimens[0].size[0] / 4);
        this.sliders.replaceChildren(...makeSliders(effects, largestShift, () => page.change()));
    }

    undo() {
        Object.assign(this.effects, STILL);
        this.page.specimens.forEach((specimen) => (specimen.changes = {}));
        this.fill();
        this.page.change();
    }

    /** Lists what is switched off, each with a button. */
    draw() {
        const {page: {specimens}, off} = this;
        keepingFocus(off, () => off.replaceChildren(...specimens.flatMap((specimen) => this.offOf(specimen))));
    }

    offOf(specimen) {
        const whose = this.page.specimens.length > 1 ? `${specimen.title}: ` : "";
        return switchedOff(specimen).map(({name, what, part}) => make("li", {}, `${whose}${what} `,
            makeButton("on again", () => {
                toggle(specimen, name, part);
                this.page.change();
            })));
    }
}
