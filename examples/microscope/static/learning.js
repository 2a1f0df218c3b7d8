/** The section in which the network learns: its controls, its curves, its kernels, its batch. */

import {BatchView} from "./batch.js";
import {Curves} from "./curves.js";
import {Network} from "./engine.js";
import {make, makeButton, makeSlider} from "./elements.js";
import {KernelGallery, weightInWords} from "./kernels.js";
import {Learner} from "./learner.js";
import {Pace} from "./pace.js";
import {unitsInWords} from "./unit_marks.js";
import {pulls, pullsInPictures, updateInWords} from "./update.js";

const ACTIVATION_NAMES = {Sigmoid: "logistic sigmoid", Tanh: "tanh", ReLU: "ReLU"};
const FIRST_SETTINGS = {activation: "ReLU", rate: 0.02, momentum: 0.9, batch: 16, spread: 1, seed: 1};
const MOST_GALLERIES = 2; // convolutions whose kernels are shown
const BATCH_PAUSE = 700; // milliseconds for which the digits of a batch are in view, at least
const SAID_PAUSE = 6000; // milliseconds from one announcement to the next

export class Learning {
    /**
     * @param {string} workerSource see learner.js
     * @param {object} training of the page's data: the digits, and the network with each activation
     * @param {object} page showNetwork(description, params, units, words), showTrained(); colours and edge() for drawing
     */
    constructor(workerSource, training, page) {
        Object.assign(this, {training, page, settings: {...FIRST_SETTINGS}, latest: null, playing: false, started: false});
        Object.assign(this, {gallery: null, batchDrawn: -Infinity, said: -Infinity, held: null, shown: false});
        this.learner = new Learner(workerSource, training);
        this.learner.onsnapshot = (snapshot) => this.receive(snapshot);
        this.pace = new Pace(() => this.draw());
        const {layers, class_names: classNames} = this.description;
        this.curves = new Curves(classNames.length);
        this.galleries = layers.filter(({kind}) => kind === "Conv2d").slice(0, MOST_GALLERIES).map((layer) => {
            const source = layers[layers.indexOf(layer) - 1]?.name ?? "the image";
            return new KernelGallery(layer, source, (gallery) => this.chooseWeight(gallery));
        });
        this.shapes = Object.fromEntries(layers.map(({name, output_shape: shape}) => [name, shape]));
        this.makeElement();
        // What is pressed must still be there when it is let go: until then nothing is drawn anew.
        addEventListener("pointerdown", ({target}) => (this.held = target.closest("#panel, #answers, #networks")));
        for (const event of ["pointerup", "pointercancel"]) {
            addEventListener(event, () => (this.held = null));
        }
    }

    get description() {
        return this.training.variants[this.settings.activation];
    }

    // ---------------------------------------------------------------------------------------------------- the section
    makeElement() {
        this.opener = makeButton("See it learn", () => this.open(this.body.hidden), {class: "opener", "aria-expanded": "false"});
        this.playButton = makeButton("Play", () => this.play(!this.playing), {class: "play"});
        this.back = makeButton("Back to the trained network", () => this.goBack());
        this.back.hidden = true;
        this.status = make("p", {class: "unseen", role: "status"});
        this.notice = make("p", {class: "notice"});
        this.words = make("p", {class: "words"});
        this.unitWords = make("div");
        this.taken = make("div", {class: "taken"});
        this.batchPlace = make("div");
        const hint = "The same network with new weights learns digits, here in this page: " +
            "watch its kernels, maps and gradients change.";
        this.hint = make("p", {class: "hint"}, hint);
        const settings = this.makeSettings();
        const kernels = make("div", {class: "galleries"}, ...this.galleries.map(({element}) => element), this.batchPlace);
        this.body = make("div", {class: "learning-body"}, make("div", {class: "settings"}, ...settings,
            this.words, this.unitWords), this.curves.element, kernels, this.taken);
        this.body.hidden = true;
        this.element = make("section", {id: "learning", "aria-labelledby": "learning-title"},
            make("header", {}, make("h2", {id: "learning-title"}, this.opener),
                make("p", {class: "buttons"}, this.playButton, makeButton("One step", () => this.step()),
                    makeButton("Start anew", () => this.startAnew()),
                    make("label", {}, "from seed ", this.seed), this.back), this.hint, this.notice, this.status),
            this.body);
    }

