// Two ways to draw one scene: as SVG, whose parts a screen reader can name, and, where there are too
// many of them for that, on a canvas that draws only what is in sight.

const stage = byId("stage");
const svg = byId("drawing");
const canvas = byId("canvas");
const minimap = byId("minimap");
const size = { w: 1, h: 1 }; // of the stage
const CORNER = 7;
const TEXT_FROM = 0.35; // the zoom from which on text can be read
let asSvg = true;
let isWaiting = false;
let parts = null; // of the SVG

function make(name, attributes, parent, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  parent?.append(element);
  return element;
}

// after a new layout
function buildDrawing() {
  measureScale();
  asSvg = scene.cells.length <= MOST_SVG;
  stage.dataset.drawing = asSvg ? "svg" : "canvas";
  for (const edge of scene.edges) {
    edge.path = curve(edge.points);
    edge.box = boxOf(edge.points);
  }
  svg.replaceChildren();
  if (asSvg) buildSvg();
  showLegend();
  showStatus();
  draw();
}

// draw with the next frame of the screen
function draw() {
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    if (asSvg) updateSvg();
    else paintCanvas();
    drawMinimap();
  });
}

// ---- shapes, the same for both

const rect = (x, y, width, height, rx, style) => ({
  name: "rect",
  x,
  y,
  width,
  height,
  rx,
  ...style,
});
const text = (x, y, content, fill, isTitle = false) => ({
  name: "text",
  x,
  y,
  content,
  fill,
  isTitle,
});

// what a cell consists of, from its upper left corner
function cellShapes(cell) {
  const { item } = cell;
  const stack = stackOf(item);
  const [w, h] = [cell.w - stack, cell.h - stack];
  const { fill, border, ink: dark, quiet, note } = look(cell);
  const style = { fill, stroke: border };
  const shapes = [];
  for (let by = stack; by > 0; by -= 4) shapes.push(rect(by, by, w, h, CORNER, style));
  const isLeaf = !isGroup(item) && nodes[item].kind === "leaf";
  shapes.push({ ...rect(0, 0, w, h, isLeaf ? h / 2 : CORNER, style), isBox: true });
  // an output has a second border
  if (outputs.has(item))
    shapes.push(rect(3, 3, w - 6, h - 6, CORNER - 3, { fill: "none", stroke: border }));
  shapes.push(text(w / 2, 18, (isGroup(item) ? "⊞ " : "") + cell.title, dark, true));
  const lines = [note ?? cell.lines[0], ...cell.lines.slice(1)];
  return [...shapes, ...lines.map((line, i) => text(w / 2, 33 + 15 * i, line, quiet))];
}

function frameShapes(frame) {
  const { w, h, inner, item } = frame;
  if (isPair(inner)) {
    return [rect(0, 0, w, h, CORNER, { fill: ink.unit, stroke: ink.line })];
  }
  if (!isFolder(item)) return [];
  const title = `⊟ ${labelOf(item).title}`;
  return [
    { ...rect(0, 0, w, h, 10, { fill: ink.frame, stroke: ink.line }), isBox: true },
    text(12 + textWidth(title, TITLE) / 2, 19, title, ink.quiet, true),
  ];
}

const cornerOf = ({ cx, cy, w, h }) => [round(cx - w / 2), round(cy - h / 2)];
const round = (x) => Math.round(x * 10) / 10;

// a smooth line through points, vertical (or, from side to side, horizontal) at each
function curve(points) {
  let path = `M${points[0].map(round)}`;
  for (let i = 1; i < points.length; i++) {
    const [ax, ay, bx, by] = [...points[i - 1], ...points[i]].map(round);
    const [mx, my] = [round(ax + (bx - ax) * points.bend), round((ay + by) / 2)];
    if (ax === bx) path += `V${by}`;
    else
      path += points.bend
        ? `C${mx},${ay} ${mx},${by} ${bx},${by}`
        : `C${ax},${my} ${bx},${my} ${bx},${by}`;
  }
  return path;
}

// where an edge points, and the direction
function tipOf({ points }) {
  const [[fromX, fromY], [x, y]] = points.slice(-2);
  if (points.bend) return { x, y, dx: Math.sign(x - fromX) || 1, dy: 0 };
  return { x, y, dx: 0, dy: Math.sign(y - fromY) || 1 };
}

function arrow(edge) {
  const { x, y, dx, dy } = tipOf(edge);
  const corner = (side) => [round(x - 7 * dx - side * dy), round(y - 7 * dy - side * dx)];
  return `M${[round(x), round(y)]}L${corner(3.5)}L${corner(-3.5)}Z`;
}

