// Where everything goes: a layered layout of every open group, the inner ones first.
//
// A cell is what has a place in a level: a node, a closed group, the frame of an open group, or a
// port, where edges cross the frame. A level is the inside of an open group; its rows are layers.
// Values flow down; what a derivative rule computes stands beside its operation and flows up.

const GAP = { row: 40, port: 16, cell: 22, column: 52, trunk: 12 };
// around the inside of an open group
const PADS = { unit: { side: 8, top: 8, bottom: 8 }, folder: { side: 14, top: 30, bottom: 14 } };
const NO_PAD = { side: 0, top: 0, bottom: 0 };
const SWEEPS = 6;
// dummies, which keep long edges between the nodes, for at most so many crossed layers
const MOST_DUMMIES = 80000;

// options: open (Set of folders), orders (Set), sizeOf(item) -> {w, h}
function layOut({ open, orders, sizeOf }) {
  const top = { group: root, cells: [], frame: null, depth: 0 };
  const cellOf = new Map(); // of the visible nodes and closed groups
  const owner = new Array(nodes.length).fill(null); // the visible cell of each node
  fill(top);
  const edges = findEdges(owner, orders);
  const levels = [];
  connect(top, edges, levels);
  const budget = { dummies: MOST_DUMMIES };
  for (const level of levels.toReversed()) arrange(level, budget);
  const scene = place(top, edges);
  return { ...scene, cellOf, owner, edges };

  // make the cells of what is visible in a group
  function fill(level) {
    for (const item of level.group.children) {
      const cell = { item, level, first: nodesOf(item)[0] };
      if (!isGroup(item)) {
        if (!orders.has(nodes[item].order)) continue;
        owner[item] = cell;
      } else if (!isFolder(item) || open.has(item)) {
        const inner = { group: groupOf(item), cells: [], frame: cell, depth: level.depth + 1 };
        fill(inner);
        if (!inner.cells.length) continue;
        cell.inner = inner;
        level.cells.push(cell);
        continue;
      } else {
        const shown = nodesOf(item).filter((number) => orders.has(nodes[number].order));
        if (!shown.length) continue;
        for (const number of shown) owner[number] = cell;
      }
      Object.assign(cell, sizeOf(item));
      cellOf.set(item, cell);
      level.cells.push(cell);
    }
  }
}

// the edges between visible cells, each once
function findEdges(owner, orders) {
  const edges = new Map();
  const add = (kind, from, to, bytes) => {
    if (!from || !to || from === to) return;
    // what a closed group keeps is in its panel
    if (kind === "kept" && isGroup(to.item)) return;
    const key = `${kind}${from.item},${to.item}`;
    const edge = edges.get(key);
    if (edge) edge.bytes += bytes;
    else edges.set(key, { kind, from, to, bytes });
  };
  for (const node of nodes) {
    const inRule = anchors[node.number] !== node.number;
    for (const input of new Set(node.inputs)) {
      if (input === null) continue;
      const kind = !inRule ? "flow" : nodes[input].order < node.order ? "kept" : "back";
      add(kind, owner[input], owner[node.number], nodes[input].nbytes);
    }
    // where the rule is on the page, its own edges show what it takes
    if (node.order > 0 || (orders.has(1) && withRule.has(node.number))) continue;
    for (const [, number, bytes] of node.saved) {
      if (number !== null) add("kept", owner[number], owner[node.number], bytes);
    }
  }
  return [...edges.values()];
}

// operations whose rule is part of the graph
const withRule = new Set(nodes.map((node) => node.ruleOf));

// put every edge into the level where its ends part, rank the levels, and lead edges through frames
function connect(top, edges, levels) {
  const visit = (level) => {
    level.crossings = [];
    level.ports = new Map();
    levels.push(level);
    for (const cell of level.cells) if (cell.inner) visit(cell.inner);
  };
  visit(top);
  for (const edge of edges) {
    if (edge.kind === "kept") continue; // drawn straight: memory is no step of the computation
    let [a, b] = [edge.from, edge.to];
    while (a.level !== b.level) {
      if (a.level.depth > b.level.depth) a = a.level.frame;
      else {
        b.fed = true;
        b = b.level.frame;
      }
    }
    b.fed = true;
    edge.crossing = { a, b, edge };
    a.level.crossings.push(edge.crossing);
  }
  for (const level of levels) rank(level);
  for (const edge of edges) {
    if (!edge.crossing) continue;
    const { a, b } = edge.crossing;
    if (a.rank === b.rank) edge.crossing = null;
    else lead(edge, a, b);
  }
}

