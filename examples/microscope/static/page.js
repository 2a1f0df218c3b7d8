/** The page: what is chosen, what is shown of it, and what makes it change. */

import {answerInWords, makeAnswer} from "./answer.js";
import {CropFrame, DrawingPad, makeFileChooser, makeSliders} from "./controls.js";
import {decodeBytes} from "./engine.js";
import {keepingFocus, make, makeButton} from "./elements.js";
import {fitStrip} from "./fitting.js";
import {hoverCells} from "./hover.js";
import {Lecture, lectureWanted} from "./lecture.js";
import {Learning} from "./learning.js";
import {drawOverview} from "./overview.js";
import {showNumber} from "./panel.js";
import {cutOut} from "./pictures.js";
import {readPlace} from "./places.js";
import {makeRow} from "./row.js";
import {boxOnSheet, drawPicture, makeColours} from "./sheets.js";
import {INPUT, Specimen, drawMasks, placeOfLargest, switchedOff, toggle} from "./specimen.js";
import {LayerCard} from "./strip.js";
import {Watching} from "./watching.js";
import {placeOf} from "./windows.js";

const SAID_AFTER = 700; // milliseconds without a change, after which the answer is announced
const STILL = {noise: 0, angle: 0, right: 0, down: 0};
const NO_SERVER = "The program that computes this does not answer; start it again and reload the page";

const byId = (id) => document.getElementById(id);

class Page {
    constructor({networks, source, target, training = null}) {
        this.specimens = networks.map((description, place) => new Specimen(description, place));
        this.classNames = this.specimens[0].network.classNames;
        this.target = target;
        this.labelled = target !== null; // whether the target is the known class of the image
        this.view = "activations";
        this.effects = {...STILL};
        this.cards = this.specimens.map((specimen) =>
            [INPUT, ...specimen.network.layers.keys()].map((layer) => new LayerCard(specimen, layer, this)));
        this.choice = {specimen: this.specimens[0], layer: INPUT, at: [0, 0, 0]};
        this.hasChosen = false;
        this.kept = {};
        this.dark = matchMedia("(prefers-color-scheme: dark)");
        this.dark.addEventListener("change", () => this.redraw());
        document.title = `Microscope: ${this.specimens.map(({network}) => network.name).join(" and ")}`;
        this.fillHeader();
        this.fillNetworks();
        this.fillExperiments();
        if (this.specimens[0].channels === 1) {
            const pad = new DrawingPad((drawn) => {
                this.forgetLabel();
                this.put(drawn);
            }, () => {
                this.specimens.forEach((specimen) => (specimen.picture = specimen.firstPicture));
                this.change();
            });
            byId("picture").append(pad.element);
        } else {
            this.useSource({levels: decodeBytes(source.levels), shape: source.shape});
            byId("picture").append(makeFileChooser((opened) => {
                const frame = this.useSource(opened);
                this.forgetLabel();
                frame.reset();
            }, (sentence) => this.complain(sentence)));
        }
        this.fillSeen();
        hoverCells(byId("panel"));
        this.lecture = new Lecture(this, this.specimens,
            {button: byId("lecture"), tabs: byId("tabs"), stand: byId("stand")});
        addEventListener("resize", () => this.fit());
        if (training !== null) {
            this.learning = training.watched ? new Watching(networks, this)
                : new Learning(byId("worker").textContent, training, this);
            byId("bench").prepend(this.learning.element);
        }
    }

    /** The first look, and a first number chosen: the largest that the first layer gives. */
    async start() {
        this.fit();
        await this.change();
        const [first] = this.specimens;
        if (first.answered && !this.hasChosen) {
            const {output, shape} = first.states[0];
            await this.select(first, 0, placeOf(placeOfLargest(output), shape));
        }
        if (lectureWanted()) {
            this.lecture.set(true);
        }
    }

    /** Every sheet: the cards in the row, and in lecture mode the one that is shown large. */
    get sheets() {
        return [...this.cards.flat(), ...(this.lecture?.card ? [this.lecture.card] : [])];
    }

    /** From a card to the panel. */
    enter() {
        byId("panel").focus();
    }

