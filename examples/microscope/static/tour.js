/** A guided tour: what to look at, and why. Each stop chooses a number and says something about it. */

import {make, makeButton} from "./elements.js";
import {INPUT, placeOfLargest} from "./specimen.js";
import {placeOf} from "./windows.js";

const ACTIVATIONS = ["Sigmoid", "Tanh", "ScaledTanh", "ReLU", "ELU"];
const POOLINGS = ["AvgPool2d", "MaxPool2d", "Subsampling2d"];

/** The stops: a title, sentences, the layer that is shown, and of it the largest number where there is no `at`. */
const STOPS = [
    {
        title: "The image",
        text: "The network reads numbers: each pixel's level, brought to a size around 0. Orange is above 0, blue below. " +
            "Draw a digit of your own, or cut out another part: all that follows changes at once.",
        layerOf: () => INPUT, at: (specimen) => specimen.size.map((length) => Math.floor(length / 2)).concat(0),
    },
    {
        title: "One number of a convolution",
        text: "A kernel lies on a small window of the image. Each of its weights is multiplied by the number under it, and " +
            "the products are added up: that is this one number. Compare the window, the weights and the products below.",
        layerOf: (specimen) => find(specimen, ["Conv2d"]),
    },
    {
        title: "The same weights everywhere",
        text: "Another place of the same map: another window, but the very same weights. The kernel looks for its pattern " +
            "all over the image. Press “Slide the window” to see it go.",
        layerOf: (specimen) => find(specimen, ["Conv2d"]), at: elsewhere,
    },
    {
        title: "The activation",
        text: "Each number goes through a curve by itself. Without it all layers together could do no more than a single one.",
        layerOf: (specimen) => find(specimen, ACTIVATIONS),
    },
    {
        title: "Local response normalisation",
        text: "Each number is divided by a measure of the same place in the maps beside it: one that stands out among its " +
            "neighbours keeps more of its lead.",
        layerOf: (specimen) => find(specimen, ["LocalResponseNorm"]),
    },
    {
        title: "Pooling",
        text: "A small window becomes one number, its mean or its largest. The maps become smaller: from here on it " +
            "matters less where exactly something was.",
        layerOf: (specimen) => find(specimen, POOLINGS),
    },
    {
        title: "A convolution over many maps",
        text: "A kernel of the second convolution reads the same window in many maps at once, with weights of its own for " +
            "each. So it can find combinations of what the first one found. Choose another map below to see its part.",
        layerOf: second,
    },
    {
        title: "What it sees of the image",
        text: "The dotted frame in the image is the receptive field: all pixels that can change this number. " +
            "The deeper the layer, the larger it is.",
        layerOf: (specimen) => find(specimen, POOLINGS, second(specimen) + 1),
    },
    {
        title: "From maps to a list",
        text: "A unit of a fully connected layer has a weight for every number before it. That these numbers stood beside " +
            "or above each other, it is not told.",
        layerOf: (specimen) => find(specimen, ["Linear"]),
    },
    {
        title: "Dropout",
        text: "In training, half of these units are switched off at random in every step, so that none relies on a " +
            "certain other one. In use, as here, all are on. “Draw dropout masks” at the left shows one such step.",
        layerOf: (specimen) => find(specimen, ["Dropout"]),
    },
    {
        title: "The outputs",
        text: "One number for each class: the larger, the likelier. They may be negative, and add up to nothing in particular.",
        layerOf: (specimen) => specimen.network.layers.length - 1,
    },
    {
        title: "Softmax",
        text: "The outputs become probabilities: powers of e, divided by their sum. Whatever is ahead by 1 is e times as probable.",
        layerOf: (specimen) => specimen.network.layers.length,
    },
    {
        title: "The loss, and which way is down",
        text: "-log of the wanted class's probability says how wrong the network is. The gradients flow back from here: " +
            "how would the loss change with each number? Want another class, and they become strong.",
        layerOf: (specimen) => specimen.network.layers.length - 1, view: "gradients",
    },
    {
        title: "Learning",
        text: "Each weight takes a small step against its gradient, thousands of times. Press Play in “See it learn” and " +
            "watch kernels, maps and loss change.",
        layerOf: (specimen) => find(specimen, ["Conv2d"]), learns: true,
    },
];