// where an edge says how many bytes it stands for: beside its arrow
function labelPlace(edge) {
  const { x, y, dx, dy } = tipOf(edge);
  return { x: x + 6 - 50 * Math.max(dx, 0), y: y - (dy < 0 ? -14 : 5) };
}

function boxOf(points) {
  const box = [...points[0], ...points[0]];
  for (const [x, y] of points) {
    [box[0], box[1]] = [Math.min(box[0], x), Math.min(box[1], y)];
    [box[2], box[3]] = [Math.max(box[2], x), Math.max(box[3], y)];
  }
  return box;
}

// which cells and edges stand out now
function emphasis() {
  return {
    current: state.selected === null ? null : cellFor(state.selected),
    found: new Set(state.found.map((number) => scene.owner[number])),
    isFaded: ({ item }) =>
      state.pinned !== null && !nodesOf(item).some((number) => state.pinned.has(number)),
  };
}

// ---- SVG

function buildSvg() {
  const world = make("g", {}, svg);
  const add = (cell, kind) => {
    const at = { transform: `translate(${cornerOf(cell)})` };
    if (!isGroup(cell.item) || isFolder(cell.item)) {
      Object.assign(at, {
        "data-item": cell.item,
        role: "button",
        "aria-label": describe(cell.item),
      });
    }
    return [cell, make("g", { ...at, class: kind }, world)];
  };
  const frames = scene.frames.map((frame) => add(frame, "frame"));
  const edges = scene.edges.map((edge) => {
    const line = make("g", { class: `edge ${edge.kind}` }, world);
    make("path", { d: edge.path }, line);
    make("path", { d: arrow(edge), class: "head" }, line);
    if (edge.kind === "kept") make("text", labelPlace(edge), line, bytesText(edge.bytes));
    return [edge, line];
  });
  const cells = scene.cells.map((cell) => add(cell, "cell"));
  parts = { world, frames, edges, cells };
}

function updateSvg() {
  parts.world.setAttribute("transform", `translate(${camera.x} ${camera.y}) scale(${camera.zoom})`);
  const { looks, marks } = drawingKeys();
  if (parts.looks !== looks) {
    for (const [cell, group] of parts.cells) fillSvg(group, cellShapes(cell));
    for (const [frame, group] of parts.frames) fillSvg(group, frameShapes(frame));
  }
  if (parts.marks !== marks) markSvg();
  Object.assign(parts, { looks, marks });
}

function fillSvg(group, shapes) {
  group.replaceChildren();
  for (const { name, content, isTitle, isBox, ...attributes } of shapes) {
    if (isTitle || isBox) attributes.class = isTitle ? "title" : "box";
    make(name, attributes, group, content);
  }
}

function markSvg() {
  const { current, found, isFaded } = emphasis();
  const mark = (group, marks) => {
    for (const [name, is] of Object.entries(marks)) group.classList.toggle(name, is);
  };
  for (const [cell, group] of parts.cells) {
    mark(group, { faded: isFaded(cell), found: found.has(cell), selected: cell === current });
  }
  for (const [frame, group] of parts.frames) mark(group, { selected: frame === current });
  for (const [edge, line] of parts.edges) {
    const { from, to, kind } = edge;
    mark(line, {
      faded: isFaded(from) || isFaded(to),
      near: from === current || to === current,
      hidden: kind === "kept" && !state.saved,
    });
  }
}

// what the picture depends on besides layout and camera: the looks of cells, and what stands out
function drawingKeys() {
  const { selected, pinned, colour, query, saved, direction } = state;
  const looks = `${colour} ${ink.page}`;
  return { looks, marks: JSON.stringify([selected, direction, pinned === null, query, saved]) };
}

// ---- canvas

// What is painted reaches beyond the stage, so that it can be moved along with the camera: it is
// painted again when something else changes, or when more comes into sight than it holds.
const picture = { canvas: document.createElement("canvas"), keys: "", scene: null, x: 0, y: 0 };
const ROOM = 0.25; // beyond each side of the stage, as a part of its size

function paintCanvas() {
  const room = { x: Math.ceil(ROOM * size.w), y: Math.ceil(ROOM * size.h) };
  const keys = JSON.stringify([drawingKeys(), size, devicePixelRatio, camera.zoom]);
  const isOn = (axis) => Math.abs(camera[axis] - picture[axis]) <= room[axis];
  if (picture.scene !== scene || picture.keys !== keys || !isOn("x") || !isOn("y")) {
    Object.assign(picture, { keys, scene, x: camera.x, y: camera.y });
    paintPicture(room);
  }
  sharpen(canvas, size.w, size.h);
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  // by whole pixels, so that it stays sharp
  const shift = ["x", "y"].map((axis) => camera[axis] - picture[axis] - room[axis]);
  pen.drawImage(picture.canvas, ...shift.map((by) => Math.round(by * devicePixelRatio)));
}

