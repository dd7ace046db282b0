"use strict";
// Maps of a frame side by side, with one cross in all of them.

const NOTHING = [0x33, 0x37, 0x3c];

/** Panels of a page: what each is called, what it draws, and on which scale. */
function panelKinds(content, scales, has) {
  const errorNote = content.heldOut ? "at held-out points" : "where ground truth exists";
  return [
    { id: "image", title: "Image", draw: drawImage },
    { id: "sparse", title: "Sparse points", scale: scales.depth, note: (frame) => `${frame.points} points`,
      draw: (context, frame) => { drawGrey(context, frame); drawDiscs(context, frame, frame.sparse, 0, scales.depth); } },
    { id: "depth", title: "Completed depth", scale: scales.depth,
      draw: (context, frame) => drawMap(context, frame, frame.depth, scales.depth) },
    { id: "expected", title: "Expected error", scale: scales.error, note: () => "predicted",
      draw: (context, frame) => drawMap(context, frame, frame.expected, scales.error) },
    has.error && { id: "error", title: "Error", scale: scales.error, note: (frame) => (frame.judged || frame.error ? errorNote : "no ground truth or held-out points"),
      draw: (context, frame) => {
        if (frame.error) drawMap(context, frame, frame.error, scales.error);
        else {
          drawGrey(context, frame);
          if (frame.judged) drawDiscs(context, frame, frame.judged, 1, scales.error);
        }
      } },
    has.truth && { id: "truth", title: "Ground truth", scale: scales.depth,
      draw: (context, frame) => drawMap(context, frame, frame.truth || new Float32Array(frame.depth.length), scales.depth) },
  ].filter(Boolean);
}

function drawImage(context, frame) {
  context.drawImage(frame.picture, 0, 0);
}

function drawMap(context, frame, values, scale) {
  const [height, width] = frame.stored;
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < values.length; i++) {
    const at = place(scale, values[i]);
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = values[i] > 0 ? scale.table[at + c] : NOTHING[c];
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

/** The image in middle greys, on which both ends of the colours stand out. */
function drawGrey(context, frame) {
  const [height, width] = frame.stored;
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const grey = 0.299 * frame.colours[i] + 0.587 * frame.colours[i + 1] + 0.114 * frame.colours[i + 2];
    pixels.data.fill(85 + 0.28 * grey, i, i + 3);
    pixels.data[i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

/** Every point as a disc, smaller the more there are: nearest depth on top, largest error on top. */
function drawDiscs(context, frame, points, which, scale) {
  const [height, width] = frame.stored;
  const perPixel = width / frame.size[1];
  const values = points.values[which];
  const spacing = Math.sqrt((height * width) / Math.max(1, points.count));
  const radius = Math.min(0.009 * width, Math.max(0.0018 * width, 0.24 * spacing));
  const order = Uint32Array.from(values.keys()).sort((a, b) => (which ? values[a] - values[b] : values[b] - values[a]));
  for (const i of order) {
    context.fillStyle = cssColour(scale, values[i]);
    context.beginPath();
    context.arc((points.x[i] + 0.5) * perPixel, (points.y[i] + 0.5) * perPixel, radius, 0, 2 * Math.PI);
    context.fill();
  }
}

class Panels {
  /** `onPixel(x, y)` is told the place under the pointer as shares of width and height, or null when it leaves. */
  constructor(element, kinds, onPixel) {
    this.panels = kinds.map((kind) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const note = document.createElement("small");
      caption.append(Object.assign(document.createElement("span"), { textContent: kind.title }), note);
      const map = Object.assign(document.createElement("div"), { className: "map" });
      const canvas = Object.assign(document.createElement("canvas"), { id: `map-${kind.id}` });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", kind.title);
      const cross = Object.assign(document.createElement("div"), { className: "cross", hidden: true });
      map.append(canvas, cross);
      figure.append(caption, map);
      if (kind.scale) figure.append(colourBar(kind.scale));
      map.addEventListener("pointermove", (event) => {
        const box = canvas.getBoundingClientRect();
        const share = (value, size) => Math.min(0.9999, Math.max(0, value / size));
        onPixel(share(event.clientX - box.left, box.width), share(event.clientY - box.top, box.height));
      });
      map.addEventListener("pointerleave", () => onPixel(null));
      map.addEventListener("click", () => figure.classList.toggle("large"));
      map.title = "click to enlarge";
      element.append(figure);
      return { kind, canvas, cross, note };
    });
  }

  show(frame) {
    for (const { kind, canvas, note } of this.panels) {
      [canvas.height, canvas.width] = frame.stored;
      kind.draw(canvas.getContext("2d"), frame);
      note.textContent = kind.note ? kind.note(frame) : "";
    }
  }

  /** Put the cross at shares of width and height; null takes it away. */
  point(x, y) {
    for (const { cross } of this.panels) {
      cross.hidden = x === null;
      if (x !== null) Object.assign(cross.style, { left: `${100 * x}%`, top: `${100 * y}%` });
    }
  }
}