    /** Shows a layer large. */
    enlarge(specimen, layer) {
        this.lecture.set(true);
        this.lecture.go(specimen, layer);
    }

    /** Gives the sheets the sizes that bring all layers and the explanation into the window. */
    fit() {
        if (!this.lecture.on) {
            fitStrip(byId("networks").querySelector(".strip"), this.cards.flat());
            this.redraw();
        }
    }

    /** After something was laid out anew. */
    relayed() {
        this.fit();
        if (this.lecture.on) {
            this.redraw();
        }
    }

    cardOf(specimen, layer) {
        return this.cards[specimen.place][layer - INPUT];
    }

    // ---------------------------------------------------------------------------------------------------- the page
    fillHeader() {
        for (const radio of document.querySelectorAll("input[name=view]")) {
            radio.addEventListener("change", () => {
                this.view = radio.value;
                this.kept = {};
                this.relayed(); // the class that the loss is of takes room, too
            });
        }
        const target = byId("target");
        target.append(make("option", {}, "the answer"), ...this.classNames.map((name) => make("option", {}, name)));
        target.selectedIndex = this.target === null ? 0 : this.target + 1;
        target.addEventListener("change", () => {
            this.target = target.selectedIndex === 0 ? null : target.selectedIndex - 1;
            this.labelled = false;
            this.change();
        });
        byId("go").addEventListener("submit", (event) => {
            event.preventDefault();
            this.goTo(byId("place").value);
        });
    }

    fillNetworks() {
        const several = this.specimens.length > 1;
        this.abouts = this.specimens.map(({about}) => make("span", {}, about));
        if (!several) {
            byId("what").append(...this.abouts);
        }
        const overviews = this.specimens.map((specimen) =>
            drawOverview(specimen, (layer) => this.visit(specimen, layer)));
        byId("networks").append(make("div", {class: several ? "overviews several" : "overviews"}, ...overviews),
            makeRow(this.specimens, several ? this.abouts : null, this.cards));
    }

    fillExperiments() {
        const largestShift = Math.round(this.specimens[0].size[0] / 4);
        this.sliders = make("div");
        this.off = make("ul", {class: "off-list"});
        const sliders = () => makeSliders(this.effects, largestShift, () => this.change());
        const fill = () => this.sliders.replaceChildren(...sliders());
        const reset = makeButton("Undo the experiments", () => {
            Object.assign(this.effects, STILL);
            this.specimens.forEach((specimen) => (specimen.changes = {}));
            fill();
            this.change();
        });
        fill();
        const masks = makeButton("Draw dropout masks, as in training", () => {
            this.specimens.forEach(drawMasks);
            this.change();
        });
        masks.hidden = !this.specimens.some(({network}) => network.layers.some(({kind}) => kind === "Dropout"));
        const hint = make("p", {class: "hint"},
            "Layers, maps and single numbers can be switched off where they are shown.");
        byId("experiments").append(this.sliders, masks, this.off, hint, reset);
    }

    /** Each network's image as it sees it, after all experiments, with what the chosen number sees of it. */
    fillSeen() {
        this.seen = this.specimens.map((specimen) => {
            const label = `The image as ${specimen.title} sees it`;
            const canvas = make("canvas", {role: "img", "aria-label": label});
            const field = make("div", {class: "field"});
            const words = this.specimens.length === 1 ? "what the network sees" : specimen.title;
            const element = make("figure", {class: "seen"}, make("div", {}, canvas, field),
                make("figcaption", {}, words));
            return {canvas, field, element};
        });
        byId("picture").append(make("div", {class: "all-seen"}, ...this.seen.map(({element}) => element)));
    }

    // ------------------------------------------------------------------------------------------------- the image
    /** Puts another image under the networks: levelsOf(size) gives its levels at a size. */
    put(levelsOf) {
        for (const specimen of this.specimens) {
            specimen.picture = levelsOf(specimen.size);
        }
        this.change();
    }

    /** After another image was put there, of which the class is not known. */
    forgetLabel() {
        if (this.labelled) {
            this.labelled = false;
            this.target = null;
            byId("target").selectedIndex = 0;
        }
    }

