"use strict";
// What belongs together: the frame that the slider picks, its maps, its cloud, its place in the charts.

const $ = (id) => document.getElementById(id);
const content = JSON.parse($("content").textContent);
const scales = {
  depth: { table: palette(content.colours.depth), low: content.scales.depth[0], high: content.scales.depth[1] },
  error: { table: palette(content.colours.error), low: content.scales.error[0], high: content.scales.error[1] },
};
const PLAY_MS = 600;
const FRAMES_READY = 6;
const ready = new Map();
const state = { position: 0, frame: null, timer: 0, wanted: 0 };
let cloud = null;

function packedFrame(position) {
  return JSON.parse($(`frame-${position}`).textContent);
}

/** A frame ready to be shown; the last few stay so. */
function frameAt(position) {
  if (!ready.has(position)) {
    ready.set(position, unpackFrame(packedFrame(position), content.steps));
    if (ready.size > FRAMES_READY) ready.delete(ready.keys().next().value);
  }
  return ready.get(position);
}

async function show(position) {
  state.wanted = position;
  $("slider").value = position;
  const frame = await frameAt(position);
  if (state.wanted !== position) return; // the slider has gone on
  Object.assign(state, { position, frame });
  $("name").textContent = frame.name;
  $("slider").setAttribute("aria-valuetext", frame.name);
  panels.show(frame);
  readOut(null);
  showCloud();
  showFrameErrors();
  document.documentElement.dataset.frame = position;
  document.documentElement.dataset.state = "ready";
}

/** One line of what every map holds at a place, given as shares of width and height. */
function readOut(x, y) {
  panels.point(x, y);
  if (x === null) {
    $("readout").textContent = "Move over a map to read its metres.";
    return;
  }
  const { frame } = state;
  const [height, width] = frame.stored;
  const pixel = Math.floor(y * height) * width + Math.floor(x * width);
  const parts = [`column ${Math.floor(x * frame.size[1])}, row ${Math.floor(y * frame.size[0])}`,
    `depth ${frame.depth[pixel].toFixed(3)} m`, `expected error ${frame.expected[pixel].toFixed(3)} m`];
  if (frame.truth) {
    parts.push(frame.truth[pixel] ? `ground truth ${frame.truth[pixel].toFixed(3)} m` : "no ground truth",
      frame.truth[pixel] ? `error ${frame.error[pixel].toFixed(3)} m` : "");
  }
  $("readout").textContent = parts.filter(Boolean).join(" · ");
}

/** Fill the cloud as the controls say. */
function showCloud() {
  if (!cloud) return;
  const { frame } = state;
  const depth = $("which").value === "truth" && frame.truth ? frame.truth : frame.depth;
  const coloured = { depth: [depth, scales.depth], expected: [frame.expected, scales.error], error: [frame.error, scales.error] }[$("tint").value];
  const tint = coloured && coloured[0]
    ? (pixel, out, at) => {
        const [values, scale] = coloured;
        const from = place(scale, values[pixel]);
        for (let c = 0; c < 3; c++) out[at + c] = values[pixel] > 0 ? scale.table[from + c] : 128;
      }
    : (pixel, out, at) => { for (let c = 0; c < 3; c++) out[at + c] = frame.colours[4 * pixel + c]; };
  const first = !cloud.frame;
  cloud.show(frame, depth, tint);
  cloud.showMeasured($("measured").checked);
  if (first) cloud.look("side");
  $("cloud-scale").replaceChildren(...(coloured ? [colourBar(coloured[1])] : []));
}

function showCharts() {
  if (!Object.keys(content.overall).length) return;
  if (content.frames.length > 1) frameChart($("by-frame"), content, Number($("measure").value), state.position, show);
  confidenceChart($("by-confidence"), content, $("confidence").value / 100);
  if (content.bands.length) bandChart($("by-distance"), content);
}

function showFrameErrors() {
  showCharts();
  const { errors, name } = content.frames[state.position];
  const { label, unit, digits } = content.measures[Number($("measure").value)];
  const parts = Object.entries(errors).map(([method, values]) => `${method} ${values[Number($("measure").value)].toFixed(digits)}`);
  $("frame-errors").textContent = `Frame ${name}: ${parts.length ? `${parts.join(", ")} ${unit} (${label})` : "no ground truth or held-out points"}. Click the chart to go to a frame.`;
}

function choices(select, names) {
  select.replaceChildren(...Object.entries(names).map(([value, text]) => new Option(text, value)));
}

function play(on) {
  clearInterval(state.timer);
  state.timer = on ? setInterval(() => show((state.position + 1) % content.frames.length), PLAY_MS) : 0;
  $("play").textContent = on ? "❚❚" : "▶";
  $("play").setAttribute("aria-pressed", on);
  $("play").setAttribute("aria-label", on ? "Pause" : "Play");
}

const some = packedFrame(0);
const has = { truth: content.hasTruth, error: Object.keys(content.overall).length > 0 };
const panels = new Panels($("panels"), panelKinds(content, scales, has), readOut);

function start() {
  const root = document.documentElement;
  root.dataset.frames = content.frames.length;
  root.dataset.shape = some.size[1] > 2 * some.size[0] ? "wide" : "usual";
  $("verdict").textContent = content.verdict;
  $("about").replaceChildren(...content.about.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
  $("slider").max = content.frames.length - 1;
  choices($("which"), { depth: "completed", ...(has.truth && { truth: "ground truth" }) });
  choices($("tint"), { image: "image", depth: "depth", expected: "expected error", ...(has.truth && { error: "error" }) });
  choices($("measure"), Object.fromEntries(content.measures.map(({ label }, i) => [i, label])));
  $("figures").hidden = !has.error;
  $("judged-by").textContent = `Errors at ${content.judgedBy}; ${content.heldOut ? "over all of those points" : "mean over frames"}.`;
  $("table").replaceChildren(errorTable(content));
  $("by-distance").parentElement.hidden = !content.bands.length;

  try {
    cloud = new Cloud($("view"), (length, pixels) => {
      $("bar").style.width = `${pixels}px`;
      $("bar-length").textContent = `${length} m at the centre`;
    });
  } catch (error) {
    $("failure").hidden = false;
    $("failure").textContent = "This browser draws no WebGL, so there is no point cloud; all else is here.";
    $("cloud").parentElement.hidden = true;
  }

  $("slider").addEventListener("input", () => { play(false); show(Number($("slider").value)); });
  $("play").addEventListener("click", () => play(!state.timer));
  for (const id of ["which", "tint", "measured"]) $(id).addEventListener("change", showCloud);
  $("measure").addEventListener("change", showFrameErrors);
  $("confidence").addEventListener("input", () => {
    $("kept").textContent = `${$("confidence").value} %`;
    cloud.kept = $("confidence").value / 100;
    showCharts();
  });
  $("dot").addEventListener("input", () => { cloud.dot = Number($("dot").value); });
  $("home").addEventListener("click", () => cloud.look("side"));
  $("camera").addEventListener("click", () => cloud.look("camera"));
  new ResizeObserver(() => state.frame && showCharts()).observe($("charts"));
  show(0).then(() => cloud && (cloud.dot = Number($("dot").value)));
}

start();
