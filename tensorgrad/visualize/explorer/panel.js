// The words around the drawing: the panel of what is selected, the tip, search results, legend, status.

const MOST_LINKS = 30;

// text is always data: nothing here reads markup
function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.onclick = value;
    else made.setAttribute(key, value);
  }
  made.append(...content);
  return made;
}

const item = (...content) => element("li", {}, ...content);
const small = (text) => element("small", {}, ` ${text}`);

// a list of names and texts, without those that have none
function facts(pairs) {
  const known = pairs.filter(([, text]) => text);
  const rows = known.map(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]);
  return element("dl", {}, ...rows.flat());
}

function button(text, pressed, onclick, attributes = {}) {
  return element("button", { "aria-pressed": pressed, onclick, ...attributes }, text);
}

function link(number, before = "", after = nodes[number].type) {
  const text = `${nodes[number].op} ${nodes[number].label}`;
  const open = element("button", { class: "link", onclick: () => reveal(number) }, text);
  return item(before, open, small(after));
}

function list(title, items) {
  return items.length
    ? element("section", {}, element("h3", {}, title), element("ul", {}, ...items))
    : "";
}

function links(title, numbers) {
  const shown = numbers.slice(0, MOST_LINKS).map((number) => link(number));
  if (numbers.length > MOST_LINKS) shown.push(item(`and ${numbers.length - MOST_LINKS} more`));
  return list(title, shown);
}

function announce(text) {
  byId("live").textContent = text;
}

function showStatus() {
  const shown = scene.owner.filter((cell) => cell !== null).length;
  const boxes = scene.cells.length;
  byId("status").textContent =
    boxes === nodes.length
      ? `${boxes} nodes`
      : `${boxes} boxes show ${shown} of ${nodes.length} nodes`;
}

// ---- the panel

function showPanel() {
  const { selected } = state;
  byId("panel").hidden = selected === null;
  if (selected === null) return;
  byId("panel").replaceChildren(
    ...(isGroup(selected) ? groupPanel(selected) : nodePanel(nodes[selected])),
  );
}

// what is known of an item, in names and texts
function knownOf(selected) {
  const members = nodesOf(selected).map((number) => nodes[number]);
  const total = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const kept = total(members.flatMap((node) => node.saved.map(([, , bytes]) => bytes)));
  const seconds = total(members.map((node) => node.seconds ?? 0));
  const { type, order, params, source, gradient } = isGroup(selected) ? { params: [] } : members[0];
  return [
    ["Nodes", isGroup(selected) && `${members.length}`],
    ["Type", type],
    ...params,
    ["Memory", bytesText(total(members.map((node) => node.nbytes)))],
    ["Kept", kept && `${bytesText(kept)} for the backward pass`],
    ["Time", seconds && secondsText(seconds)],
    ["Scope", (isGroup(selected) ? pathOf(selected) : members[0].scope).join(" / ")],
    ["Order", order && `derivative of order ${order}`],
    ["Gradient", gradient && `norm ${numberText(norm(gradient))}`],
    ["Source", source && `${source[0]}:${source[1]} in ${source[2]}`],
  ];
}

function nodePanel(node) {
  const { number, source, inputs, saved } = node;
  const taken = inputs.map((input, i) => {
    const name = `${node.arguments[i]}: `;
    return input === null ? item(name, node.constants[i] ?? "constant") : link(input, name);
  });
  const kept = saved.map(([name, from, bytes]) =>
    from === null
      ? item(`${name}: `, small(bytesText(bytes)))
      : link(from, `${name}: `, bytesText(bytes)),
  );
  return [
    element("h2", {}, node.op, small(node.label)),
    outputs.has(number) ? element("p", { class: "badge" }, "output") : "",
    facts(knownOf(number)),
    source ? element("code", {}, source[3]) : "",
    coneButtons(),
    list("Arguments", taken),
    links("Used by", consumers[number]),
    links("In the derivative rule of", node.ruleOf === null ? [] : [node.ruleOf]),
    list("Kept for the backward pass", kept),
    ...summaryParts("Values", node.values),
    ...summaryParts("Gradient", node.gradient),
  ];
}

function groupPanel(group) {
  const counts = new Map();
  for (const { op } of nodesOf(group).map((number) => nodes[number]))
    counts.set(op, (counts.get(op) ?? 0) + 1);
  const byCount = [...counts].sort((a, b) => b[1] - a[1]);
  const isOpen = state.open.has(group);
  return [
    element("h2", {}, labelOf(group).title),
    facts(knownOf(group)),
    button(isOpen ? "Close" : "Open", isOpen, () => toggle(group)),
    coneButtons(),
    list(
      "Operations",
      byCount.map(([op, count]) => item(`${op} ×${count}`)),
    ),
  ];
}

