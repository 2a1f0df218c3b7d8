/** Training in this page: starts the worker that does it, and hands on what it sends. */

import {decodeBytes} from "./engine.js";

/**
 * @typedef {object} Snapshot what there is to know of the network that learns, at one moment
 * @property {string} activation "Sigmoid", "Tanh" or "ReLU"
 * @property {number} step taken; epoch, from 1; seen: digits
 * @property {boolean} playing
 * @property {number} digitsPerSecond
 * @property {Float32Array} losses of the steps since the last snapshot; corrects: digits read right in each
 * @property {number[][]} held [step, loss, accuracy] of the digits that it does not learn from, where examined since
 * @property {Float32Array} params of all layers, as the description has them; velocities, gradients: of the last step;
 *     previous: the params before it
 * @property {Object<string, Uint8Array>} units see trainer.js
 * @property {number[]} batch the digits of the last step; answers: the classes that they were taken for
 * @property {object|null} settings of the last step
 */

export class Learner {
    /**
     * @param {string} workerSource the script of worker.js with all that it imports
     * @param {{digits: object, variants: Object<string, object>}} training of the page's data: see data.py
     */
    constructor(workerSource, {digits, variants}) {
        this.variants = variants;
        this.digits = null; // as trainer.js has them, once they are unpacked
        this.onsnapshot = () => {};
        this.run = 0; // how often training was started
        this.worker = new Worker(URL.createObjectURL(new Blob([workerSource], {type: "text/javascript"})));
        this.worker.onmessage = ({data}) => {
            if (data.run === this.run) { // else of a network that was given up meanwhile
                this.onsnapshot(data);
            }
        };
        this.ready = unpackDigits(digits).then((unpacked) => {
            this.digits = unpacked;
            this.worker.postMessage({kind: "digits", digits: unpacked});
        });
    }

    /** New weights, which wait to learn. */
    start(activation, settings) {
        this.run++;
        this.send({kind: "start", run: this.run, description: this.variants[activation], activation, settings});
    }

    play() {
        this.send({kind: "play"});
    }

    pause() {
        this.send({kind: "pause"});
    }

    step() {
        this.send({kind: "step"});
    }

    /** settings: rate, momentum, batch, which the next step follows. */
    set(settings) {
        this.send({kind: "set", settings});
    }

    /** In the order of the calls, after the digits. */
    async send(message) {
        await this.ready;
        this.worker.postMessage(message);
    }
}

/** The digits of the page's data, with their levels and labels as bytes. */
export async function unpackDigits({count, held, levels, labels}) {
    const packed = new Blob([decodeBytes(levels)]).stream();
    const unpacked = await new Response(packed.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
    return {count, held, levels: new Uint8Array(unpacked), labels: Uint8Array.from(labels)};
}
