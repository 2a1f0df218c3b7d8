/** The page: what is chosen, what is shown of it, and what makes it change. */

import {answerInWords, makeAnswer} from "./answer.js";
import {keepingFocus, make} from "./elements.js";
import {Experiments} from "./experiments.js";
import {fitStrip} from "./fitting.js";
import {hoverCells} from "./hover.js";
import {ImageSection} from "./image.js";
import {Lecture, lectureWanted} from "./lecture.js";
import {Learning} from "./learning.js";
import {Links} from "./links.js";
import {drawOverview} from "./overview.js";
import {showNumber} from "./panel.js";
import {readPlace} from "./places.js";
import {makeRow} from "./row.js";
import {boxOnSheet, makeColours} from "./sheets.js";
import {Slide} from "./slide.js";
import {INPUT, Specimen, placeOfLargest} from "./specimen.js";
import {LayerCard} from "./strip.js";
import {number} from "./terms.js";
import {Tour} from "./tour.js";
import {Watching} from "./watching.js";
import {placeOf} from "./windows.js";

const SAID_AFTER = 700; // milliseconds without a change, after which the answer is announced
const FAINT = 0.2; // of the full colour: gradients that are shown fainter are explained
const NO_SERVER = "The program that computes this does not answer; start it again and reload the page";

const byId = (id) => document.getElementById(id);

class Page {
    constructor({networks, source, target, training = null}) {
        this.specimens = networks.map((description, place) => new Specimen(description, place));
        this.classNames = this.specimens[0].network.classNames;
        this.target = target;
        this.labelled = target !== null; // whether the target is the known class of the image
        this.view = "activations";
        this.cards = this.specimens.map((specimen) =>
            specimen.layerNumbers.map((layer) => new LayerCard(specimen, layer, this)));
        this.choice = {specimen: this.specimens[0], layer: INPUT, at: [0, 0, 0]};
        this.hasChosen = false;
        this.kept = {};
        this.dark = matchMedia("(prefers-color-scheme: dark)");
        this.dark.addEventListener("change", () => this.redraw());
        document.title = `Microscope: ${this.specimens.map(({network}) => network.name).join(" and ")}`;
        this.fillHeader();
        this.fillNetworks();
        this.experiments = new Experiments(this, byId("experiments"));
        this.image = new ImageSection(this, byId("picture"), source);
        hoverCells(byId("panel"));
        this.slide = new Slide(this);
        this.tour = new Tour(this, byId("tour"), byId("start-tour"));
        this.links = new Links(this);
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
        this.links.follow();
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
                this.links.write();
            });
        }
        byId("amplified").addEventListener("change", ({target}) => {
            this.specimens.forEach((specimen) => (specimen.amplified = target.checked));
            this.redraw();
        });
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

    // ------------------------------------------------------------------------------------------------- the image
    /** After another image was put there, of which the class is not known. */
    forgetLabel() {
        if (this.labelled) {
            this.labelled = false;
            this.target = null;
            byId("target").selectedIndex = 0;
        }
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
            const {experiments: {effects}, target} = this;
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
        this.sayFaint();
        this.colours = makeColours(this.dark.matches);
        this.ink = getComputedStyle(document.body).color;
        this.sheets.forEach((card) => card.draw(this.view, this.colours, this.ink));
        this.image.draw();
        const several = this.specimens.length > 1;
        byId("answers").replaceChildren(...this.specimens.map((specimen) => makeAnswer(specimen, several)));
        clearTimeout(this.announcing);
        this.announcing = setTimeout(() => this.announce(), SAID_AFTER);
        this.experiments.draw();
    }

    /** Of an image that is read well the gradients are weak, and look so: says why. */
    sayFaint() {
        const [{probabilities, target, wrongness, network: {classNames}}] = this.specimens;
        const faint = byId("faint");
        const wasHidden = faint.hidden;
        faint.hidden = this.view !== "gradients" || wrongness > FAINT;
        faint.textContent = `The gradients are weak and look so: ${classNames[target]} has the probability ` +
            `${number(probabilities[target])} already. Choose another class to see strong ones.`;
        if (faint.hidden !== wasHidden) {
            this.relayed();
        }
    }

    /** Says the answer to a screen reader, where it is another one than before. */
    announce() {
        const sentences = this.specimens.map((specimen) => answerInWords(specimen, this.specimens.length > 1));
        if (byId("said").textContent !== sentences.join(" ")) {
            byId("said").textContent = sentences.join(" ");
        }
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
            this.links.write();
        }
    }

    /** "activations" or "gradients". */
    setView(view) {
        if (view !== this.view) {
            document.querySelector(`input[name=view][value=${view}]`).click();
        }
    }

    /** Opens the section in which the network learns. */
    learn() {
        if (this.learning === undefined) {
            this.complain("No network learns in this page, expected the page of LeNet and digits");
        } else {
            this.lecture.set(false); // which shows a layer alone
            this.learning.open?.(); // a training that is watched is always open
            this.learning.element.scrollIntoView({block: "nearest"});
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
            controls: this.slide.makeControls(choice, view), large: this.lecture.on,
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
        this.sheets.forEach((card) => card.mark(this.choice, this.view, explanation, this.edge()));
        this.image.mark(this.choice);
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
