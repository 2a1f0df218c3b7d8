/** The section in which the network learns: its controls, its curves, its kernels, its batch. */

import {BatchView} from "./batch.js";
import {Curves} from "./curves.js";
import {make, makeButton} from "./elements.js";
import {KernelGallery} from "./kernels.js";
import {Learner} from "./learner.js";
import {Pace} from "./pace.js";
import {ACTIVATION_NAMES, FIRST_SETTINGS, makeSeed, makeSettings} from "./settings.js";
import {unitsInWords} from "./unit_marks.js";
import {UpdateView} from "./update.js";

const MOST_GALLERIES = 2; // convolutions whose kernels are shown
const BATCH_PAUSE = 700; // milliseconds for which the digits of a batch are in view, at least
const SAID_PAUSE = 6000; // milliseconds from one announcement to the next

export class Learning {
    /**
     * @param {string} workerSource see learner.js
     * @param {object} training of the page's data: the digits, and the network with each activation
     * @param {object} page showNetwork(description, params, units, words), showTrained(); colours, ink, edge() to draw
     */
    constructor(workerSource, training, page) {
        Object.assign(this, {training, page});
        this.settings = {...FIRST_SETTINGS};
        this.started = false; // whether there are new weights
        this.playing = false;
        this.shown = false; // whether the network that learns is under the microscope
        this.latest = null; // snapshot
        this.stepping = false; // whether a step was asked for of which nothing came yet
        this.pressed = null;
        [this.batchDrawn, this.announced] = [-Infinity, -Infinity];
        this.learner = new Learner(workerSource, training);
        this.learner.onsnapshot = (snapshot) => this.receive(snapshot);
        this.pace = new Pace(() => this.draw());
        const {layers, class_names: classNames} = this.description;
        this.curves = new Curves(classNames.length);
        this.update = new UpdateView();
        this.galleries = layers.filter(({kind}) => kind === "Conv2d").slice(0, MOST_GALLERIES).map((layer) => {
            const source = layers[layers.indexOf(layer) - 1]?.name;
            return new KernelGallery(layer, source, (gallery) => {
                this.update.choose(gallery);
                this.pace.ask();
            });
        });
        this.makeElement();
        // What is pressed must still be there when it is let go: until then nothing is drawn anew.
        addEventListener("pointerdown", ({target}) => (this.pressed = target.closest("#panel, #answers, #networks")));
        for (const event of ["pointerup", "pointercancel"]) {
            addEventListener(event, () => (this.pressed = null));
        }
    }

    get description() {
        return this.training.variants[this.settings.activation];
    }

    // ---------------------------------------------------------------------------------------------------- the section
    makeElement() {
        this.opener = makeButton("See it learn", () => this.open(this.body.hidden),
            {class: "opener", "aria-expanded": "false"});
        this.playButton = makeButton("Play", () => this.play(!this.playing), {class: "play"});
        this.back = makeButton("Back to the trained network", () => this.goBack());
        this.back.hidden = true;
        this.hint = make("p", {class: "hint"}, "The same network with new weights learns digits, here in this page: " +
            "watch its kernels, maps and gradients change.");
        this.notice = make("p", {class: "notice"});
        this.status = make("p", {class: "unseen", role: "status"});
        this.words = make("p", {class: "words"});
        this.unitWords = make("div");
        this.batchPlace = make("div");
        const restart = (change) => this.change(change);
        const buttons = make("p", {class: "buttons"}, this.playButton,
            makeButton("One step", () => this.step()), makeButton("Start anew", () => this.startAnew()),
            makeSeed(this.settings.seed, restart), this.back);
        const settings = makeSettings(this.settings, Object.keys(this.training.variants),
            (change) => this.set(change), restart);
        this.body = make("div", {class: "learning-body"},
            make("div", {class: "settings"}, ...settings, this.words, this.unitWords),
            this.curves.element,
            make("div", {class: "galleries"}, ...this.galleries.map(({element}) => element), this.batchPlace),
            this.update.element);
        this.body.hidden = true;
        this.element = make("section", {id: "learning", "aria-labelledby": "learning-title"},
            make("header", {}, make("h2", {id: "learning-title"}, this.opener), buttons, this.hint, this.notice,
                this.status),
            this.body);
    }