function paintPicture(room) {
  const pen = picture.canvas.getContext("2d");
  const { zoom } = camera;
  const [x, y] = [camera.x + room.x, camera.y + room.y];
  const [w, h] = [size.w + 2 * room.x, size.h + 2 * room.y];
  sharpen(picture.canvas, w, h);
  const ratio = devicePixelRatio;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, picture.canvas.width, picture.canvas.height);
  pen.setTransform(ratio * zoom, 0, 0, ratio * zoom, ratio * x, ratio * y);
  const inSight = ([left, top, right, bottom]) =>
    right * zoom + x >= 0 &&
    bottom * zoom + y >= 0 &&
    left * zoom + x <= w &&
    top * zoom + y <= h;
  const isVisible = ({ cx, cy, w, h }) => inSight([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]);
  const { current, found, isFaded } = emphasis();

  for (const frame of scene.frames.filter(isVisible)) {
    paintShapes(pen, frame, frameShapes(frame), frame === current && ink.focus);
  }
  for (const kind of ["flow", "back", "kept"]) {
    if (kind === "kept" && !state.saved) continue;
    const edges = scene.edges.filter((edge) => edge.kind === kind && inSight(edge.box));
    for (const faded of [true, false]) {
      pen.globalAlpha = faded ? 0.15 : 1;
      const some = edges.filter(({ from, to }) => (isFaded(from) || isFaded(to)) === faded);
      paintEdges(pen, some, { flow: ink.quiet, back: ink.rule, kept: ink.kept }[kind], current);
    }
  }
  pen.setLineDash([]);
  for (const cell of scene.cells.filter(isVisible)) {
    pen.globalAlpha = isFaded(cell) ? 0.15 : 1;
    const ring = cell === current ? ink.focus : found.has(cell) && ink.found;
    if (zoom < TEXT_FROM) paintPatch(pen, cell, zoom, ring);
    else paintShapes(pen, cell, cellShapes(cell), ring);
  }
  pen.globalAlpha = 1;
}

// a cell too small to read is a patch, with a ring around it if it stands out
function paintPatch(pen, { cx, cy, w, h, ...cell }, scale, ring) {
  const { fill, border } = look(cell);
  pen.fillStyle = fill !== ink.card ? fill : border === ink.line ? ink.patch : border;
  // at least a pixel
  const [wide, high] = [Math.max(w, 1 / scale), Math.max(h, 1 / scale)];
  pen.fillRect(cx - wide / 2, cy - high / 2, wide, high);
  if (!ring) return;
  pen.strokeStyle = ring;
  pen.lineWidth = 3 / scale;
  pen.strokeRect(cx - wide / 2, cy - high / 2, wide, high);
}

function sharpen(canvas, width, height) {
  const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
}

function paintEdges(pen, edges, colour, current) {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.setLineDash(colour === ink.kept ? [5, 4] : []);
  if (camera.zoom < TEXT_FROM) {
    pen.lineWidth = 0.6 / camera.zoom;
    pen.beginPath();
    for (const { points } of edges) {
      pen.moveTo(...points[0]);
      for (const point of points) pen.lineTo(...point);
    }
    pen.stroke();
    return;
  }
  for (const edge of edges) {
    edge.shapes ??= [new Path2D(edge.path), new Path2D(arrow(edge))];
    pen.lineWidth = edge.from === current || edge.to === current ? 2.4 : 1.2;
    pen.stroke(edge.shapes[0]);
    pen.fill(edge.shapes[1]);
    if (edge.kind !== "kept") continue;
    const { x, y } = labelPlace(edge);
    [pen.font, pen.textAlign] = [LINE, "left"];
    pen.fillText(bytesText(edge.bytes), x, y);
  }
}

function paintShapes(pen, cell, shapes, ring) {
  const [left, top] = cornerOf(cell);
  pen.textAlign = "center";
  for (const { name, x, y, width, height, rx, fill, stroke, content, isTitle, isBox } of shapes) {
    pen.fillStyle = fill;
    if (name === "text") {
      pen.font = isTitle ? TITLE : LINE;
      if (camera.zoom >= TEXT_FROM) pen.fillText(content, left + x, top + y);
      continue;
    }
    pen.strokeStyle = (isBox && ring) || stroke;
    // no line is thinner than half a pixel
    pen.lineWidth = Math.max(isBox && ring ? 3 : 1.2, (isBox && ring ? 2 : 0.5) / camera.zoom);
    pen.beginPath();
    pen.roundRect(left + x, top + y, width, height, rx);
    if (fill !== "none") pen.fill();
    pen.stroke();
  }
}