    /** An image to cut out of. */
    useSource(source) {
        const frame = new CropFrame(source, (part) => this.put((size) => cutOut(source, part, size)));
        this.cropper?.replaceWith(frame.element);
        this.cropper = frame.element;
        if (!frame.element.isConnected) {
            byId("picture").append(frame.element);
        }
        return frame;
    }

    complain(sentence) {
        byId("trouble").hidden = sentence === null;
        byId("trouble").textContent = sentence ?? "";
    }

    // ------------------------------------------------------------------------------------------ looking and drawing
    /** Looks again, at the next frame: of many changes within one frame only the last is looked at. */
    change() {
        document.querySelector("main").setAttribute("aria-busy", "true");
        this.next ??= new Promise((resolve) => requestAnimationFrame(resolve)).then(() => this.look());
        return this.next;
    }

    async look() {
        await Promise.allSettled([this.looking]); // a server may take longer than a frame
        this.next = null;
        this.looking = this.lookNow();
        await this.looking;
    }

    async lookNow() {
        try {
            const {effects, target} = this;
            await Promise.all(this.specimens.map((specimen) => specimen.look({...effects}, target)));
            this.complain(null);
        } catch (error) {
            const remote = this.specimens.some((specimen) => specimen.remote);
            this.complain(remote ? `${NO_SERVER} (${error.message})` : error.message);
        }
        await this.redraw();
        if (this.next === null) {
            document.querySelector("main").setAttribute("aria-busy", "false");
        }
    }

    /** Draws what the networks answered last; nothing before their first answer. */
    async redraw() {
        if (this.specimens.every(({answered}) => answered)) {
            this.draw();
            const {specimen, layer, at} = this.choice;
            await this.show(specimen, layer, at);
        }
    }

    draw() {
        this.colours = makeColours(this.dark.matches);
        this.ink = getComputedStyle(document.body).color;
        this.sheets.forEach((card) => card.draw(this.view, this.colours, this.ink));
        this.specimens.forEach((specimen, place) =>
            drawPicture(this.seen[place].canvas, specimen.levels, [...specimen.size, specimen.channels]));
        const several = this.specimens.length > 1;
        byId("answers").replaceChildren(...this.specimens.map((specimen) => makeAnswer(specimen, several)));
        clearTimeout(this.announcing);
        this.announcing = setTimeout(() => this.announce(), SAID_AFTER);
        keepingFocus(this.off, () => this.off.replaceChildren(...this.specimens.flatMap((each) => this.offOf(each))));
    }

    /** Says the answer to a screen reader, where it is another one than before. */
    announce() {
        const sentences = this.specimens.map((specimen) => answerInWords(specimen, this.specimens.length > 1));
        if (byId("said").textContent !== sentences.join(" ")) {
            byId("said").textContent = sentences.join(" ");
        }
    }

    /** What is switched off of a network, each with a button. */
    offOf(specimen) {
        const whose = this.specimens.length > 1 ? `${specimen.title}: ` : "";
        return switchedOff(specimen).map(({name, what, part}) => make("li", {}, `${whose}${what} `,
            makeButton("on again", () => {
                toggle(specimen, name, part);
                this.change();
            })));
    }

    // ---------------------------------------------------------------------------------------- the network that learns
    /** Shows a network with the same layers in place of one of the page's; words: what it is. */
    showNetwork(description, params, units, words, place = 0) {
        this.specimens[place].show(description, params, units);
        this.abouts[place].textContent = words;
        return this.change();
    }

    showTrained() {
        return this.showNetwork(null, null, null, this.specimens[0].about);
    }

    // -------------------------------------------------------------------------------------------------- one number
    /** Takes a number apart that the reader has chosen. */
    async select(specimen, layer, at) {
        this.hasChosen = true;
        this.choice = {specimen, layer, at};
        this.kept = {};
        this.cardOf(specimen, layer).last = at;
        if (this.specimens.every(({answered}) => answered)) {
            await this.show(specimen, layer, at);
        }
    }