/** The first layer of these kinds from a layer on; undefined where there is none. */
function find(specimen, kinds, from = 0) {
    const {layers} = specimen.network;
    return [...layers.keys()].find((index) => index >= from && kinds.includes(layers[index].kind));
}

function second(specimen) {
    return find(specimen, ["Conv2d"], find(specimen, ["Conv2d"]) + 1);
}

function largest(specimen, layer, view) {
    const values = specimen.valuesOf(layer, view).map(Math.abs);
    return placeOf(placeOfLargest(values), specimen.shapeOf(layer));
}

/** A place of the same map as the largest number, far from it. */
function elsewhere(specimen, layer, view) {
    const [row, column, map] = largest(specimen, layer, view);
    const [rows, columns] = specimen.shapeOf(layer);
    return [(row + Math.floor(rows / 2)) % rows, (column + Math.floor(columns / 2)) % columns, map];
}

export class Tour {
    /**
     * page: specimens, learning, setView(view), reveal and select(specimen, layer, at), learn(), relayed();
     * element: to fill; button: opens the tour.
     */
    constructor(page, element, button) {
        /** The stop, from 1; null while the tour is closed. */
        this.number = null;
        Object.assign(this, {page, element, button});
        this.title = make("h2", {id: "tour-title"});
        this.text = make("p", {"aria-live": "polite"});
        this.back = makeButton("Back", () => this.open(this.number - 1));
        this.next = makeButton("Next", () => this.goOn(), {class: "play"});
        element.append(this.title, this.text,
            make("p", {class: "buttons"}, this.back, this.next, makeButton("End the tour", () => this.close())));
        element.addEventListener("keydown", (event) => this.press(event));
        button.addEventListener("click", () => {
            this.open(1);
            this.next.focus();
        });
    }

    /** The stops that this page has. */
    get stops() {
        const {specimens: [specimen], learning} = this.page;
        return STOPS.filter(({layerOf, learns}) => layerOf(specimen) !== undefined && !(learns && learning === undefined));
    }

    /** Goes to a stop: one of those that there are. */
    async open(number) {
        const {stops, page} = this;
        const [specimen] = page.specimens;
        this.number = Math.min(stops.length, Math.max(1, Math.round(Number(number)) || 1));
        const {title, text, layerOf, at = largest, view = "activations", learns = false} = stops[this.number - 1];
        this.title.textContent = `${this.number} of ${stops.length}: ${title}`;
        this.text.textContent = text;
        this.back.disabled = this.number === 1;
        this.next.textContent = this.number === stops.length ? "Done" : "Next";
        this.element.hidden = false;
        page.setView(view);
        page.relayed();
        const layer = layerOf(specimen);
        const place = at(specimen, layer, view);
        page.reveal(specimen, layer, place);
        await page.select(specimen, layer, place);
        if (learns) {
            page.learn();
        }
    }

    goOn() {
        if (this.number < this.stops.length) {
            this.open(this.number + 1);
        } else {
            this.close();
        }
    }

    close() {
        if (this.number === null) {
            return;
        }
        const focused = this.element.contains(document.activeElement);
        this.number = null;
        this.element.hidden = true;
        this.page.relayed();
        this.page.links.write();
        if (focused) {
            this.button.focus();
        }
    }

    /** The arrows go from stop to stop while the focus is here, Escape ends the tour. */
    press(event) {
        const steps = {ArrowLeft: -1, ArrowRight: 1}[event.key];
        if (event.key === "Escape") {
            this.close();
        } else if (steps !== undefined) {
            this.open(this.number + steps);
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation(); // in lecture mode the arrows go to the layers beside
    }
}
