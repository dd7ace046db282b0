"use strict";
// The point cloud of a frame, turning under the mouse. Drawn when something changes, never in between.

const LONGEST_BAR_PX = 160;

const VERTEX_SHADER = `
  attribute vec3 tint;
  attribute float rank;
  attribute float footprint;
  uniform float kept;
  uniform float dot;
  uniform float pixels;
  varying vec3 colour;
  void main() {
    colour = tint;
    vec4 seen = modelViewMatrix * vec4(position, 1.0);
    gl_Position = rank > kept ? vec4(2.0, 2.0, 2.0, 1.0) : projectionMatrix * seen;
    gl_PointSize = clamp(dot * footprint * pixels / -seen.z, 1.0, 64.0);
  }`;

const FRAGMENT_SHADER = `
  varying vec3 colour;
  void main() { gl_FragColor = vec4(colour, 1.0); }`;

/** Three's axes (x right, y up, z backward) of a pixel at a depth along the optical axis, through K with skew. */
function lift(K, x, y, depth, out, at) {
  const upDown = (y - K[5]) / K[4];
  out[at] = ((x - K[2] - K[1] * upDown) / K[0]) * depth;
  out[at + 1] = -upDown * depth;
  out[at + 2] = -depth;
}

/** For each pixel the share of pixels that are expected to be at least as good, 0..1. */
function ranks(codes) {
  const counts = new Float64Array(1 + codes.reduce((a, b) => Math.max(a, b), 0));
  for (const code of codes) counts[code]++;
  for (let code = 1; code < counts.length; code++) counts[code] += counts[code - 1];
  return Float32Array.from(codes, (code) => counts[code] / codes.length);
}

