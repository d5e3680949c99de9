// The structures of the report on a 2-D canvas: drag turns, wheel or pinch zooms, space plays. No library, no WebGL.
(() => {
  "use strict";
  const canvas = document.querySelector("#viewer canvas");
  const root = document.documentElement;
  if (!canvas) { root.dataset.ready = "yes"; return; }

  const { structures, elements } = JSON.parse(document.getElementById("report").textContent);
  const pen = canvas.getContext("2d");
  const find = (name) => document.querySelector(`#viewer [data-part="${name}"]`);
  const play = find("play"), slider = find("frame"), count = find("count"), choice = find("choice");
  const CAMERA = 5, BALL = 0.5, STICK = 0.12;
  let shown, turn, zoom, frame, timer = null;

  const multiply = (a, b) => a.map((row) => b[0].map((_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0)));
  const turnX = (t) => [[1, 0, 0], [0, Math.cos(t), -Math.sin(t)], [0, Math.sin(t), Math.cos(t)]];
  const turnY = (t) => [[Math.cos(t), 0, Math.sin(t)], [0, 1, 0], [-Math.sin(t), 0, Math.cos(t)]];
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const mix = (a, b, share) => `rgb(${a.map((x, i) => Math.round(x + (b[i] - x) * share)).join()})`;

  function show(index) {
    shown = structures[index];
    turn = shown.view;
    zoom = 1;
    frame = 0;
    pause();
    const moving = shown.frames.length > 1;
    for (const part of [play, slider, count]) part.hidden = !moving;
    slider.max = shown.frames.length - 1;
    seek(0);
  }

  function seek(to) {
    frame = to % shown.frames.length;
    slider.value = frame;
    count.textContent = `frame ${frame + 1} of ${shown.frames.length}`;
    request();
  }

  // Each corner is turned about the centre of the structure and seen from CAMERA radii away.
  function project(x, y, z) {
    const [cx, cy, cz] = shown.centre;
    const [a, b, c] = turn.map((row) => row[0] * (x - cx) + row[1] * (y - cy) + row[2] * (z - cz));
    const reach = shown.radius * CAMERA;
    const scale = (zoom * 0.42 * Math.min(canvas.width, 1.25 * canvas.height) / shown.radius) * (reach / (reach - c));
    return { x: canvas.width / 2 + a * scale, y: canvas.height / 2 - b * scale, depth: c, scale };
  }

  function draw() {
    waiting = false;
    const style = getComputedStyle(canvas);
    const paper = style.backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number);
    const edge = rgb(style.getPropertyValue("--ink").trim().replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3"));
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.lineCap = "butt";
    const points = shown.frames[frame];
    const atoms = shown.numbers.map((number, i) => {
      const at = project(points[3 * i], points[3 * i + 1], points[3 * i + 2]);
      const { colour, radius } = elements[number];
      return { ...at, size: BALL * radius * at.scale, colour: rgb(colour) };
    });
    const fog = (depth) => 0.5 * Math.max(0, Math.min(1, 0.5 - depth / (2 * shown.radius)));
    const parts = atoms.map((atom) => [atom.depth, () => ball(atom, fog(atom.depth), paper, edge)]);
    for (const [i, j] of shown.bonds) {
      const a = atoms[i], b = atoms[j];
      const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, depth: (a.depth + b.depth) / 2, scale: (a.scale + b.scale) / 2 };
      for (const end of [a, b]) {
        // A half bond lies behind its own atom: it is painted a little before it.
        const depth = Math.min((end.depth + middle.depth) / 2, end.depth - 1e-3);
        parts.push([depth, () => line(end, middle, 2 * STICK * middle.scale, mix(end.colour, paper, fog(depth)), mix(edge, paper, 0.45 + fog(depth)))]);
      }
    }
    for (const [from, to] of box(shown.cell)) {
      const a = project(...from), b = project(...to);
      parts.push([(a.depth + b.depth) / 2, () => line(a, b, devicePixelRatio, mix(edge, paper, 0.6))]);
    }
    parts.sort((a, b) => a[0] - b[0]).forEach(([, paint]) => paint());
  }

  function ball(atom, haze, paper, edge) {
    const { x, y, size, colour } = atom;
    const shade = pen.createRadialGradient(x - size * 0.35, y - size * 0.4, size * 0.05, x, y, size);
    shade.addColorStop(0, mix(colour.map((c) => c + (255 - c) * 0.55), paper, haze));
    shade.addColorStop(0.5, mix(colour, paper, haze));
    shade.addColorStop(1, mix(colour.map((c) => c * 0.72), paper, haze));
    pen.beginPath();
    pen.arc(x, y, size, 0, 2 * Math.PI);
    pen.fillStyle = shade;
    pen.fill();
    pen.lineWidth = 0.8 * devicePixelRatio;
    pen.strokeStyle = mix(edge, paper, 0.4 + haze);
    pen.stroke();
  }

  function line(a, b, width, colour, rim) {
    for (const [thick, paint] of rim ? [[width + 1.4 * devicePixelRatio, rim], [width, colour]] : [[width, colour]]) {
      pen.beginPath();
      pen.moveTo(a.x, a.y);
      pen.lineTo(b.x, b.y);
      pen.lineWidth = thick;
      pen.strokeStyle = paint;
      pen.stroke();
    }
  }

  function box(cell) {
    if (!cell) return [];
    const corner = (i, j, k) => [0, 1, 2].map((axis) => i * cell[0][axis] + j * cell[1][axis] + k * cell[2][axis]);
    const edges = [];
    for (const p of [0, 1]) for (const q of [0, 1]) {
      edges.push([corner(0, p, q), corner(1, p, q)], [corner(p, 0, q), corner(p, 1, q)], [corner(p, q, 0), corner(p, q, 1)]);
    }
    return edges;
  }

  let waiting = false;
  function request() {
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  }

  function fit() {
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    draw();
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function start() {
    timer = setInterval(() => seek(frame + 1), 70);
    play.textContent = "Pause";
  }
  const toggle = () => (timer === null ? start() : pause());

  const spin = (dx, dy) => { turn = multiply(multiply(turnX(dy), turnY(dx)), turn); request(); };
  const magnify = (factor) => { zoom = Math.max(0.3, Math.min(12, zoom * factor)); request(); };

  const fingers = new Map();
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    if (fingers.size === 1) {
      spin((event.clientX - before.clientX) / 120, (event.clientY - before.clientY) / 120);
    } else {
      const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
      const gap = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
      magnify(gap(event) / Math.max(1, gap(before)));
    }
    fingers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));

  // A wheel that is scrolling the page goes on scrolling when the canvas passes below it.
  let scrolled = -Infinity;
  addEventListener("scroll", () => { scrolled = performance.now(); }, { passive: true });
  canvas.addEventListener("wheel", (event) => {
    if (performance.now() - scrolled < 300) return;
    event.preventDefault();
    magnify(Math.exp(-event.deltaY / 500));
  }, { passive: false });
  canvas.addEventListener("dblclick", () => { turn = shown.view; zoom = 1; request(); });
  canvas.addEventListener("keydown", (event) => {
    const actions = {
      ArrowLeft: () => spin(-0.15, 0), ArrowRight: () => spin(0.15, 0), ArrowUp: () => spin(0, -0.15), ArrowDown: () => spin(0, 0.15),
      "+": () => magnify(1.15), "-": () => magnify(1 / 1.15), " ": () => shown.frames.length > 1 && toggle(),
    };
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  });
  play.addEventListener("click", toggle);
  slider.addEventListener("input", () => { pause(); seek(Number(slider.value)); });
  choice.addEventListener("change", () => show(choice.selectedIndex));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", request);
  addEventListener("beforeprint", draw);

  show(0);
  fit();
  new ResizeObserver(fit).observe(canvas);
  // For tests, and for anyone who wonders why a page is blank: how many pixels the first picture has.
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  canvas.dataset.drawn = pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
  root.dataset.ready = "yes";
})();
