"use strict";
// Reads what kbnet/report/page.py and page.py packed.

/** Numbers of 0..65535 from base64 of deflated planes: all low bytes, then all high ones. */
async function unpackNumbers(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const numbers = new Uint16Array(planes.length / 2);
  for (let i = 0; i < numbers.length; i++) numbers[i] = planes[i] | (planes[numbers.length + i] << 8);
  return numbers;
}

/** Codes of a map, row by row, from what each differs from the plane through its neighbours. */
async function unpackMap(text, [height, width]) {
  const codes = await unpackNumbers(text);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const left = x ? codes[i - 1] : 0;
      const above = y ? codes[i - width] : 0;
      const both = x && y ? codes[i - width - 1] : 0;
      codes[i] = ((codes[i] >>> 1) ^ -(codes[i] & 1)) + left + above - both;
    }
  }
  return codes;
}

/** Metres of logarithmic codes; 0 stays 0. */
function metres(codes, step, least) {
  const table = Float32Array.from({ length: 1 + codes.reduce((a, b) => Math.max(a, b), 0) }, (_, code) =>
    code ? least * Math.exp((code - 1) * step) : 0);
  return Float32Array.from(codes, (code) => table[code]);
}

/** A frame as the page uses it: its image, maps of metres at `stored` size (0 = unmeasured), points in its own pixels. */
async function unpackFrame(packed, steps) {
  const { stored } = packed;
  const map = async (text, step) => metres(await unpackMap(text, stored), step, steps.least);
  const picture = new Image();
  picture.src = packed.image;
  await picture.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: stored[1], height: stored[0] });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const frame = {
    ...packed,
    picture,
    colours: context.getImageData(0, 0, stored[1], stored[0]).data,
    depth: await map(packed.depth, steps.depth),
    expectedCodes: await unpackMap(packed.expected, stored),
    truth: packed.truth ? await map(packed.truth, steps.depth) : null,
    sparse: await unpackPoints(packed.sparse, [steps.depth], steps.least),
    judged: packed.judged ? await unpackPoints(packed.judged, [steps.depth, steps.error], steps.least) : null,
  };
  frame.expected = metres(frame.expectedCodes, steps.error, steps.least);
  frame.error = frame.truth
    ? frame.truth.map((truth, i) => (truth ? Math.max(Math.abs(frame.depth[i] - truth), 1e-6) : 0))
    : null;
  return frame;
}

/** Points: pixels x and y of the frame, and the values given with each, metres. */
async function unpackPoints(text, valueSteps, least) {
  const numbers = await unpackNumbers(text);
  const count = numbers.length / (2 + valueSteps.length);
  const column = (index) => numbers.subarray(index * count, (index + 1) * count);
  return { count, x: column(0), y: column(1), values: valueSteps.map((step, i) => metres(column(2 + i), step, least)) };
}