    makeSettings() {
        const {settings} = this;
        const activation = make("select", {autocomplete: "off", onchange: () => {
            this.change({activation: Object.keys(this.training.variants)[activation.selectedIndex]});
        }});
        for (const kind of Object.keys(this.training.variants)) {
            activation.append(make("option", {}, ACTIVATION_NAMES[kind] ?? kind));
        }
        activation.selectedIndex = Object.keys(this.training.variants).indexOf(settings.activation);
        this.seed = make("input", {type: "number", min: "0", max: "9999", value: String(settings.seed), autocomplete: "off",
            onchange: () => {
                settings.seed = Math.min(9999, Math.max(0, Math.round(Number(this.seed.value)) || 0));
                this.seed.value = String(settings.seed);
                this.change({});
            }});
        const power = (base) => (value) => Number((base ** value).toPrecision(2));
        const slider = (name, key, {min, max, step, base = null, restarts = false}) => {
            const from = base === null ? Number : power(base);
            const value = base === null ? settings[key] : Math.log(settings[key]) / Math.log(base);
            return makeSlider({name, min, max, step, value, shown: (at) => String(from(at)), oninput: (at) => {
                const change = {[key]: from(at)};
                restarts ? this.change(change) : this.set(change);
            }});
        };
        return [
            slider("Learning rate", "rate", {min: -4, max: 0, step: 0.05, base: 10}),
            slider("Momentum", "momentum", {min: 0, max: 0.99, step: 0.01}),
            slider("Batch size", "batch", {min: 0, max: 6, step: 1, base: 2}),
            slider("Initial spread", "spread", {min: -2, max: 1, step: 0.05, base: 10, restarts: true}),
            make("p", {class: "choices"}, make("label", {}, "Activation ", activation)),
        ];
    }

    open(open = true) {
        this.body.hidden = !open;
        this.hint.hidden = open;
        this.opener.setAttribute("aria-expanded", String(open));
        if (open && this.latest !== null) {
            this.pace.ask();
        }
    }

    // ---------------------------------------------------------------------------------------------------- what is done
    /** Learns on, or stops. */
    play(on) {
        this.begin();
        this.setPlaying(on);
        on ? this.learner.play() : this.learner.pause();
        this.tell("");
        this.announce(on ? `Learning, with ${ACTIVATION_NAMES[this.settings.activation]}` : `Paused. ${this.inWords()}`);
        this.pace.ask();
    }

    step() {
        this.begin();
        this.setPlaying(false);
        this.tell("");
        this.learner.step();
        this.stepping = true; // what comes of it is announced when it is there
    }

    startAnew() {
        this.started = false;
        this.begin();
        if (this.playing) {
            this.learner.play();
        }
        const {activation, spread, seed} = this.settings;
        this.tell(`Started anew: ${ACTIVATION_NAMES[activation]}, initial spread ${spread}, seed ${seed}.`);
    }

    /** Brings the learning network under the microscope; new weights if there are none yet. */
    begin() {
        this.open();
        this.shown = true;
        this.back.hidden = false;
        if (!this.started) {
            this.started = true;
            this.latest = null;
            this.curves.clear();
            const {activation, ...settings} = this.settings;
            this.learner.start(activation, settings);
        }
    }

    setPlaying(on) {
        this.playing = on;
        this.playButton.textContent = on ? "Pause" : "Play";
    }

    /** A setting that the next step follows. */
    set(change) {
        Object.assign(this.settings, change);
        const {rate, momentum, batch} = this.settings;
        if (this.started) {
            this.learner.set({rate, momentum, batch});
        }
    }

    /** A setting with which the network starts: it starts anew if it has started. */
    change(change) {
        Object.assign(this.settings, change);
        if (this.started) {
            this.startAnew();
        }
    }

    goBack() {
        if (this.playing) {
            this.setPlaying(false);
            this.learner.pause();
        }
        this.shown = false;
        this.back.hidden = true;
        this.page.showTrained();
        this.tell("The layers show the trained network again. Play or One step goes on learning.");
        this.playButton.focus(); // or the focus would be lost with the button
    }

    // ------------------------------------------------------------------------------------------------ what is to be seen
    receive(snapshot) {
        if (this.curves.add(snapshot) && snapshot.activation === this.settings.activation) {
            this.latest = snapshot;
            if (this.stepping && snapshot.losses.length > 0) {
                this.stepping = false;
                this.announce(this.inWords());
            }
            this.pace.ask();
        }
    }

