// node fonts.mjs SOURCE.woff2 TARGET.woff2 MAX_WEIGHT FEATURE,FEATURE…
// Keeps every glyph, cuts the weight axis and the layout features the pages do not use: half the weight of the file.
import { readFile, writeFile } from "node:fs/promises";
import subsetFont from "subset-font";

const [source, target, weight, features] = process.argv.slice(2);
const font = await subsetFont(await readFile(source), null, {
  keepAllGlyphs: true,
  keepFeatures: features ? features.split(",") : [],
  preserveNameIds: [0, 13, 14],
  targetFormat: "woff2",
  variationAxes: { wght: { min: 400, max: Number(weight) } },
});
await writeFile(target, font);