class Cloud {
  /** Throws where the browser has no WebGL. `onView(metres, pixels)` is told a round length and how long it looks. */
  constructor(canvas, onView) {
    this.canvas = canvas;
    this.onView = onView;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: false });
    this.renderer.setClearColor(0x33373c);
    this.scene = new THREE.Scene();
    this.eye = new THREE.PerspectiveCamera(50, 1, 0.01, 1000);
    this.controls = new THREE.OrbitControls(this.eye, canvas);
    this.controls.enableZoom = false; // until it is clicked: the wheel belongs to the page
    canvas.addEventListener("pointerdown", () => {
      this.controls.enableZoom = true;
      $("hint").hidden = true;
    });
    canvas.addEventListener("blur", () => { this.controls.enableZoom = false; });
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.controls.enableZoom = false;
    });
    this.controls.addEventListener("change", () => this.draw());
    canvas.addEventListener("webglcontextrestored", () => this.draw());
    this.uniforms = { kept: { value: 1 }, dot: { value: 1 }, pixels: { value: 1 } };
    this.points = this.newPoints(this.uniforms);
    this.measured = this.newPoints({ ...this.uniforms, kept: { value: 1 }, dot: { value: 1 } });
    this.frustum = new THREE.LineSegments(new THREE.BufferGeometry(), new THREE.LineBasicMaterial({ color: 0xffffff }));
    this.scene.add(this.points, this.measured, this.frustum);
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
  }

  newPoints(uniforms) {
    const material = new THREE.ShaderMaterial({ uniforms, vertexShader: VERTEX_SHADER, fragmentShader: FRAGMENT_SHADER });
    const points = new THREE.Points(new THREE.BufferGeometry(), material);
    points.frustumCulled = false;
    return points;
  }

  /** Show a map of depth of the frame, `tint(pixel, out, at)` giving the colour of each pixel as three bytes. */
  show(frame, depth, tint) {
    const [height, width] = frame.stored;
    const step = frame.size[1] / width;
    const used = [];
    for (let i = 0; i < depth.length; i++) if (depth[i] > 0) used.push(i);
    const position = new Float32Array(3 * used.length);
    const colour = new Uint8Array(3 * used.length);
    const footprint = new Float32Array(used.length);
    const rank = new Float32Array(used.length);
    const rankOf = ranks(frame.expectedCodes);
    used.forEach((pixel, i) => {
      const x = Math.floor(((pixel % width) + 0.5) * step);
      const y = Math.floor((Math.floor(pixel / width) + 0.5) * (frame.size[0] / height));
      lift(frame.intrinsics, x, y, depth[pixel], position, 3 * i);
      tint(pixel, colour, 3 * i);
      footprint[i] = (depth[pixel] * step) / frame.intrinsics[0];
      rank[i] = rankOf[pixel];
    });
    this.fill(this.points, position, colour, rank, footprint);
    this.frame = frame;
    this.middle = depth.length ? median(depth) : 1;
    this.showFrustum();
    this.draw();
  }

  /** Show the frame's sparse points over the cloud, or hide them. */
  showMeasured(visible) {
    this.measured.visible = visible;
    const { sparse, intrinsics, size } = this.frame;
    const position = new Float32Array(3 * sparse.count);
    const footprint = new Float32Array(sparse.count);
    for (let i = 0; i < sparse.count; i++) {
      lift(intrinsics, sparse.x[i], sparse.y[i], sparse.values[0][i], position, 3 * i);
      footprint[i] = (0.008 * size[1] * sparse.values[0][i]) / intrinsics[0];
    }
    const colour = new Uint8Array(3 * sparse.count).map((_, i) => [0xff, 0x4d, 0x2e][i % 3]);
    this.fill(this.measured, position, colour, new Float32Array(sparse.count), footprint);
    this.draw();
  }

  fill(points, position, colour, rank, footprint) {
    points.geometry.dispose();
    points.geometry = new THREE.BufferGeometry();
    points.geometry.setAttribute("position", new THREE.BufferAttribute(position, 3));
    points.geometry.setAttribute("tint", new THREE.BufferAttribute(colour, 3, true));
    points.geometry.setAttribute("rank", new THREE.BufferAttribute(rank, 1));
    points.geometry.setAttribute("footprint", new THREE.BufferAttribute(footprint, 1));
  }

  /** The camera that took the frame, as a small pyramid. */
  showFrustum() {
    const { intrinsics, size: [height, width] } = this.frame;
    const corners = [[0, 0], [width, 0], [width, height], [0, height]].map(([x, y]) => {
      const corner = [0, 0, 0];
      lift(intrinsics, x - 0.5, y - 0.5, 0.12 * this.middle, corner, 0);
      return corner;
    });
    const lines = corners.flatMap((corner, i) => [0, 0, 0, ...corner, ...corner, ...corners[(i + 1) % 4]]);
    this.frustum.geometry.dispose();
    this.frustum.geometry = new THREE.BufferGeometry();
    this.frustum.geometry.setAttribute("position", new THREE.BufferAttribute(Float32Array.from(lines), 3));
  }

  /** Look at the middle of the scene from beside and above the camera, or from where the camera was. */
  look(from) {
    const { middle, frame: { intrinsics, size } } = this;
    const centre = [0, 0, 0];
    lift(intrinsics, (size[1] - 1) / 2, (size[0] - 1) / 2, middle, centre, 0);
    this.controls.target.set(...centre);
    const aside = from === "camera" ? [0, 0, 0] : [0.45, 0.32, 0.08];
    this.eye.position.set(...aside.map((share) => share * middle));
    this.eye.near = 0.002 * middle;
    this.eye.far = 200 * middle;
    this.eye.up.set(0, 1, 0);
    this.resize();
    this.controls.update();
    this.draw();
  }

  set kept(share) { this.uniforms.kept.value = share; this.draw(); }

  set dot(size) { this.uniforms.dot.value = size; this.draw(); }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    if (!width || !height) return;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    this.eye.aspect = width / height;
    if (this.frame) { // the field of view holds the frame, whatever the shape of the window
      const [rows, columns] = this.frame.size;
      const [fx, fy] = [this.frame.intrinsics[0], this.frame.intrinsics[4]];
      const tangent = Math.max(rows / 2 / fy, columns / 2 / fx / this.eye.aspect);
      this.eye.fov = (360 / Math.PI) * Math.atan(1.05 * tangent);
    }
    this.eye.updateProjectionMatrix();
    this.uniforms.pixels.value = (height * ratio) / (2 * Math.tan((Math.PI / 360) * this.eye.fov));
    this.draw();
  }

  draw() {
    this.renderer.render(this.scene, this.eye);
    const distance = this.eye.position.distanceTo(this.controls.target);
    const perMetre = this.canvas.parentElement.clientHeight / (2 * Math.tan((Math.PI / 360) * this.eye.fov) * distance);
    const power = 10 ** Math.floor(Math.log10(LONGEST_BAR_PX / perMetre));
    const length = [5, 2, 1].find((factor) => factor * power * perMetre <= LONGEST_BAR_PX) * power;
    this.onView(Number(length.toPrecision(1)), length * perMetre);
  }
}

function median(depth) {
  const measured = depth.filter((value) => value > 0).sort();
  return measured.length ? measured[measured.length >> 1] : 1;
}
