/** The section that shows how the networks learn in the program that serves the page. */

import {Curves} from "./curves.js";
import {make} from "./elements.js";
import {KernelGallery} from "./kernels.js";
import {Pace} from "./pace.js";
import {Watcher} from "./watcher.js";

export class Watching {
    /**
     * @param {object[]} descriptions of the networks
     * @param {object} page showNetwork(description, params, units, words, place); colours, edge() to draw
     */
    constructor(descriptions, page) {
        this.page = page;
        this.views = descriptions.map((description) => new NetworkView(description, () => this.pace.ask()));
        this.notice = make("p", {class: "hint", role: "status"}, "Waiting for the first step.");
        this.element = make("section", {id: "learning", "aria-labelledby": "learning-title"},
            make("header", {}, make("h2", {id: "learning-title"}, "Training, watched"), this.notice),
            ...this.views.map(({element}) => element));
        this.pace = new Pace(() => this.draw());
        this.watcher = new Watcher(descriptions.length);
        this.watcher.onsnapshot = (place, snapshot) => {
            this.say("Everything below is of the latest step that the program has sent.");
            this.views[place].receive(snapshot);
            this.pace.ask();
        };
        this.watcher.onsilence = () =>
            this.say("The program that trains has ended or does not answer: all stays as it was sent last.");
        this.watcher.start();
    }

    say(sentence) {
        if (this.notice.textContent !== sentence) { // or a screen reader would read it again
            this.notice.textContent = sentence;
        }
    }

    async draw() {
        for (const [place, view] of this.views.entries()) {
            const {latest, description} = view;
            if (latest !== null) {
                view.draw(this.page);
                if (view.shown !== latest) {
                    view.shown = latest;
                    const words = `${description.title} while it learns, after ${latest.step} steps`;
                    await this.page.showNetwork(description, latest.params, null, words, place);
                }
            }
        }
    }
}

/** One network's curves and the kernels of its first convolution. */
class NetworkView {
    constructor(description, changed) {
        Object.assign(this, {description, latest: null, shown: null});
        const {layers, class_names: classNames, title} = description;
        this.curves = new Curves(classNames.length);
        const first = layers.findIndex(({kind}) => kind === "Conv2d");
        this.galleries = first < 0 ? [] : [new KernelGallery(layers[first], layers[first - 1]?.name, changed)];
        this.words = make("p", {class: "words"}, "It has not begun.");
        this.element = make("div", {class: "learning-body"},
            make("div", {class: "settings"}, make("h3", {}, title), this.words), this.curves.element,
            make("div", {class: "galleries"}, ...this.galleries.map(({element}) => element)));
    }

    receive(snapshot) {
        this.curves.add(snapshot);
        this.latest = snapshot;
    }

    draw(page) {
        this.curves.draw();
        this.galleries.forEach((gallery) => gallery.draw(this.latest, page, page.edge(), true));
        this.words.textContent = this.inWords();
    }

    inWords() {
        const {step, epoch, rate, imagesPerSecond} = this.latest;
        const {loss, guessing, accuracy} = this.curves;
        const count = (value) => Math.round(value).toLocaleString("en");
        const held = accuracy === null ? "" : ` It reads ${(100 * accuracy).toFixed(1)} % of the images held out.`;
        return `Step ${count(step)}, epoch ${epoch}; learning rate ${Number(rate.toPrecision(2))}, ` +
            `${count(imagesPerSecond)} images a second. Loss ${loss.toFixed(2)}, of guessing ${guessing.toFixed(2)}.${held}`;
    }
}
