/** The image under the networks: drawn or cut out of a file, and beside it what each network sees of it. */

import {CropFrame, DrawingPad, makeFileChooser} from "./controls.js";
import {decodeBytes} from "./engine.js";
import {make} from "./elements.js";
import {cutOut} from "./pictures.js";
import {drawPicture} from "./sheets.js";
import {INPUT} from "./specimen.js";

export class ImageSection {
    /**
     * @param {object} page specimens, change(), complain(sentence); forgetLabel(): the image's class is not known any more
     * @param {HTMLElement} element to fill
     * @param {object} source the image to cut out of, for networks that read colours: see data.py
     */
    constructor(page, element, source) {
        Object.assign(this, {page, element, cropper: null});
        if (page.specimens[0].channels === 1) {
            const pad = new DrawingPad((drawn) => {
                page.forgetLabel();
                this.put(drawn);
            }, () => {
                page.specimens.forEach((specimen) => (specimen.picture = specimen.firstPicture));
                page.change();
            });
            element.append(pad.element);
        } else {
            this.useSource({levels: decodeBytes(source.levels), shape: source.shape});
            element.append(makeFileChooser((opened) => {
                const frame = this.useSource(opened);
                page.forgetLabel();
                frame.reset();
            }, (sentence) => page.complain(sentence)));
        }
        this.seen = page.specimens.map((specimen) => this.makeSeen(specimen));
        element.append(make("div", {class: "all-seen"}, ...this.seen.map(({figure}) => figure)));
    }

    /** A network's image as it sees it, after all experiments, with what the chosen number sees of it. */
    makeSeen(specimen) {
        const alone = this.page.specimens.length === 1;
        const canvas = make("canvas", {role: "img", "aria-label": `The image as ${specimen.title} sees it`});
        const field = make("div", {class: "field"});
        const caption = make("figcaption", {}, alone ? "what the network sees" : specimen.title);
        return {specimen, canvas, field, figure: make("figure", {class: "seen"}, make("div", {}, canvas, field), caption)};
    }

    /** Puts another image under the networks: levelsOf(size) gives its levels at a size. */
    put(levelsOf) {
        for (const specimen of this.page.specimens) {
            specimen.picture = levelsOf(specimen.size);
        }
        this.page.change();
    }

    /** An image to cut out of. */
    useSource(source) {
        const frame = new CropFrame(source, (part) => this.put((size) => cutOut(source, part, size)));
        this.cropper?.replaceWith(frame.element);
        this.cropper = frame.element;
        if (!frame.element.isConnected) {
            this.element.append(frame.element);
        }
        return frame;
    }

    draw() {
        for (const {specimen, canvas} of this.seen) {
            drawPicture(canvas, specimen.levels, [...specimen.size, specimen.channels]);
        }
    }

    /** Draws the receptive field of the chosen number. */
    mark({specimen: chosen, layer, at}) {
        for (const {specimen, field} of this.seen) {
            field.hidden = specimen !== chosen || layer === INPUT;
            if (!field.hidden) {
                const {top, left, height, width} = specimen.fieldOf(layer, at);
                const [rows, columns] = specimen.size;
                const [windowHeight, windowWidth] = specimen.network.imageShape;
                const percent = (pixels, all) => `${100 * pixels / all}%`;
                Object.assign(field.style, {
                    top: percent(top + Math.trunc((rows - windowHeight) / 2), rows), height: percent(height, rows),
                    left: percent(left + Math.trunc((columns - windowWidth) / 2), columns), width: percent(width, columns),
                });
            }
        }
    }
}
