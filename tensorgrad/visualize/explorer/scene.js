// What the reader sees now, and the functions that change it.

// nodes that a fresh page shows at most, unless the reader opens more
const FIRST_SIGHT = 120;
// visible cells that SVG draws; more are drawn on a canvas
const MOST_SVG = 2000;

const state = {
  open: new Set(), // scopes and runs
  orders: new Set(nodes.map((node) => node.order)),
  saved: nodes.some((node) => node.order > 0), // whether the page shows what is kept
  colour: "kind",
  selected: null, // an item
  direction: "up", // of the cone that a click pins: up, down or none
  pinned: null, // the set of nodes in the cone
  query: "",
  found: [], // nodes that match the query, in creation order
};
const camera = { x: 0, y: 0, zoom: 1 }; // screen = drawing * zoom + (x, y)
let scene = null;

// ---- what is written in a cell

const TITLE = "600 13px system-ui, sans-serif";
const LINE = "11px system-ui, sans-serif";
const LONGEST = 36;

function cut(text) {
  const letters = [...text];
  if (letters.length <= LONGEST) return text;
  return `${letters.slice(0, LONGEST / 2).join("")}…${letters.slice(1 - LONGEST / 2).join("")}`;
}

// the order of a derivative, as a sign: no meaning is in the colour alone
const derivativeSign = (order) => ["", "∇ ", "∇² "][order] ?? `∇${order} `;

function labelOf(item) {
  if (isGroup(item)) {
    const group = groupOf(item);
    const bytes = bytesText(group.nodes.reduce((sum, number) => sum + nodes[number].nbytes, 0));
    const count = `${group.nodes.length} nodes`;
    const title = cut(group.name) + (group.kind === "run" ? ` ×${group.children.size}` : "");
    return { title, lines: [`${count} · ${bytes}`] };
  }
  const node = nodes[item];
  const named = node.kind === "leaf" && node.name !== null;
  const title = cut(derivativeSign(node.order) + (named ? node.label : node.op));
  const lines = [cut(node.name === null || named ? node.type : `${node.label}: ${node.type}`)];
  for (const param of node.shown) lines.push(cut(paramsText([param])));
  return { title, lines };
}

const paramsText = (params) => params.map(([name, value]) => `${name}=${value}`).join(", ");

const pen = document.createElement("canvas").getContext("2d");
const widths = new Map();

function textWidth(text, font) {
  const key = font + text;
  if (!widths.has(key)) {
    if (pen.font !== font) pen.font = font;
    widths.set(key, pen.measureText(text).width);
  }
  return widths.get(key);
}

// how far the cards of a closed group stand out below it
function stackOf(item) {
  return isGroup(item) ? (groupOf(item).kind === "run" ? 8 : 4) : 0;
}

function sizeOf(item) {
  const { title, lines } = labelOf(item);
  const text = Math.max(textWidth(title, TITLE), ...lines.map((line) => textWidth(line, LINE)));
  const stack = stackOf(item);
  const w = Math.ceil(text) + (isGroup(item) ? 40 : 26) + stack;
  return { w, h: 27 + 15 * lines.length + stack, title, lines };
}

// ---- changes

// lay out again, and keep one item where it is on the screen
function refresh(anchor = null) {
  const before = anchor === null ? null : centreOf(anchor);
  scene = layOut({ open: state.open, orders: state.orders, sizeOf });
  const after = anchor === null ? null : centreOf(anchor);
  if (before && after) {
    camera.x += (before[0] - after[0]) * camera.zoom;
    camera.y += (before[1] - after[1]) * camera.zoom;
  }
  buildDrawing();
}

// the visible cell or frame of an item, or that of the closed group it is in
function cellFor(item) {
  const cell = scene.cellOf.get(item);
  if (cell) return cell;
  return scene.frames.find((frame) => frame.item === item) ?? scene.owner[nodesOf(item)[0]];
}

