// What colours mean. The palettes are Okabe and Ito's and viridis, which colour-blind eyes tell apart;
// every meaning is also a word, a number or a line in the drawing.

const VIRIDIS = "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725".split(" ");
const OKABE_ITO = "56b4e9 e69f00 009e73 f0e442 cc79a7 0072b2 d55e00 999999".split(" ");
// what is not finite: the first of it, and what came after
const [BROKEN, LATER] = ["d55e00", "f0e442"];

// how each scale reads a node: null where it has nothing to say
const SCALES = {
  time: { title: "Time", read: (node) => node.seconds, text: secondsText },
  memory: { title: "Memory", read: (node) => node.nbytes, text: bytesText },
  gradient: {
    title: "Gradient norm",
    read: (node) => node.gradient && norm(node.gradient),
    text: numberText,
  },
};

// the first node, in creation order, with a NaN or an infinity
const firstBroken = nodes.find((node) => isBroken(node.values))?.number ?? null;
const dtypes = [...new Set(nodes.map((node) => node.dtype))];

// modes that this graph has something to show for
function colourModes() {
  const modes = [["kind", "Kind"]];
  for (const [mode, { title, read }] of Object.entries(SCALES)) {
    if (nodes.some((node) => read(node) !== null)) modes.push([mode, title]);
  }
  modes.push(["dtype", "Dtype"]);
  if (nodes.some((node) => node.values)) modes.push(["nan", "First NaN"]);
  return modes;
}

let scaleRange = null; // the least and the greatest of what is above zero
let ink = {};

// colours of the page's theme, for the canvas as well
function readInk() {
  const style = getComputedStyle(document.documentElement);
  const names =
    "page card frame unit line patch text quiet leaf output rule rule2 focus found kept".split(" ");
  ink = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// time and memory of a group are sums, its gradient is that of all nodes as one vector
function scaleValue(item) {
  const values = nodesOf(item).map((number) => SCALES[state.colour].read(nodes[number]));
  const known = values.filter((value) => value !== null);
  if (!known.length) return null;
  const isNorm = state.colour === "gradient";
  const total = known.reduce((sum, value) => sum + (isNorm ? value ** 2 : value), 0);
  return isNorm ? Math.sqrt(total) : total;
}

function measureScale() {
  if (!(state.colour in SCALES)) return;
  const values = scene.cells.map((cell) => scaleValue(cell.item)).filter((value) => value > 0);
  values.sort((a, b) => a - b);
  scaleRange = values.length ? [values[0], values.at(-1)] : null;
}

const channels = (colour) => [0, 2, 4].map((i) => parseInt(colour.slice(i, i + 2), 16));

function viridis(part) {
  const at = Math.max(0, Math.min(1, part)) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const [low, high] = [channels(VIRIDIS[i]), channels(VIRIDIS[i + 1])];
  const mixed = low.map((x, c) => Math.round(x + (at - i) * (high[c] - x)));
  return mixed.map((x) => x.toString(16).padStart(2, "0")).join("");
}

function scaleColour(value) {
  const [low, high] = scaleRange.map(Math.log);
  return viridis(high > low ? (Math.log(value) - low) / (high - low) : 0.5);
}

// black or white, whichever reads on a colour
function inkOn(colour) {
  const [r, g, b] = channels(colour).map((x) => (x / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.2 ? "#111" : "#fff";
}

// how a cell is drawn; the note says what the colour stands for
function look({ item }) {
  const [colour, note] = meaning(item);
  const plain = { fill: ink.card, border: ink.line, ink: ink.text, quiet: ink.quiet, note };
  if (!colour) return plain;
  if (state.colour === "kind") return { ...plain, border: colour };
  const dark = inkOn(colour);
  return { fill: `#${colour}`, border: ink.line, ink: dark, quiet: dark, note };
}

// the colour of an item, if it has one, and what that is in words
function meaning(item) {
  const members = nodesOf(item).map((number) => nodes[number]);
  if (state.colour in SCALES) {
    const value = scaleValue(item);
    if (value === null) return [null, null];
    return [value > 0 ? scaleColour(value) : null, SCALES[state.colour].text(value)];
  }
  if (state.colour === "dtype") {
    const kinds = new Set(members.map((node) => node.dtype));
    if (kinds.size > 1) return [null, `${kinds.size} dtypes`];
    const place = dtypes.indexOf(members[0].dtype);
    return [OKABE_ITO[place % OKABE_ITO.length], cut(members[0].dtype)];
  }
  if (state.colour === "nan") {
    if (members.some((node) => node.number === firstBroken))
      return [BROKEN, "first NaN or infinity"];
    if (members.some((node) => isBroken(node.values))) return [LATER, "not finite"];
    return [null, members.every((node) => node.values) ? "finite" : null];
  }
  if (isGroup(item)) return [null, null];
  const [{ order, kind }] = members;
  if (outputs.has(item)) return [ink.output, null];
  if (order) return [order === 1 ? ink.rule : ink.rule2, null];
  return [kind === "leaf" ? ink.leaf : null, null];
}