function rank(level) {
  const { cells } = level;
  for (const cell of cells) Object.assign(cell, { rank: 0, after: new Set(), before: 0 });
  if (level.group.kind === "unit") return; // side by side
  for (const { a, b, edge } of level.crossings) {
    const upward = edge.kind === "back";
    // the derivative of a derivative runs both ways
    if (upward && level.group.kind !== "column" && nodes[edge.to.first]?.order > 1) continue;
    const [high, low] = upward ? [b, a] : [a, b];
    if (high.after.has(low)) continue;
    high.after.add(low);
    low.before++;
  }
  // longest path; where a circle of groups leaves no beginning, the one created first begins
  const ready = cells.filter((cell) => cell.before === 0);
  const byAge = [...cells].sort((a, b) => a.first - b.first);
  const done = new Set();
  for (let next = 0; done.size < cells.length;) {
    let cell = ready.pop();
    while (!cell) {
      if (!done.has(byAge[next])) cell = byAge[next];
      next++;
    }
    if (done.has(cell)) continue;
    done.add(cell);
    for (const low of cell.after) {
      if (done.has(low)) continue;
      low.rank = Math.max(low.rank, cell.rank + 1);
      if (--low.before === 0) ready.push(low);
    }
  }
  // what nothing leads to stands right above its first use
  for (const cell of cells) {
    if (cell.fed || !cell.after.size) continue;
    const uses = [...cell.after].map((low) => low.rank);
    cell.rank = Math.max(cell.rank, Math.min(...uses) - 1);
  }
}

// give an edge its way: a list of steps between cells of one level, through ports in the frames
function lead(edge, a, b) {
  const down = a.rank < b.rank;
  const key = edge.from.item;
  edge.steps = [];
  const [leaves, enters] = down ? ["bottom", "top"] : ["top", "bottom"];
  const out = [];
  for (let cell = a, inner; cell !== edge.from; cell = inner) {
    inner = ancestorIn(edge.from, cell.inner);
    out.push(step(cell.inner, inner, port(cell.inner, key, leaves, edge), key));
  }
  edge.steps.push(...out.reverse(), step(a.level, a, b, key));
  for (let cell = b, inner; cell !== edge.to; cell = inner) {
    inner = ancestorIn(edge.to, cell.inner);
    edge.steps.push(step(cell.inner, port(cell.inner, key, enters, edge), inner, key));
  }
}

function ancestorIn(cell, level) {
  while (cell.level !== level) cell = cell.level.frame;
  return cell;
}

function port(level, key, side, edge) {
  const name = `${side}${key}`;
  if (!level.ports.has(name)) {
    level.ports.set(name, { port: side, level, first: edge.from.first, w: 6, h: 0 });
  }
  return level.ports.get(name);
}

// edges of one source share their steps
function step(level, from, to, key) {
  level.steps ??= new Map();
  const name = `${key},${from.item ?? from.port},${to.item ?? to.port}`;
  if (!level.steps.has(name)) level.steps.set(name, { from, to, key, level });
  return level.steps.get(name);
}

// ---- one level

function arrange(level, budget) {
  for (const cell of level.cells) if (cell.inner) frame(cell);
  const rows = makeRows(level);
  addDummies(level, rows, budget);
  for (const row of rows) row.sort((a, b) => a.first - b.first);
  number(rows);
  if (level.group.kind !== "unit") sweep(rows);
  spread(rows);
  settle(rows);
  stack(level, rows);
}

// an open group is as large as its inside
function frame(cell) {
  const { inner } = cell;
  cell.pad = isFolder(cell.item) ? PADS.folder : isPair(inner) ? PADS.unit : NO_PAD;
  cell.w = Math.max(inner.w + 2 * cell.pad.side, isFolder(cell.item) ? 120 : 0);
  cell.h = inner.h + cell.pad.top + cell.pad.bottom;
}