function centreOf(item) {
  const cell = scene && cellFor(item);
  return cell && [cell.cx, cell.cy];
}

// scopes open from the outside in, as long as the picture stays small; runs stay folded
function openAtFirst() {
  if (nodes.length <= 30) {
    openAll();
    return;
  }
  const waiting = [root];
  let shown = root.children.size;
  while (waiting.length) {
    const group = waiting.shift();
    for (const item of group.children) {
      if (!isGroup(item) || groupOf(item).kind !== "scope") continue;
      const inside = groupOf(item);
      if (shown + inside.children.size > FIRST_SIGHT) continue;
      shown += inside.children.size;
      state.open.add(item);
      waiting.push(inside);
    }
  }
}

function openAll() {
  for (const group of groups) if (isFolder(group.item)) state.open.add(group.item);
}

function toggle(item) {
  if (!isFolder(item)) return;
  if (!state.open.delete(item)) state.open.add(item);
  refresh(item);
  select(item);
}

// close the scope or the run around an item
function closeAround(item) {
  let at = parents[item];
  while (at !== undefined && !isFolder(at)) at = parents[at];
  toggle(at);
}

// open everything around an item, go there and select it
function reveal(item) {
  let hidden = false;
  for (let at = parents[item]; at !== undefined; at = parents[at]) {
    if (isFolder(at) && !state.open.has(at)) {
      state.open.add(at);
      hidden = true;
    }
  }
  for (const number of nodesOf(item).slice(0, 1)) {
    if (!state.orders.has(nodes[number].order)) {
      state.orders.add(nodes[number].order);
      hidden = true;
      showControls();
    }
  }
  if (hidden) refresh();
  select(item);
  goTo(item);
}

function select(item) {
  state.selected = item;
  if (item === null) state.pinned = null;
  else pin(state.direction);
  showPanel();
  announce(item === null ? "Nothing selected" : describe(item));
  draw();
}

function pin(direction) {
  state.direction = direction;
  const { selected } = state;
  state.pinned =
    direction === "none" || selected === null ? null : cone(nodesOf(selected), direction);
}

function search(query) {
  state.query = query;
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  state.found = words.length
    ? nodes
        .filter((node) => words.every((word) => searchText(node).includes(word)))
        .map((node) => node.number)
    : [];
  showFound();
  draw();
}

function searchText(node) {
  node.text ??= [
    node.op,
    node.label,
    node.type,
    node.scope.join("/"),
    ...(node.source ?? []),
    paramsText(node.params),
  ]
    .join(" ")
    .toLowerCase();
  return node.text;
}

// what a screen reader says of an item
function describe(item) {
  const { title, lines } = labelOf(item);
  if (isGroup(item)) return `${title}, ${lines[0]}, ${state.open.has(item) ? "open" : "closed"}`;
  const parts = [title, nodes[item].label, ...lines];
  return (outputs.has(item) ? [...parts, "output"] : parts).join(", ");
}

// the item next to the selected one in a direction on the screen: along an edge, or, for what has
// no edge that way, beside it in the row
function neighbour(item, [dx, dy]) {
  const cell = cellFor(item);
  if (!cell) return null;
  const best = (cells) => {
    let [nearest, least] = [null, Infinity];
    for (const other of cells) {
      const [x, y] = [other.cx - cell.cx, other.cy - cell.cy];
      const along = x * dx + y * dy;
      const cost = along + 3 * Math.abs(x * dy - y * dx);
      if (along > 1 && cost < least) [nearest, least] = [other, cost];
    }
    return nearest;
  };
  const linked = [];
  for (const { from, to } of scene.edges) {
    if (from === cell) linked.push(to);
    if (to === cell) linked.push(from);
  }
  const row = () =>
    scene.cells.filter((other) => Math.abs(other.cy - cell.cy) < Math.max(cell.h, 30));
  return (best(linked) ?? (dx ? best(row()) : null))?.item ?? null;
}
