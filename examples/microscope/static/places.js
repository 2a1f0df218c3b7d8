/** Places in words, as people type them and addresses hold them. */

/**
 * Reads "conv2 3,4,7", "fc5 3", "softmax cat", "loss", or the same with the name of one of several networks before it.
 * Without a name it is in the chosen network, or in one that has such a layer.
 * @param {string} text
 * @param {Specimen[]} specimens
 * @param {Specimen} chosen
 * @returns {{specimen: Specimen, layer: number, at: number[]}|{complaint: string}} the place, or what is wrong with it
 */
export function readPlace(text, specimens, chosen) {
    const words = text.trim().toLowerCase().split(/[\s,;]+/);
    const named = specimens.find(({title}) => title.toLowerCase() === words[0]);
    const [name, ...rest] = named === undefined ? words : words.slice(1);
    const layerOf = (each) => each.layerNumbers.find((layer) => each.nameOf(layer).toLowerCase() === name);
    const specimen = named ?? [chosen, ...specimens].find((each) => layerOf(each) !== undefined) ?? chosen;
    const {layerNumbers, network: {layers, classNames}} = specimen;
    const layer = layerOf(specimen);
    if (layer === undefined) {
        const names = layerNumbers.map((each) => specimen.nameOf(each)).join(", ");
        return {complaint: `${specimen.title} has no layer ${name ?? ""}, expected one of ${names}`};
    }
    const shape = specimen.shapeOf(layer);
    const asClass = classNames.findIndex((each) => each.toLowerCase() === rest.join(" "));
    const at = rest.length === 0 ? shape.map(() => 0)
        : asClass >= 0 && layer >= layers.length - 1 && shape[0] === classNames.length ? [asClass]
            : rest.map((word) => (/^\d+$/.test(word) ? Number(word) : NaN));
    if (at.length !== shape.length || !at.every((index, axis) => index < shape[axis])) {
        const axes = shape.length === 1 ? "a unit" : "a row, a column and a map";
        const below = `${axes} below ${shape.join(", ")}`;
        return {complaint: `${specimen.nameOf(layer)} has no place ${rest.join(",")}, expected ${below}`};
    }
    return {specimen, layer, at};
}