// an operation with its rule, where both are on the page
const isPair = ({ group, cells }) => group.kind === "unit" && cells.length > 1;

function makeRows(level) {
  const rows = [];
  const ports = [...level.ports.values()];
  const shift = ports.some((cell) => cell.port === "top") ? 1 : 0;
  let last = 0;
  for (const cell of level.cells) {
    cell.rank += shift;
    last = Math.max(last, cell.rank);
  }
  for (const cell of ports) cell.rank = cell.port === "top" ? 0 : last + 1;
  for (const cell of [...level.cells, ...ports]) {
    cell.up = [];
    cell.down = [];
    (rows[cell.rank] ??= []).push(cell);
  }
  for (let i = 0; i < rows.length; i++) rows[i] ??= [];
  return rows;
}

// where an edge meets a cell, from its middle: at the port of an open group, at the place that
// spread() gave it, else in the middle
function docking(cell, key, side) {
  const port = cell.inner?.ports.get(`${side}${key}`);
  return port ? port.x - cell.inner.w / 2 : (cell.docks?.get(`${side}${key}`) ?? 0);
}

function addDummies(level, rows, budget) {
  const trunks = new Map();
  for (const step of level.steps?.values() ?? []) {
    const { from, to, key } = step;
    const direction = Math.sign(to.rank - from.rank);
    const span = Math.abs(to.rank - from.rank);
    step.through = [];
    if (span > 1 && span > budget.dummies) continue;
    let last = from;
    for (let at = from.rank + direction; direction && at !== to.rank; at += direction) {
      const name = `${key},${from.item ?? from.port},${at}`;
      let dummy = trunks.get(name);
      if (!dummy) {
        dummy = { dummy: true, rank: at, first: from.first, w: 2, h: 0, up: [], down: [] };
        trunks.set(name, dummy);
        rows[at].push(dummy);
        budget.dummies--;
        join(last, dummy, key, direction);
      }
      step.through.push(dummy);
      last = dummy;
    }
    if (direction) join(last, to, key, direction);
  }
}

function join(from, to, key, direction) {
  const [high, low] = direction > 0 ? [from, to] : [to, from];
  const isLine = ({ dummy, port }) => dummy || port;
  const weight = isLine(high) && isLine(low) ? 8 : 1;
  const [above, below] = [docking(high, key, "bottom"), docking(low, key, "top")];
  high.down.push({ cell: low, weight, bend: below - above, key, arrives: from === low });
  // a source follows those that use it, and does not pull at them
  const pull = high.fed || isLine(high) ? weight : 0.02;
  low.up.push({ cell: high, weight: pull, bend: above - below, key, arrives: from === high });
}

// several edges that end at a cell end side by side, in the order that they come from; and what
// runs up runs to the right of what runs down
function spread(rows) {
  for (const cell of rows.flat()) {
    if (cell.dummy || cell.port || cell.inner) continue;
    cell.docks = new Map();
    for (const side of ["top", "bottom"]) {
      const links = side === "top" ? cell.up : cell.down;
      const arriving = links.filter((link) => link.arrives);
      const isBothWays = arriving.length > 0 && arriving.length < links.length;
      const right = isBothWays ? cell.w / 5 : 0;
      arriving.sort((a, b) => a.cell.place - b.cell.place);
      const gap = Math.min(14, (cell.w * 0.7) / arriving.length);
      for (const [i, { key }] of arriving.entries()) {
        const shift = side === "top" ? 0 : right;
        cell.docks.set(`${side}${key}`, (i - (arriving.length - 1) / 2) * gap + shift);
      }
      if (side === "top") cell.docks.set(`top${cell.item}`, right);
    }
  }
}

function number(rows) {
  for (const row of rows) row.forEach((cell, place) => (cell.place = place));
}

