"use strict";
// Charts as SVG, drawn for the width they have.

const METHOD_COLOURS = { network: "#0072b2", linear: "#222222", nearest: "#808488" };
const METHOD_DASHES = { network: "none", linear: "6 3", nearest: "2 3" };

/** How a method looks: the network in colour, the yardsticks in black and grey. */
function methodLook(method, network) {
  const key = method === network ? "network" : method;
  return { colour: METHOD_COLOURS[key] || "#808488", dash: METHOD_DASHES[key] || "2 3" };
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Axes with round numbers from 0; returns how to place values, and the SVG to draw into. */
function axes(container, { height, yLabel, yHigh, xLabel, xTicks, legend }) {
  const width = Math.max(240, container.clientWidth);
  const box = { left: 52, right: width - 20, top: 40, bottom: height - 44 };
  const ticks = roundNumbers(0, yHigh > 0 ? yHigh : 1, 4);
  const top = Math.max(yHigh > 0 ? yHigh * 1.05 : 1, ticks[ticks.length - 1]);
  const y = (value) => box.bottom - (value / top) * (box.bottom - box.top);
  const x = (share) => box.left + share * (box.right - box.left);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img" });
  for (const tick of ticks) {
    root.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }),
      svg("text", { x: box.left - 8, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  for (const [share, text] of xTicks) {
    root.append(svg("text", { x: x(share), y: box.bottom + 18, "text-anchor": "middle" }, text));
  }
  root.append(svg("text", { x: 0, y: 12 }, yLabel),
    svg("text", { x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }, xLabel));
  let at = box.left;
  for (const { name, colour, dash } of legend) {
    root.append(svg("line", { x1: at, x2: at + 22, y1: 26, y2: 26, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash }),
      svg("text", { x: at + 28, y: 30 }, name));
    at += 48 + 7.5 * name.length;
  }
  container.replaceChildren(root);
  return { root, x, y, box };
}

/** Curves over shares 0..1; a value of null leaves a gap. */
function drawLines({ root, x, y }, lines) {
  for (const { points, colour, dash, dots } of lines) {
    let path = "";
    let pen = "M";
    for (const [share, value] of points) {
      if (value === null) { pen = "M"; continue; }
      path += `${pen}${x(share).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
      if (dots) root.append(svg("circle", { cx: x(share), cy: y(value), r: 3, fill: colour }));
    }
    root.append(svg("path", { d: path, fill: "none", stroke: colour, "stroke-width": 2, "stroke-dasharray": dash }));
  }
}

/** Error of each frame by each method; a click picks the frame. */
function frameChart(container, content, measure, current, onPick) {
  const { frames, measures, overall, network } = content;
  const methods = Object.keys(overall);
  const { label, unit } = measures[measure];
  const value = (frame, method) => (frame.errors[method] ? frame.errors[method][measure] : null);
  const share = (position) => (frames.length > 1 ? position / (frames.length - 1) : 0.5);
  const stride = Math.ceil(frames.length / Math.max(2, Math.floor(container.clientWidth / 80)));
  const chart = axes(container, {
    height: 260, yLabel: `${label}, ${unit}`, xLabel: "number of the frame",
    yHigh: Math.max(...frames.flatMap((frame) => methods.map((method) => value(frame, method) ?? 0))),
    xTicks: frames.map((frame, i) => [share(i), String(frame.index)]).filter((_, i) => i % stride === 0),
    legend: methods.map((name) => ({ name, ...methodLook(name, network) })),
  });
  const { root, x, box } = chart;
  root.append(svg("line", { class: "now", x1: x(share(current)), x2: x(share(current)), y1: box.top, y2: box.bottom }));
  drawLines(chart, [...methods].reverse().map((method) => ({
    ...methodLook(method, network), dots: method === network,
    points: frames.map((frame, i) => [share(i), value(frame, method)]),
  })));
  const target = svg("rect", { class: "pick", x: box.left, y: box.top, width: box.right - box.left,
    height: box.bottom - box.top, fill: "transparent" });
  target.addEventListener("click", (event) => {
    const { left, width } = target.getBoundingClientRect();
    onPick(Math.round(((event.clientX - left) / width) * (frames.length - 1)));
  });
  root.append(target);
  root.setAttribute("aria-label", `${label} of each frame`);
}

/** Mean error in bands of distance, one bar a method. */
function bandChart(container, content) {
  const { bands, overall, network } = content;
  const methods = Object.keys(overall);
  const { root, x, y, box } = axes(container, {
    height: 240, yLabel: "MAE, mm", xLabel: "distance, metres",
    yHigh: Math.max(...bands.flatMap((band) => Object.values(band.mae_mm))),
    xTicks: bands.map((band, i) => [(i + 0.5) / bands.length, band.to_m === null ? `> ${band.from_m}` : `${band.from_m}–${band.to_m}`]),
    legend: methods.map((name) => ({ name, ...methodLook(name, network), dash: "none" })),
  });
  const slot = (box.right - box.left) / bands.length;
  const bar = Math.min(26, (0.8 * slot) / methods.length);
  bands.forEach((band, i) => methods.forEach((method, j) => {
    const left = x((i + 0.5) / bands.length) + (j - methods.length / 2) * bar;
    root.append(svg("rect", { x: left + 1, y: y(band.mae_mm[method]), width: bar - 2, height: box.bottom - y(band.mae_mm[method]),
      fill: methodLook(method, network).colour }));
  }));
  root.setAttribute("aria-label", "mean error by distance");
}

/** Mean error of the share of pixels that is expected to be best. */
function confidenceChart(container, content, kept) {
  const { shares, mae_mm: errors } = content.kept;
  const chart = axes(container, {
    height: 240, yLabel: "MAE, mm", xLabel: content.heldOut ? "share of the points kept, most confident first" : "share of the pixels kept, most confident first",
    yHigh: Math.max(...errors),
    xTicks: [0, 0.25, 0.5, 0.75, 1].map((share) => [share, `${100 * share} %`]),
    legend: [{ name: content.network, ...methodLook(content.network, content.network) }],
  });
  const { root, x, box } = chart;
  if (!content.heldOut) root.append(svg("line", { class: "now", x1: x(kept), x2: x(kept), y1: box.top, y2: box.bottom }));
  drawLines(chart, [{ ...methodLook(content.network, content.network), dots: true, points: shares.map((share, i) => [share, errors[i]]) }]);
  root.setAttribute("aria-label", "mean error by share kept");
}

/** Mean of every measure by method. */
function errorTable({ measures, overall, network }) {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  const cell = (row, tag, text) => row.appendChild(Object.assign(document.createElement(tag), { textContent: text }));
  cell(head, "th", "");
  for (const { label, unit } of measures) cell(head, "th", `${label}, ${unit}`);
  for (const [method, values] of Object.entries(overall)) {
    const row = table.tBodies[0] ? table.tBodies[0].insertRow() : table.createTBody().insertRow();
    row.style.setProperty("--method", methodLook(method, network).colour);
    cell(row, "td", method);
    values.forEach((value, i) => cell(row, "td", value.toFixed(measures[i].digits)));
  }
  return table;
}