    async show(specimen, layer, at) {
        const {choice, view} = this;
        const arriving = specimen.fetchWeights(view === "gradients" ? layer + 1 : layer);
        if (arriving !== null) {
            this.mark(null);
            try {
                await arriving;
            } catch (error) {
                this.complain(`${NO_SERVER} (${error.message})`);
                byId("panel").replaceChildren();
                return;
            }
            if (choice !== this.choice || view !== this.view) {
                return; // something else was chosen meanwhile
            }
        }
        const explanation = specimen.explain(layer, at, view);
        this.lecture.follow(choice);
        this.mark(explanation);
        const {colours, ink, kept} = this;
        const page = {
            colours, ink, kept, mark: this.edge().line, several: this.specimens.length > 1,
            about: this.cardOf(specimen, layer).inWords(view), change: () => this.change(),
            select: (other, place) => this.select(specimen, other, place),
        };
        keepingFocus(byId("panel"), () => showNumber(byId("panel"), specimen, {layer, at, view}, explanation, page));
        this.sheets.filter((card) => card.specimen === specimen && card.layer === layer)
            .forEach((card) => card.say(specimen.valuesOf(layer, view)));
        const whose = this.specimens.length > 1 ? `${specimen.title} ` : "";
        if (choice !== this.placed) { // else it was only drawn anew, perhaps while somebody types there
            byId("place").value = `${whose}${specimen.nameOf(layer)} ${at.join(",")}`;
            this.placed = choice;
        }
    }

    /** Draws the chosen number's frame, those of what it is made of, and its receptive field. */
    mark(explanation) {
        const {specimen} = this.choice;
        this.sheets.forEach((card) => card.mark(this.choice, this.view, explanation, this.edge()));
        this.specimens.forEach((each, place) => this.markField(each, this.seen[place].field, each === specimen));
    }

    markField(specimen, element, chosen) {
        const {layer, at} = this.choice;
        element.hidden = !chosen || layer === INPUT;
        if (element.hidden) {
            return;
        }
        const {top, left, height, width} = specimen.fieldOf(layer, at);
        const [rows, columns] = specimen.size;
        const [windowHeight, windowWidth] = specimen.network.imageShape;
        const percent = (pixels, all) => `${100 * pixels / all}%`;
        Object.assign(element.style, {
            top: percent(top + Math.trunc((rows - windowHeight) / 2), rows), height: percent(height, rows),
            left: percent(left + Math.trunc((columns - windowWidth) / 2), columns), width: percent(width, columns),
        });
    }

    edge() {
        return this.dark.matches ? {edge: "#000", line: "#ffe14d"} : {edge: "#fff", line: "#111"};
    }

    // -------------------------------------------------------------------------------------------------- going about
    /** Brings a layer into view and puts the keyboard there. */
    visit(specimen, layer) {
        const card = this.cardOf(specimen, layer);
        const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        card.element.scrollIntoView({behavior: calm ? "auto" : "smooth", inline: "center", block: "nearest"});
        card.marks.focus({preventScroll: true});
        this.select(specimen, layer, card.last);
    }

    /** Brings a number into view: its layer, and where that is wider than the strip, the number itself. */
    reveal(specimen, layer, at) {
        const card = this.cardOf(specimen, layer);
        card.element.scrollIntoView({inline: "center", block: "nearest"});
        const strip = card.element.closest(".strip");
        const from = card.marks.getBoundingClientRect().left - strip.getBoundingClientRect().left;
        const x = from + boxOnSheet(card.layout, at).left;
        if (x < 0 || x > strip.clientWidth) {
            strip.scrollLeft += x - strip.clientWidth / 2;
        }
    }

    /** To a place in words, see `readPlace`. */
    goTo(text) {
        const found = readPlace(text, this.specimens, this.choice.specimen);
        this.complain(found.complaint ?? null);
        if (found.complaint === undefined) {
            const {specimen, layer, at} = found;
            this.reveal(specimen, layer, at);
            this.select(specimen, layer, at);
        }
    }
}

new Page(JSON.parse(byId("data").textContent)).start();
