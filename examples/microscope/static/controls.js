/** What lies under the microscope, and what is done to it: the drawing pad, the crop frame, the sliders. */

import {make, makeButton, makeSlider} from "./elements.js";
import {drawnLevels} from "./pictures.js";
import {drawPicture} from "./sheets.js";

const PAD = 224; // pixels of the drawing pad's side
const PAD_PEN = 14;
const SMALLEST_FRAME = 1 / 8; // of the image's shorter side
const OPENED = 256; // an image that is opened in the page is brought to this shorter side at most
const KEY_STEP = 1 / 28; // of the pad's or the image's side

/** The place of a pointer on an element, from 0 to 1 along both sides. */
function pointOn(element, {clientX, clientY}) {
    const {left, top, width, height} = element.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height];
}

/** A pad to draw a digit on, with mouse, finger, pen or keys. */
export class DrawingPad {
    /**
     * changed(levelsOf) is called whenever the drawing grows: levelsOf([height, width]) gives its levels.
     * first() brings the image back that was there before.
     */
    constructor(changed, first) {
        Object.assign(this, {changed, strokes: [], pen: null, pointer: null, cursor: [0.5, 0.5], fitted: true});
        this.canvas = make("canvas", {
            class: "pad", width: PAD, height: PAD, tabindex: "0", role: "application",
            "aria-label": "Drawing pad: draw with the pointer, or move with the arrow keys and press space to put " +
                "the pen down or up",
            onpointerdown: (event) => this.touch(event),
            onpointermove: (event) => event.pointerId === this.pointer && this.follow(event),
            onpointerup: (event) => this.lift(event),
            onpointercancel: (event) => this.lift(event),
            onkeydown: (event) => this.press(event),
            onfocus: () => this.draw(),
            onblur: () => this.draw(),
        });
        const box = make("input", {type: "checkbox", checked: "", onchange: () => {
            this.fitted = box.checked;
            this.tell();
        }});
        this.element = make("div", {}, this.canvas, make("p", {class: "buttons"},
            makeButton("Clear", () => this.clear()), makeButton("First image", () => {
                this.clear();
                first();
            }),
            make("label", {title: "The network learned digits that were scaled to 20 pixels and centred"}, box,
                " bring to size")));
        this.draw();
    }

    /** One finger or pen draws at a time: what else touches the pad, a palm perhaps, is left out. */
    touch(event) {
        if (this.pointer === null && event.button === 0) {
            this.pointer = event.pointerId;
            this.canvas.setPointerCapture(event.pointerId);
            this.begin(pointOn(this.canvas, event));
        }
    }

    lift({pointerId}) {
        if (pointerId === this.pointer) {
            this.pointer = null;
            this.end();
        }
    }

    begin(point) {
        this.pen = [point];
        this.strokes.push(this.pen);
        this.tell();
    }

    /** All the places that the pointer has been at since the last event, not only the newest. */
    follow(event) {
        if (this.pen === null) {
            return; // the drawing was cleared meanwhile
        }
        const all = event.getCoalescedEvents?.() ?? [];
        (all.length > 0 ? all : [event]).forEach((each) => this.pen.push(pointOn(this.canvas, each)));
        this.tell();
    }

    end() {
        this.pen = null;
    }

    press(event) {
        const step = {ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0]}[event.key];
        if (event.key === " ") {
            if (this.pen === null) {
                this.begin(this.cursor);
            } else {
                this.end();
            }
        } else if (step !== undefined) {
            this.cursor = this.cursor.map((value, axis) => Math.min(1, Math.max(0, value + KEY_STEP * step[axis])));
            if (this.pen !== null) {
                this.pen.push(this.cursor);
                this.tell();
            }
        } else {
            return;
        }
        event.preventDefault();
        this.draw();
    }

    clear() {
        this.strokes = [];
        this.end();
        this.tell();
    }

    tell() {
        this.draw();
        this.changed((size) => drawnLevels(this.strokes, size, this.fitted));
    }

    draw() {
        const context = this.canvas.getContext("2d");
        context.fillStyle = "#000";
        context.fillRect(0, 0, PAD, PAD);
        Object.assign(context, {strokeStyle: "#fff", lineWidth: PAD_PEN, lineCap: "round", lineJoin: "round"});
        for (const stroke of this.strokes) {
            context.beginPath();
            context.moveTo(stroke[0][0] * PAD, stroke[0][1] * PAD);
            stroke.forEach(([x, y]) => context.lineTo(x * PAD, y * PAD));
            context.stroke();
        }
        if (this.strokes.length === 0) {
            context.fillStyle = "#aaa";
            context.font = "15px system-ui, sans-serif";
            context.textAlign = "center";
            context.fillText("draw a digit here", PAD / 2, PAD / 2);
        }
        if (document.activeElement === this.canvas && this.canvas.matches(":focus-visible")) {
            const [x, y] = this.cursor.map((value) => value * PAD);
            context.strokeStyle = this.pen === null ? "#7bf" : "#fa5";
            context.lineWidth = 2;
            context.strokeRect(x - 5, y - 5, 10, 10);
        }
    }
}