// ---- the minimap

const map = { scale: 1, left: 0, top: 0, keys: "", picture: document.createElement("canvas") };

function drawMinimap() {
  const { clientWidth: w, clientHeight: h } = minimap;
  const keys = JSON.stringify([drawingKeys(), scene.width, scene.height, scene.cells.length]);
  if (map.keys !== keys) {
    map.keys = keys;
    map.scale = Math.min((w - 12) / scene.width, (h - 12) / scene.height);
    map.left = (w - scene.width * map.scale) / 2;
    map.top = (h - scene.height * map.scale) / 2;
    paintMinimap(w, h);
  }
  const { x, y, zoom } = camera;
  // no map of what is in sight as a whole
  const isWhole =
    x >= 0 && y >= 0 && scene.width * zoom + x <= size.w && scene.height * zoom + y <= size.h;
  minimap.classList.toggle("idle", isWhole);
  sharpen(minimap, w, h);
  const pen = minimap.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, minimap.width, minimap.height);
  pen.drawImage(map.picture, 0, 0);
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.strokeStyle = ink.focus;
  pen.lineWidth = 1.5;
  const along = (at, from, end) => Math.max(1, Math.min(end - 1, from + (at / zoom) * map.scale));
  const [x0, x1] = [along(-x, map.left, w), along(size.w - x, map.left, w)];
  const [y0, y1] = [along(-y, map.top, h), along(size.h - y, map.top, h)];
  pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
}

function paintMinimap(w, h) {
  sharpen(map.picture, w, h);
  const pen = map.picture.getContext("2d");
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, w, h);
  pen.translate(map.left, map.top);
  pen.scale(map.scale, map.scale);
  const { current, isFaded } = emphasis();
  for (const cell of scene.cells) {
    pen.globalAlpha = isFaded(cell) ? 0.2 : 1;
    paintPatch(pen, cell, map.scale, cell === current && ink.focus);
  }
}

// ---- camera

function fit() {
  camera.zoom = Math.min((size.w - 48) / scene.width, (size.h - 48) / scene.height, 1.25);
  centre(scene.width / 2, scene.height / 2);
}

// the whole graph where that can be read, else its beginning
function firstView() {
  fit();
  if (camera.zoom >= 0.6) return;
  camera.zoom = 0.75;
  const top = scene.cells.filter(({ cy }) => cy * camera.zoom < size.h);
  const middle = top.reduce((sum, { cx }) => sum + cx, 0) / top.length;
  centre(middle, (size.h / 2 - 24) / camera.zoom);
}

function centre(x, y) {
  camera.x = size.w / 2 - x * camera.zoom;
  camera.y = size.h / 2 - y * camera.zoom;
  draw();
}

function goTo(item) {
  const cell = cellFor(item);
  if (!cell) return;
  camera.zoom = Math.max(camera.zoom, 0.7);
  centre(cell.cx, cell.cy);
}

// move the picture just enough to see an item
function keepInSight(item) {
  const cell = cellFor(item);
  const [x, y] = [cell.cx * camera.zoom + camera.x, cell.cy * camera.zoom + camera.y];
  const [w, h] = [(cell.w / 2) * camera.zoom + 20, (cell.h / 2) * camera.zoom + 20];
  camera.x += Math.max(0, w - x) - Math.max(0, x + w - size.w);
  camera.y += Math.max(0, h - y) - Math.max(0, y + h - size.h);
  draw();
}

function zoomAt(x, y, factor) {
  const zoom = Math.max(0.01, Math.min(4, camera.zoom * factor));
  camera.x = x - ((x - camera.x) * zoom) / camera.zoom;
  camera.y = y - ((y - camera.y) * zoom) / camera.zoom;
  camera.zoom = zoom;
  draw();
}

// the item at a place on the stage: a cell, else the innermost open scope
function itemAt([x, y]) {
  const [px, py] = [(x - camera.x) / camera.zoom, (y - camera.y) / camera.zoom];
  const isHit = ({ cx, cy, w, h }) => Math.abs(px - cx) <= w / 2 && Math.abs(py - cy) <= h / 2;
  const frame = () => scene.frames.findLast((frame) => isFolder(frame.item) && isHit(frame));
  return (scene.cells.find(isHit) ?? frame())?.item ?? null;
}
