"use strict";
// Maps of colours, and the bars that say what they mean.

/** 256 colours, (256 x 3) bytes, linear between evenly spaced ones such as "fde725". */
function palette(anchors) {
  const given = anchors.map((text) => [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16)));
  const table = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (given.length - 1);
    const before = Math.min(Math.floor(at), given.length - 2);
    for (let c = 0; c < 3; c++) {
      table[3 * i + c] = Math.round(given[before][c] + (at - before) * (given[before + 1][c] - given[before][c]));
    }
  }
  return table;
}

/** Where in the table a value lies; beyond the ends it takes their colour. */
function place({ low, high }, value) {
  return 3 * Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low))));
}

function cssColour(scale, value) {
  const at = place(scale, value);
  return `rgb(${scale.table[at]} ${scale.table[at + 1]} ${scale.table[at + 2]})`;
}

/** Round numbers between two others: 1, 2 or 5 times a power of ten apart, about `count` of them. */
function roundNumbers(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const numbers = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high * (1 + 1e-9); n++) numbers.push(Number((n * step).toPrecision(6)));
  return numbers;
}

/** A value in metres with as many digits as tell one end of the scale from the other. */
function inMetres(value, { low, high }) {
  return value.toFixed(Math.max(0, Math.min(3, 1 - Math.floor(Math.log10(high - low)))));
}

/** A bar of the colours with its ends and some round numbers between, in metres. */
function colourBar(scale) {
  const element = Object.assign(document.createElement("div"), { className: "scale" });
  const canvas = Object.assign(document.createElement("canvas"), { width: 256, height: 1 });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++) pixels.data.set([...scale.table.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  context.putImageData(pixels, 0, 0);
  const ticks = Object.assign(document.createElement("div"), { className: "ticks" });
  const share = (value) => (value - scale.low) / (scale.high - scale.low);
  const between = roundNumbers(scale.low, scale.high, 4).filter((value) => share(value) > 0.17 && share(value) < 0.77);
  const ends = [scale.low > 0 ? `≤ ${inMetres(scale.low, scale)}` : "0", `≥ ${inMetres(scale.high, scale)} m`];
  const add = (text, at) => {
    const tick = Object.assign(document.createElement("span"), { textContent: text });
    tick.style.left = `${100 * at}%`;
    ticks.append(tick);
  };
  add(ends[0], 0);
  for (const value of between) add(String(value), share(value));
  add(ends[1], 1);
  element.append(canvas, ticks);
  return element;
}
