/** Asks the program that trains what its networks have become: see examples/microscope/watch.py. */

const ASKS = 300; // milliseconds from one question to the next; the same in watch.py

export class Watcher {
    /** networks: how many there are. onsnapshot(place, snapshot), onsilence() are to be set. */
    constructor(networks) {
        this.known = new Array(networks).fill(0); // the newest step of each
    }

    /** Asks for good; not while nobody can see the page, so that training then costs nothing more. */
    async start() {
        for (;;) {
            if (!document.hidden) {
                await this.ask();
            }
            await new Promise((resolve) => setTimeout(resolve, ASKS));
        }
    }

    async ask() {
        for (let place = 0; place < this.known.length; place++) {
            let bytes;
            try {
                const reply = await fetch(`snapshot/${place}?after=${this.known[place]}`);
                bytes = reply.ok ? new Uint8Array(await reply.arrayBuffer()) : null;
            } catch {
                bytes = null;
            }
            if (bytes === null) {
                this.onsilence();
                return;
            }
            if (bytes.length > 0) {
                const snapshot = readSnapshot(bytes);
                this.known[place] = snapshot.step;
                this.onsnapshot(place, snapshot);
            }
        }
    }
}

/** What learner.js calls a snapshot, as far as the program tells it: what it does not is null. */
function readSnapshot(bytes) {
    const end = bytes.indexOf(10); // of the line of JSON
    const told = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
    const numbers = new Float32Array(bytes.slice(end + 1).buffer);
    const count = numbers.length / 3;
    const part = (index) => numbers.subarray(index * count, (index + 1) * count);
    const steps = told.step - told.first;
    const losses = Float32Array.from({length: steps}, (_, index) => told.losses[Math.floor(index / told.every)]);
    return {...told, losses, params: part(0), velocities: part(1), gradients: part(2), previous: null, units: null};
}
