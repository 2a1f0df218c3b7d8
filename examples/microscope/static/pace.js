/** Draws as often as the page stays smooth: where drawing is slow, less often. */

const SMOOTH = 37; // frames a second; with fewer the pauses between drawings grow, with more they shrink
const SHORTEST = 60; // milliseconds from one drawing to the next
const LONGEST = 2000;

export class Pace {
    /** draw() is called in a frame, some time after `ask`; what it returns may be a promise. */
    constructor(draw) {
        Object.assign(this, {draw, pause: SHORTEST, frames: [], last: -Infinity});
        Object.assign(this, {asked: false, drawing: false, running: false});
    }

    /** Asks for a drawing, soon. Of many requests in a pause there is one drawing. */
    ask() {
        this.asked = true;
        if (!this.running) {
            this.running = true;
            this.frames = [];
            requestAnimationFrame((time) => this.frame(time));
        }
    }

    /** Frames are counted while drawings are asked for, and a second longer. */
    frame(time) {
        this.frames.push(time);
        while (this.frames[0] < time - 1000) {
            this.frames.shift();
        }
        this.running = this.asked || this.drawing || time - this.last < 1000;
        if (this.running) {
            requestAnimationFrame((next) => this.frame(next));
        }
        if (this.asked && !this.drawing && time - this.last >= this.pause) {
            this.last = time;
            this.adapt(time);
            this.drawNow();
        }
    }

    async drawNow() {
        this.asked = false;
        this.drawing = true;
        try {
            await this.draw();
        } finally {
            this.drawing = false;
        }
    }

    adapt(time) {
        const span = time - this.frames[0];
        if (span > 300) { // of fewer frames nothing can be said
            const perSecond = 1000 * (this.frames.length - 1) / span;
            const factor = perSecond < SMOOTH ? 1.3 : 0.9;
            this.pause = Math.min(LONGEST, Math.max(SHORTEST, this.pause * factor));
        }
    }
}