// order each row by the mean place of its neighbours, down and up in turn; keep the best
function sweep(rows) {
  let best = crossings(rows);
  let kept = rows.map((row) => [...row]);
  for (let i = 0; i < SWEEPS && best > 0; i++) {
    const down = i % 2 === 0;
    for (const row of down ? rows : rows.toReversed()) {
      for (const cell of row) {
        const near = down ? cell.up : cell.down;
        const sum = near.reduce((total, { cell, bend }) => total + cell.place + bend * 1e-4, 0);
        cell.mean = near.length ? sum / near.length : cell.place;
      }
      row.sort((a, b) => a.mean - b.mean);
      number([row]);
    }
    const count = crossings(rows);
    if (count < best) {
      best = count;
      kept = rows.map((row) => [...row]);
    }
  }
  rows.forEach((row, i) => row.splice(0, row.length, ...kept[i]));
  number(rows);
}

// pairs of edges between neighbouring rows that cross, counted by a Fenwick tree
function crossings(rows) {
  let total = 0;
  for (let r = 0; r + 1 < rows.length; r++) {
    const size = rows[r + 1].length;
    const tree = new Int32Array(size + 1);
    let seen = 0;
    for (const cell of rows[r]) {
      const places = cell.down.map((link) => link.cell.place);
      for (const place of places) {
        total += seen;
        for (let i = place + 1; i > 0; i -= i & -i) total -= tree[i];
      }
      for (const place of places) {
        seen++;
        for (let i = place + 1; i <= size; i += i & -i) tree[i]++;
      }
    }
  }
  return total;
}

// x of every cell: near the mean of its neighbours, at a distance from those beside it
function settle(rows) {
  for (const row of rows) {
    for (const cell of row) cell.x = 0;
    align(row, []);
  }
  for (let i = 0; i < 8; i++) {
    const [order, side] = i % 2 ? [rows.toReversed(), "down"] : [rows, "up"];
    for (const row of order) align(row, i < 6 ? [side] : ["up", "down"]);
  }
}

function apart(left, right) {
  let gap = left.dummy || right.dummy || left.port || right.port ? GAP.trunk : GAP.cell;
  // room for what is said beside edges from an operation to its rule
  if (right.inner?.group.kind === "column") gap = GAP.column;
  return (left.w + right.w) / 2 + gap;
}

// least squares: the x nearest to the wished ones that keep order and distance. Without the
// distances this is isotonic regression, solved by pooling neighbours that violate the order.
function align(row, sides) {
  const pools = []; // of neighbours that keep their distances: where each starts, and its mean
  const offsets = [];
  row.forEach((cell, start) => {
    offsets.push(start ? offsets[start - 1] + apart(row[start - 1], cell) : 0);
    let [sum, weight] = [0, 0];
    for (const { cell: other, bend, weight: pull } of sides.flatMap((side) => cell[side])) {
      sum += pull * (other.x + bend);
      weight += pull;
    }
    if (!weight) [sum, weight] = [0.01 * cell.x, 0.01];
    sum -= weight * offsets[start];
    while (pools.length && pools.at(-1).sum / pools.at(-1).weight > sum / weight) {
      const left = pools.pop();
      sum += left.sum;
      weight += left.weight;
      start = left.start;
    }
    pools.push({ start, sum, weight });
  });
  pools.forEach(({ start, sum, weight }, i) => {
    const end = pools[i + 1]?.start ?? row.length;
    for (let at = start; at < end; at++) row[at].x = sum / weight + offsets[at];
  });
}

// y of the rows, and the size of the level; afterwards x and y are from its upper left corner
function stack(level, rows) {
  let [left, right, y] = [Infinity, -Infinity, 0];
  for (const [i, row] of rows.entries()) {
    const height = row.reduce((most, cell) => Math.max(most, cell.h), 0);
    for (const cell of row) {
      cell.y = y + height / 2;
      cell.rowTop = y;
      cell.rowBottom = y + height;
      left = Math.min(left, cell.x - cell.w / 2);
      right = Math.max(right, cell.x + cell.w / 2);
    }
    if (!row.length || i === rows.length - 1) {
      y += height;
      continue;
    }
    const atFrame = [row, rows[i + 1]].some((cells) => cells.some((cell) => cell.port));
    y += height + (atFrame ? GAP.port : GAP.row);
  }
  for (const row of rows) for (const cell of row) cell.x -= left;
  level.w = Math.max(right - left, 0); // 0 where there is nothing
  level.h = y;
}