function coneButtons() {
  const choice = (direction, text) =>
    button(text, state.direction === direction, () => changeCone(direction), {
      "data-cone": direction,
    });
  const choices = [
    choice("up", "Upstream"),
    choice("down", "Downstream"),
    choice("none", "Neither"),
  ];
  return element("p", { class: "choice", role: "group", "aria-label": "Pin" }, ...choices);
}

function summaryParts(title, summary) {
  if (!summary) return [];
  const { low, mean, high, deviation, zeros, nans, infinities, counts } = summary;
  const measured = Object.entries({ least: low, mean, greatest: high, deviation })
    .filter(([, x]) => x !== null)
    .map(([name, x]) => [name, numberText(x)]);
  const counted = Object.entries({ zeros, NaN: nans, infinite: infinities });
  const parts = [element("h3", {}, title), facts([...measured, ...counted])];
  if (counts.some((count) => count > 0)) parts.push(histogram(summary));
  if (summary.levels) parts.push(thumbnail(summary));
  return parts;
}

const caption = (...texts) =>
  element("figcaption", {}, ...texts.map((text) => element("span", {}, text)));

function histogram({ counts, low, high }) {
  const label = `Histogram of ${counts.length} bins: ${counts.join(", ")}`;
  const size = `0 0 ${counts.length * 10} 60`;
  const chart = make("svg", {
    viewBox: size,
    class: "histogram",
    role: "img",
    preserveAspectRatio: "none",
    "aria-label": label,
  });
  counts.forEach((count, i) => {
    const height = (58 * count) / Math.max(...counts);
    make("rect", { x: i * 10 + 0.5, y: 60 - height, width: 9, height }, chart);
  });
  return element("figure", {}, chart, caption(numberText(low), numberText(high)));
}

// the array as a picture, one square an entry (or a block of entries)
function thumbnail({ levels, columns, least, greatest }) {
  const bytes = Uint8Array.from(atob(levels), (letter) => letter.charCodeAt(0));
  const rows = bytes.length / columns;
  const label = `Picture of ${rows} by ${columns} entries`;
  const picture = element("canvas", {
    class: "thumbnail",
    role: "img",
    "aria-label": label,
    width: columns,
    height: rows,
  });
  picture.style.width = `min(100%, ${columns * 12}px)`;
  const context = picture.getContext("2d");
  bytes.forEach((level, i) => {
    context.fillStyle = `#${level ? viridis((level - 1) / 254) : BROKEN}`;
    context.fillRect(i % columns, Math.floor(i / columns), 1, 1);
  });
  const texts = [`dark ${numberText(least)}`, `bright ${numberText(greatest)}`];
  if (bytes.includes(0)) texts.push("orange: not finite");
  return element("figure", {}, picture, caption(...texts));
}

// ---- the tip under the pointer

function showTip(over, x, y) {
  const tip = byId("tip");
  tip.hidden = over === null;
  if (over === null) return;
  tip.replaceChildren(element("strong", {}, labelOf(over).title), facts(knownOf(over)));
  tip.style.left = `${Math.min(x + 14, size.w - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(y + 14, size.h - tip.offsetHeight - 8)}px`;
}

// ---- search results

function showFound() {
  const { found, query } = state;
  const shown = found.slice(0, MOST_LINKS).map((number) => {
    const { type, scope } = nodes[number];
    return link(number, "", `${type} ${scope.join(" / ")}`);
  });
  const count = found.length ? `${found.length} found` : "nothing found";
  byId("found").hidden = query.trim() === "";
  byId("found").replaceChildren(...shown, item(small(count)));
  announce(count);
}

// ---- the legend

function showLegend() {
  const key = (colour, text) => {
    const box = element("i");
    box.style.background = colour;
    return element("span", {}, box, text);
  };
  const has = (test) => nodes.some(test);
  let keys = [];
  if (state.colour in SCALES) {
    const { text } = SCALES[state.colour];
    const bar = key(
      `linear-gradient(to right, ${VIRIDIS.map((x) => `#${x}`)})`,
      scaleRange ? text(scaleRange[1]) : "nothing above zero",
    );
    bar.className = "bar";
    keys = [scaleRange ? text(scaleRange[0]) : "", bar];
  } else if (state.colour === "dtype") {
    keys = dtypes.slice(0, OKABE_ITO.length).map((dtype, i) => key(`#${OKABE_ITO[i]}`, cut(dtype)));
  } else if (state.colour === "nan") {
    keys =
      firstBroken === null
        ? ["every recorded value is finite"]
        : [key(`#${BROKEN}`, "first"), key(`#${LATER}`, "later")];
  } else {
    keys = [key(ink.leaf, "leaf"), key(ink.output, "output")];
    if (has((node) => node.order === 1)) keys.push(key(ink.rule, "∇ derivative"));
    if (has((node) => node.order > 1)) keys.push(key(ink.rule2, "∇² of higher order"));
    if (scene.edges.some((edge) => edge.kind === "kept"))
      keys.push(element("span", { class: "kept" }, "kept for backward"));
  }
  byId("legend").replaceChildren(...keys);
}
