/** Draws as often as the page stays smooth: where drawing is slow, less often. */

const SMOOTH = 40; // frames a second; with fewer the pauses between drawings grow, with more they shrink
const SHORTEST = 60; // milliseconds from one drawing to the next
const LONGEST = 2000;

export class Pace {
    /** draw() is called in a frame, some time after `ask`; what it returns may be a promise. */
    constructor(draw) {
        Object.assign(this, {draw, pause: SHORTEST, frames: [], asked: false, running: false, last: -Infinity});
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
    async frame(time) {
        this.frames.push(time);
        while (this.frames[0] < time - 1000) {
            this.frames.shift();
        }
        if (this.asked && time - this.last >= this.pause) {
            this.asked = false;
            this.last = time;
            this.adapt(time);
            await this.draw();
        }
        if (this.asked || time - this.last < 1000) {
            requestAnimationFrame((next) => this.frame(next));
        } else {
            this.running = false;
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
