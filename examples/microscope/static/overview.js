/** The network to scale: every volume as a box whose edges are its height, width and depth, in one measure for all. */

import {make} from "./elements.js";
import {INPUT} from "./specimen.js";
import {stagesOf} from "./strip.js";

const DRAWING_WIDTH = 1000;
const BOX_HEIGHT = 74;
const BOX_GAP = 16;
const SLANT = 0.45; // of a width, seen from the side

const DRAWN = ["Conv2d", "MaxPool2d", "AvgPool2d", "Subsampling2d", "Linear", "EuclideanRBF"];

/** The volumes by the numbers of the layers that make them, without those that leave a volume's shape as it is. */
function volumesOf(specimen) {
    const volumes = [{layer: INPUT, shape: specimen.network.imageShape}];
    specimen.network.layers.forEach(({kind, outputShape}, layer) => {
        if (DRAWN.includes(kind)) {
            volumes.push({layer, shape: outputShape});
        }
    });
    return volumes;
}

/** goTo(layer) is called for a volume that is clicked or entered. */
export function drawOverview(specimen, goTo) {
    const volumes = volumesOf(specimen);
    const wide = ({shape}) => (shape.length === 3 ? shape[2] + SLANT * shape[1] : 0);
    const total = volumes.reduce((sum, volume) => sum + wide(volume), 0);
    const room = DRAWING_WIDTH - volumes.length * (BOX_GAP + 34);
    const tallest = Math.max(...volumes.map(({shape}) => (shape.length === 3 ? shape[0] + SLANT * shape[1] : 0)));
    const measure = Math.min(BOX_HEIGHT / tallest, room / total); // pixels of one number's edge
    const floor = BOX_HEIGHT + 4;
    let x = 2;
    const drawn = volumes.map(({layer, shape}) => {
        const name = specimen.nameOf(layer);
        const parts = shape.length === 3 ? box(shape, x, floor, measure) : rod(shape[0], x, floor, measure);
        const label = make("svg:text", {x, y: floor + 14}, `${name} `);
        const size = make("svg:text", {x, y: floor + 27, class: "size"}, shape.join("\u00d7"));
        const width = Math.max(wide({shape}) * measure, 8 + 6.4 * Math.max(name.length, shape.join("x").length));
        x += width + BOX_GAP;
        const press = (event) => {
            if (event.key === "Enter" || event.key === " ") {
                event.preventDefault();
                goTo(layer);
            }
        };
        return make("svg:g", {role: "button", tabindex: "0", "aria-label": `Show ${name} ${shape.join("\u00d7")}`,
            onclick: () => goTo(layer), onkeydown: press}, ...parts, label, size);
    });
    const title = `${specimen.title} to scale, ${stagesOf(specimen.network).length - 1} stages`;
    const viewBox = `0 0 ${Math.max(DRAWING_WIDTH, x)} ${floor + 32}`;
    return make("svg:svg", {class: "overview", preserveAspectRatio: "xMinYMid", viewBox, role: "group",
        "aria-label": title}, ...drawn);
}

/** A volume: height upwards, depth (its maps) to the right, width slanting to the back. */
function box([height, width, depth], x, floor, measure) {
    const [h, d] = [height * measure, Math.max(1, depth * measure)];
    const back = width * measure * SLANT;
    const points = (...corners) => corners.map(([right, up]) => `${x + right},${floor - up}`).join(" ");
    return [
        make("svg:polygon", {class: "front", points: points([0, 0], [d, 0], [d, h], [0, h])}),
        make("svg:polygon", {class: "top", points: points([0, h], [d, h], [d + back, h + back], [back, h + back])}),
        make("svg:polygon", {class: "side", points: points([d, 0], [d + back, back], [d + back, h + back], [d, h])}),
    ];
}

/** A vector, upright; one too long to be shown is cut off, and dashed at the end. */
function rod(features, x, floor, measure) {
    const height = features * measure;
    const shown = Math.min(height, BOX_HEIGHT);
    const parts = [make("svg:rect", {class: "front", x, y: floor - shown, width: 5, height: shown})];
    if (shown < height) {
        const [middle, top] = [x + 2.5, floor - shown];
        parts.push(make("svg:line", {class: "cut", x1: middle, x2: middle, y1: top, y2: top - 6}));
    }
    return parts;
}