/** An image with a square frame on it, which is moved and sized with pointer or keys. */
export class CropFrame {
    /** changed(part) gets the frame as {top, left, height, width} in the image's pixels. */
    constructor({levels, shape}, changed) {
        Object.assign(this, {shape, changed});
        this.side = Math.min(shape[0], shape[1]);
        const picture = make("canvas", {class: "picture", role: "img", "aria-label": "The image"});
        drawPicture(picture, levels, shape);
        this.frame = make("div", {
            class: "frame", tabindex: "0", role: "application",
            "aria-label": "Crop frame: arrow keys move it, plus and minus change its size",
            onpointerdown: (event) => this.grasp(event),
            onpointermove: (event) => this.drag(event),
            onpointerup: () => (this.held = null),
            onpointercancel: () => (this.held = null),
            onkeydown: (event) => this.press(event),
        }, make("span", {class: "corner", "aria-hidden": "true"}));
        this.whole = make("div", {class: "cropping"}, picture, this.frame);
        this.words = make("span", {class: "share"});
        this.element = make("div", {class: "cut"}, this.whole, make("p", {class: "buttons"},
            makeButton("Whole image", () => this.reset()), this.words));
        this.held = null;
        this.place(this.largest());
    }

    largest() {
        const [height, width] = this.shape;
        return {top: (height - this.side) / 2, left: (width - this.side) / 2, height: this.side, width: this.side};
    }

    reset() {
        this.place(this.largest());
        this.changed(this.part);
    }

    grasp(event) {
        event.preventDefault();
        this.frame.focus();
        this.frame.setPointerCapture(event.pointerId);
        const sizing = event.target !== this.frame;
        this.held = {point: pointOn(this.whole, event), part: this.part, sizing};
    }

    drag(event) {
        if (this.held === null) {
            return;
        }
        const [x, y] = pointOn(this.whole, event);
        const [right, down] = [(x - this.held.point[0]) * this.shape[1], (y - this.held.point[1]) * this.shape[0]];
        const {top, left, height} = this.held.part;
        this.move(this.held.sizing ? {top, left, side: height + Math.max(right, down)}
            : {top: top + down, left: left + right, side: height});
    }

    press(event) {
        const step = KEY_STEP * this.side;
        const {top, left, height: side} = this.part;
        const moves = {
            ArrowUp: {top: top - step, left, side}, ArrowDown: {top: top + step, left, side},
            ArrowLeft: {top, left: left - step, side}, ArrowRight: {top, left: left + step, side},
        };
        const grow = {"+": step, "=": step, "-": -step}[event.key];
        const grown = Math.min(this.side, Math.max(SMALLEST_FRAME * this.side, side + (grow ?? 0)));
        const resized = {top: top - (grown - side) / 2, left: left - (grown - side) / 2, side: grown};
        const moved = grow !== undefined ? resized : moves[event.key];
        if (moved !== undefined) {
            event.preventDefault();
            this.move(moved);
        }
    }

    /** To this place, or as near to it as the image allows. */
    move({top, left, side}) {
        const [height, width] = this.shape;
        const within = (value, most) => Math.min(Math.max(0, value), most);
        const length = Math.min(this.side, Math.max(SMALLEST_FRAME * this.side, side));
        const [inTop, inLeft] = [within(top, height - length), within(left, width - length)];
        this.place({top: inTop, left: inLeft, height: length, width: length});
        this.changed(this.part);
    }

    place(part) {
        this.part = part;
        const [height, width] = this.shape;
        const percent = (share) => `${100 * share}%`;
        Object.assign(this.frame.style, {
            top: percent(part.top / height), left: percent(part.left / width),
            height: percent(part.height / height), width: percent(part.width / width),
        });
        this.words.textContent = ` ${Math.round(100 * part.height * part.width / (height * width))} % of the area`;
    }
}

/** Opens an image file. opened(picture) gets its {levels, shape}; complain(sentence or null) says that it is none. */
export function makeFileChooser(opened, complain) {
    const open = async () => {
        const [file] = input.files;
        if (file === undefined) {
            return;
        }
        const picture = await readPicture(file).catch(() => null);
        if (input.files[0] !== file) {
            return; // another one was chosen meanwhile
        }
        complain(picture === null ? `${file.name} cannot be read as an image` : null);
        if (picture !== null) {
            opened(picture);
        }
    };
    const input = make("input", {type: "file", accept: "image/*", onchange: open});
    return make("label", {class: "chooser"}, "Another image: ", input);
}

/** An image file's levels in red, green and blue, made smaller where it is large. */
async function readPicture(file) {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, OPENED / Math.min(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    const canvas = make("canvas", {width, height});
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff"; // what is transparent shows white paper
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
    const {data} = context.getImageData(0, 0, width, height);
    return {shape: [height, width, 3], levels: data.filter((_, index) => index % 4 !== 3)};
}

/** The sliders. effects is changed in place, then changed() is called. */
export function makeSliders(effects, largestShift, changed) {
    const set = (name) => (value) => {
        effects[name] = value;
        changed();
    };
    const pixels = (value) => `${value} px`;
    const shift = {min: -largestShift, max: largestShift, step: 1, shown: pixels};
    return [
        {name: "Noise", min: 0, max: 128, step: 4, value: effects.noise, shown: String, oninput: set("noise")},
        {name: "Rotate", min: -90, max: 90, step: 5, value: effects.angle, shown: (value) => `${value}\u00b0`,
            oninput: set("angle")},
        {name: "Right", ...shift, value: effects.right, oninput: set("right")},
        {name: "Down", ...shift, value: effects.down, oninput: set("down")},
    ].map(makeSlider);
}
