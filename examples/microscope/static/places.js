/** Places in words, as people type them and addresses hold them. */

import {INPUT} from "./specimen.js";

/**
 * Reads "conv2 3,4,7", "fc5 3", "fc5 cat", or the same with the name of one of several networks before it. Without a
 * name it is in the chosen network, or in one that has such a layer.
 * @param {string} text
 * @param {Specimen[]} specimens
 * @param {Specimen} chosen
 * @returns {{specimen: Specimen, layer: number, at: number[]}|{complaint: string}} the place, or what is wrong with it
 */
export function readPlace(text, specimens, chosen) {
    const words = text.trim().toLowerCase().split(/[\s,;]+/);
    const named = specimens.find(({title}) => title.toLowerCase() === words[0]);
    const [name, ...rest] = named === undefined ? words : words.slice(1);
    const layerOf = ({network}) => (name === "input" ? INPUT
        : network.layers.findIndex((layer) => layer.name.toLowerCase() === name));
    const has = (specimen) => name === "input" || layerOf(specimen) >= 0;
    const specimen = named ?? [chosen, ...specimens].find(has) ?? chosen;
    const {layers, classNames} = specimen.network;
    if (!has(specimen)) {
        const names = layers.map((layer) => layer.name).join(", ");
        return {complaint: `${specimen.title} has no layer ${name ?? ""}, expected one of input, ${names}`};
    }
    const layer = layerOf(specimen);
    const shape = specimen.shapeOf(layer);
    const asClass = classNames.findIndex((each) => each.toLowerCase() === rest.join(" "));
    const at = rest.length === 0 ? shape.map(() => 0)
        : asClass >= 0 && layer === layers.length - 1 ? [asClass]
            : rest.map((word) => (/^\d+$/.test(word) ? Number(word) : NaN));
    if (at.length !== shape.length || !at.every((index, axis) => index < shape[axis])) {
        const axes = shape.length === 1 ? "a unit" : "a row, a column and a map";
        const below = `${axes} below ${shape.join(", ")}`;
        return {complaint: `${specimen.nameOf(layer)} has no place ${rest.join(",")}, expected ${below}`};
    }
    return {specimen, layer, at};
}