    async draw() {
        if (this.held !== null) {
            this.pace.ask();
            return;
        }
        if (this.latest === null) {
            return;
        }
        if (!this.body.hidden) {
            this.drawSection();
        }
        if (this.shown) {
            const {params, units, step} = this.latest;
            const {activation, seed} = this.settings;
            const words = `The network that learns here, with ${ACTIVATION_NAMES[activation]}, seed ${seed}, after ${step} steps`;
            await this.page.showNetwork(this.description, params, units, words);
        }
    }

    drawSection() {
        const {latest, page} = this;
        this.curves.draw();
        for (const gallery of this.galleries) {
            gallery.draw(latest, page.colours, page.edge(), gallery === this.gallery);
        }
        this.words.textContent = this.inWords();
        this.unitWords.replaceChildren(...(latest.units === null ? [] : unitsInWords(latest.units, this.shapes, page.ink)));
        this.drawBatch();
        this.drawTaken();
        if (this.playing && performance.now() - this.said > SAID_PAUSE) {
            this.announce(this.inWords());
        }
    }

    drawBatch() {
        const {latest} = this;
        const now = performance.now();
        if (latest.batch === null || latest.batch.length === 0 || latest.previous === null) {
            this.batchPlace.replaceChildren();
        } else if (!this.playing || now - this.batchDrawn > BATCH_PAUSE) {
            this.batchDrawn = now;
            this.batchView ??= new BatchView(this.learner.digits, this.description.image_shape);
            this.batchPlace.replaceChildren(this.batchView.element);
            this.batchView.draw(new Network(this.description, latest.previous), latest.batch);
        }
    }

    inWords() {
        const {latest, curves} = this;
        if (latest === null || latest.step === 0) {
            return "New weights, which have learned nothing yet.";
        }
        const count = (value) => Math.round(value).toLocaleString("en");
        const speed = latest.playing && latest.digitsPerSecond > 0 ? `, ${count(latest.digitsPerSecond)} a second` : "";
        const loss = Number.isFinite(curves.loss) ? `Loss ${curves.loss.toFixed(2)}, ` +
            `of guessing ${curves.guessing.toFixed(2)}.` : "The loss is no number any more: the learning rate is too large.";
        const accuracy = curves.accuracy === null ? ""
            : ` It reads ${(100 * curves.accuracy).toFixed(1)} % of ${this.training.digits.held} other digits.`;
        return `Step ${count(latest.step)}, epoch ${latest.epoch}: ${count(latest.seen)} digits seen${speed}. ` +
            `${loss}${accuracy}`;
    }

    /** To all. */
    tell(sentence) {
        this.notice.textContent = sentence;
        this.announce(sentence);
    }

    /** To a screen reader, politely. */
    announce(sentence) {
        this.said = performance.now();
        this.status.textContent = sentence;
    }

    // ------------------------------------------------------------------------------------------------ one number's update
    chooseWeight(gallery) {
        this.gallery = gallery;
        this.takenOf = null;
        this.pace.ask();
    }

    drawTaken() {
        const {latest, gallery} = this;
        if (gallery === null) {
            this.taken.replaceChildren(make("p", {class: "hint"},
                "Click a weight of a kernel and see how the last step changed it."));
            return;
        }
        if (latest.playing || latest.step === 0 || latest.previous === null) {
            this.taken.replaceChildren(make("p", {class: "hint"}, latest.step === 0 ? "No step has been taken yet."
                : "Pause, and see how the last step changed this weight."));
            this.takenOf = null;
            return;
        }
        if (this.takenOf === latest) {
            return;
        }
        this.takenOf = latest;
        const {place, name} = gallery;
        const at = gallery.indexOf(place);
        const {params, velocities, gradients, previous, batch} = latest;
        const numbers = {before: previous[at], g: gradients[at], v: velocities[at], w: params[at]};
        const title = `The last step of ${name}, ${weightInWords(place)}`;
        const table = updateInWords(title, latest.settings, numbers);
        const network = new Network(this.description, previous);
        const pictures = [...batch].map((index) => ({levels: this.batchView.levelsOf(index),
            label: this.learner.digits.labels[index]}));
        const all = pulls(network, network.indexOf(name), place, pictures.map(({levels}) => network.prepare(levels)),
            pictures.map(({label}) => label));
        this.taken.replaceChildren(table, pullsInPictures(all, latest.settings, pictures, this.description.image_shape));
    }
}