// ---- the whole

// from places in levels to places in the drawing
function place(top, edges) {
  const cells = [];
  const frames = [];
  const visit = (level, x, y) => {
    level.at = { x, y };
    for (const cell of level.cells) {
      cell.cx = x + cell.x;
      cell.cy = y + cell.y;
      if (!cell.inner) {
        cells.push(cell);
        continue;
      }
      frames.push(cell);
      const left = cell.cx - cell.inner.w / 2;
      visit(cell.inner, left, cell.cy - cell.h / 2 + cell.pad.top);
    }
  };
  visit(top, 0, 0);
  for (const edge of edges) edge.points = route(edge, cells);
  return { cells, frames, width: top.w, height: top.h };
}

// the points that an edge runs through, vertically at each
function route(edge, cells) {
  const { from, to } = edge;
  const down = edge.crossing ? edge.crossing.a.rank < edge.crossing.b.rank : from.cy < to.cy;
  const sign = down ? 1 : -1;
  if (!edge.crossing) return direct(from, to, cells);
  const points = [];
  for (const { from: a, to: b, key, through, level } of edge.steps) {
    const { x, y } = level.at;
    const dock = (cell, side) => x + cell.x + docking(cell, key, side);
    const [near, far] = down ? ["rowTop", "rowBottom"] : ["rowBottom", "rowTop"];
    const ax = dock(a, down ? "bottom" : "top");
    points.push([ax, y + a.y + (sign * a.h) / 2]);
    if (a[far] !== undefined) points.push([ax, y + a[far]]);
    for (const dummy of through) {
      points.push([x + dummy.x, y + dummy[near]], [x + dummy.x, y + dummy[far]]);
    }
    const bx = dock(b, down ? "top" : "bottom");
    points.push([bx, y + b[near]], [bx, y + b.y - (sign * b.h) / 2]);
  }
  return points.filter(([x, y], i) => !i || x !== points[i - 1][0] || y !== points[i - 1][1]);
}

// between cells with nothing planned: beside the middle, where planned edges run; from side to side
// where they stand side by side, or where that passes behind fewer cells
function direct(from, to, cells) {
  const [dx, dy] = [Math.sign(to.cx - from.cx) || 1, Math.sign(to.cy - from.cy)];
  const isBeside = Math.abs(to.cy - from.cy) < (from.h + to.h) / 2 + 8;
  // where, on the way from side to side, they go up or down
  const ways = [...(isBeside ? [] : [null]), 0.5, 0.25, 0.75].map((bend) => {
    const end = ({ cx, cy, w, h }, way) =>
      bend ? [cx + (way * dx * w) / 2, cy] : [cx + w / 5, cy + (way * dy * h) / 2];
    return Object.assign([end(from, 1), end(to, -1)], { bend });
  });
  if (cells.length > MOST_SVG) return ways[0]; // nobody can follow it anyway
  const met = ways.map((points) => behind(points, cells));
  return ways[met.indexOf(Math.min(...met))];
}

// how many cells a curve passes behind; where what is said beside its end does, that counts twice
function behind({ 0: [ax, ay], 1: [bx, by], bend }, cells) {
  const along = [];
  for (let t = 0.04; t < 1; t += 0.04) {
    // of a Bezier curve: the way in the direction in which it begins, and in the other
    const ways = [3 * (bend ?? 0.5) * t * (1 - t) + t ** 3, 3 * t ** 2 - 2 * t ** 3];
    const [u, v] = bend ? ways : ways.reverse();
    along.push([ax + (bx - ax) * u, ay + (by - ay) * v]);
  }
  const isOn = (cell) => ([x, y]) =>
    Math.abs(x - cell.cx) < cell.w / 2 && Math.abs(y - cell.cy) < cell.h / 2;
  const met = cells.filter((cell) => along.some(isOn(cell)));
  const said = [bx - 30 * Math.sign(bx - ax), by];
  return met.length + met.filter((cell) => bend && isOn(cell)(said)).length;
}