    open(open = true) {
        this.body.hidden = !open;
        this.hint.hidden = open;
        this.opener.setAttribute("aria-expanded", String(open));
        this.pace.ask();
    }

    // --------------------------------------------------------------------------------------------------- what is done
    /** Learns on, or stops. */
    play(on) {
        this.begin();
        this.setPlaying(on);
        if (on) {
            this.learner.play();
        } else {
            this.learner.pause();
        }
        this.tell("");
        const name = ACTIVATION_NAMES[this.settings.activation];
        this.announce(on ? `Learning, with ${name}` : `Paused. ${this.inWords()}`);
    }

    step() {
        this.begin();
        this.setPlaying(false);
        this.tell("");
        this.learner.step();
        this.stepping = true;
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

    /** Brings the network that learns under the microscope; new weights if there are none yet. */
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
        this.tell("The layers show the trained network again; Play or One step goes on with the other.");
        this.playButton.focus(); // or the focus would be lost with the button
    }

    // ---------------------------------------------------------------------------------------------- what is to be seen
    receive(snapshot) {
        this.curves.add(snapshot);
        this.latest = snapshot;
        if (this.stepping && snapshot.losses.length > 0) {
            this.stepping = false;
            this.announce(this.inWords());
        }
        this.pace.ask();
    }

    async draw() {
        if (this.latest === null) {
            return;
        }
        if (this.pressed !== null) {
            this.pace.ask();
            return;
        }
        if (this.body.offsetParent !== null) { // else it is hidden
            this.drawSection();
        }
        if (this.shown) {
            const {params, units, step} = this.latest;
            const {activation, seed} = this.settings;
            const words = `The network that learns here, with ${ACTIVATION_NAMES[activation]}, seed ${seed}, ` +
                `after ${step} steps`;
            await this.page.showNetwork(this.description, params, units, words);
        }
    }

    drawSection() {
        const {latest, page, description: {layers}} = this;
        this.curves.draw();
        for (const gallery of this.galleries) {
            gallery.draw(latest, page, page.edge(), gallery === this.update.gallery);
        }
        this.words.textContent = this.inWords();
        const paragraphs = latest.units === null ? [] : unitsInWords(latest.units, layers, page.ink);
        this.unitWords.replaceChildren(...paragraphs);
        this.drawBatch();
        this.update.draw(latest, this.description, this.batchView);
        if (this.playing && performance.now() - this.announced > SAID_PAUSE) {
            this.announce(this.inWords());
        }
    }

    drawBatch() {
        const {latest} = this;
        const now = performance.now();
        if (latest.step === 0 || latest.previous === null) {
            this.batchPlace.replaceChildren();
        } else if (!this.playing || now - this.batchDrawn > BATCH_PAUSE) {
            this.batchDrawn = now;
            this.batchView ??= new BatchView(this.learner.digits, this.description.image_shape);
            this.batchPlace.replaceChildren(this.batchView.element);
            this.batchView.draw(latest);
        }
    }

    inWords() {
        const {latest, curves} = this;
        if (latest === null || latest.step === 0) {
            return "New weights, which have learned nothing yet.";
        }
        const count = (value) => Math.round(value).toLocaleString("en");
        const speed = this.playing && latest.digitsPerSecond > 0 ? `, ${count(latest.digitsPerSecond)} a second` : "";
        const loss = Number.isFinite(curves.loss)
            ? `Loss ${curves.loss.toFixed(2)}, of guessing ${curves.guessing.toFixed(2)}.`
            : "The loss is no number any more: the learning rate is too large.";
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
        this.announced = performance.now();
        this.status.textContent = sentence;
    }
}
