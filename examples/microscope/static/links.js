/**
 * The page's address follows what is chosen and leads there again: "#conv2/3,4,7", "#softmax/3", "#loss/0", with
 * "gradients/" before it for the other view, and the name of one of several networks before the layer; "#learn";
 * "#tour/3".
 */

const QUIET = 300; // milliseconds without a change, after which the address is written: browsers limit how often

export class Links {
    /** page: specimens, choice, view, tour, setView(view), goTo(words), learn(); see page.js. */
    constructor(page) {
        this.page = page;
        addEventListener("hashchange", () => this.follow());
    }

    /** Goes where the address leads; the page says in a sentence where that is nowhere. */
    follow() {
        clearTimeout(this.waiting); // of what was chosen before
        const [first, ...rest] = decoded(location.hash.slice(1)).split("/").filter((part) => part !== "");
        const {page} = this;
        if (first === "learn") {
            page.learn();
        } else if (first === "tour") {
            page.tour.open(rest[0] ?? "1");
        } else if (first !== undefined) {
            page.tour.close();
            const backward = first === "gradients";
            page.setView(backward ? "gradients" : "activations");
            const place = backward ? rest : [first, ...rest];
            if (place.length > 0) {
                page.goTo(place.join(" "));
            }
        }
    }

    /** Writes what is shown into the address, without a new entry in the browser's history. */
    write() {
        clearTimeout(this.waiting);
        this.waiting = setTimeout(() => history.replaceState(history.state, "", `#${this.address()}`), QUIET);
    }

    address() {
        const {specimens, choice: {specimen, layer, at}, view, tour} = this.page;
        if (tour.number !== null) {
            return `tour/${tour.number}`;
        }
        return [...(view === "gradients" ? [view] : []), ...(specimens.length > 1 ? [specimen.title] : []),
            specimen.nameOf(layer)].map(encodeURIComponent).join("/") + `/${at.join(",")}`;
    }
}

/** Without the signs that an address writes as %20; as it is where they make no sense. */
function decoded(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}
