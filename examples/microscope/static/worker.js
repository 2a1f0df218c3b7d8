/**
 * Training beside the page, in a thread of its own: what learner.js starts and asks.
 *
 * Messages to it: {kind: "digits", digits}; {kind: "start", run, description, activation, settings}; {kind: "play"};
 * {kind: "pause"}; {kind: "step"}; {kind: "set", settings}. It answers with snapshots, see learner.js.
 */

import {Trainer} from "./trainer.js";

const TURN = 70; // milliseconds of steps between two snapshots
const EXAMINE_SHARE = 0.15; // of the time that may go into examining the network

let digits = null;
let trainer = null;
let [run, activation] = [0, null];
let playing = false;
let next = null; // the turn that waits
let used = null; // the settings of the last step
let news = nothingNew();
let examined = {took: 0, ended: -Infinity, step: -1, units: null};

function nothingNew() {
    return {losses: [], corrects: [], held: [], seconds: 0, seen: 0};
}

self.onmessage = ({data}) => {
    const {kind} = data;
    if (kind === "digits") {
        digits = data.digits;
    } else if (kind === "start") {
        trainer = new Trainer(data.description, digits, data.settings);
        ({run, activation} = data);
        playing = false;
        used = null;
        news = nothingNew();
        examined = {took: 0, ended: -Infinity, step: -1, units: null};
        examine();
        send();
    } else if (kind === "play") {
        playing = true;
        clearTimeout(next); // one of before a pause may wait still
        next = setTimeout(turn);
    } else if (kind === "pause") {
        playing = false;
        examine();
        send();
    } else if (kind === "step") {
        playing = false;
        step();
        examine();
        send();
    } else if (kind === "set") {
        Object.assign(trainer.settings, data.settings);
    }
};

/** Some steps and a snapshot; then the messages that have come, and the next turn. */
function turn() {
    if (!playing) {
        return;
    }
    const begun = performance.now();
    while (performance.now() - begun < TURN) {
        step();
    }
    if (performance.now() - examined.ended > examined.took * (1 / EXAMINE_SHARE - 1)) {
        examine();
    }
    send();
    next = setTimeout(turn);
}

function step() {
    const begun = performance.now();
    used = {...trainer.settings};
    const {loss, correct, count} = trainer.step();
    news.losses.push(loss);
    news.corrects.push(correct);
    news.seen += count;
    news.seconds += (performance.now() - begun) / 1000;
}

/** Once for each state of the network. */
function examine() {
    if (examined.step === trainer.steps) {
        return;
    }
    const begun = performance.now();
    const {loss, accuracy, units} = trainer.examine();
    news.held.push([trainer.steps, loss, accuracy]);
    const ended = performance.now();
    examined = {took: ended - begun, ended, step: trainer.steps, units};
}

function send() {
    const {steps, epoch, seen, batch, answers} = trainer;
    const arrays = {
        losses: Float32Array.from(news.losses),
        corrects: Float32Array.from(news.corrects),
        params: trainer.params.slice(),
        velocities: trainer.velocities.slice(),
        gradients: Float32Array.from(trainer.gradients),
        previous: trainer.previous.slice(),
    };
    const snapshot = {
        ...arrays, run, activation, epoch, seen, batch, answers, playing, settings: used, step: steps, held: news.held,
        units: examined.units, digitsPerSecond: news.seconds > 0 ? news.seen / news.seconds : 0,
    };
    news = nothingNew();
    self.postMessage(snapshot, Object.values(arrays).map(({buffer}) => buffer));
}
