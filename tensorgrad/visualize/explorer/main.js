// Pointer, keys and controls; then the first picture.

const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const KEYS = new Map([
  ["Enter", ["open or close a scope or a block", () => toggle(state.selected)]],
  ["c", ["close what is around", () => closeAround(state.selected)]],
  ["e", ["open everything", expandAll]],
  ["f", ["fold everything", foldAll]],
  ["u", ["pin what it is computed from", () => changeCone("up")]],
  ["d", ["pin what is computed from it", () => changeCone("down")]],
  ["n", ["pin neither", () => changeCone("none")]],
  ["/", ["search; Enter goes to the next", () => byId("query").focus()]],
  ["0", ["show the whole graph", fit]],
  ["+", ["zoom in", () => zoomAt(size.w / 2, size.h / 2, 1.25)]],
  ["-", ["zoom out", () => zoomAt(size.w / 2, size.h / 2, 0.8)]],
  ["t", ["light or dark", changeTheme]],
  ["?", ["show this help", () => byId("help").showModal()]],
  ["Escape", ["clear", clear]],
]);

function clear() {
  byId("query").value = "";
  search("");
  select(null);
  stage.focus();
}

function expandAll() {
  openAll();
  refresh(state.selected);
  if (state.selected === null) firstView();
}

function foldAll() {
  state.open.clear();
  refresh();
  firstView();
}

function changeCone(direction) {
  pin(direction);
  showPanel();
  draw();
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  readInk();
}

function changeTheme() {
  setTheme(document.documentElement.dataset.theme === "light");
  recolour();
}

function recolour() {
  measureScale();
  showLegend();
  draw();
}

function onKey(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (["INPUT", "SELECT"].includes(target.tagName) && key !== "Escape") return;
  // a focused button takes its own Enter
  if (key === "Enter" && target.tagName === "BUTTON") return;
  if (key in ARROWS) walk(ARROWS[key]);
  else if (KEYS.has(key)) KEYS.get(key)[1]();
  else return;
  event.preventDefault();
}

function walk(direction) {
  const { selected } = state;
  const first = scene.cells.reduce((a, b) => (b.cy < a.cy ? b : a));
  const next = selected === null ? first.item : neighbour(selected, direction);
  if (next === null) return;
  select(next);
  keepInSight(next);
}

// ---- pointer: drag moves, wheel zooms, click selects, a double click opens

function listenToPointer() {
  let drag = null;
  const placeIn = (element, { clientX, clientY }) => {
    const { left, top } = element.getBoundingClientRect();
    return [clientX - left, clientY - top];
  };
  stage.onpointerdown = ({ button, clientX: x, clientY: y }) => {
    if (!button) drag = { x, y, moved: false };
  };
  addEventListener("pointermove", (event) => {
    const { clientX: x, clientY: y, target } = event;
    const at = placeIn(stage, event);
    if (!event.buttons) drag = null; // let go outside of the window
    if (!drag) {
      const over = stage.contains(target) ? itemAt(at) : null;
      showTip(scene.cellOf.has(over) ? over : null, ...at); // an open scope shows itself
      return;
    }
    drag.moved ||= Math.hypot(x - drag.x, y - drag.y) > 4;
    if (!drag.moved) return;
    showTip(null);
    camera.x += x - drag.x;
    camera.y += y - drag.y;
    Object.assign(drag, { x, y });
    draw();
  });
  addEventListener("pointerup", (event) => {
    if (drag) showTip(null);
    if (drag && !drag.moved) select(itemAt(placeIn(stage, event)));
    drag = null;
  });
  stage.ondblclick = (event) => toggle(itemAt(placeIn(stage, event)));
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoomAt(...placeIn(stage, event), Math.exp(-event.deltaY / 400));
    },
    { passive: false },
  );
  minimap.onpointerdown = minimap.onpointermove = (event) => {
    const [x, y] = placeIn(minimap, event);
    if (event.buttons) centre((x - map.left) / map.scale, (y - map.top) / map.scale);
  };
}

// ---- controls

function showControls() {
  const orders = [...new Set(nodes.map((node) => node.order))].sort((a, b) => a - b);
  const names = ["Forward", "∇ Backward"];
  const toggles = orders.map((order) =>
    button(
      names[order] ?? `${derivativeSign(order)}order ${order}`,
      state.orders.has(order),
      () => toggleOrder(order),
      {
        "data-order": order,
      },
    ),
  );
  const saved = button("Kept values", state.saved, toggleSaved, { id: "saved" });
  const keeps = toggles.length > 1 || nodes.some((node) => node.saved.length);
  byId("orders").replaceChildren(...(toggles.length > 1 ? toggles : []), keeps ? saved : "");
}

function toggleOrder(order) {
  if (state.orders.has(order) && state.orders.size === 1) return; // something stays in sight
  if (!state.orders.delete(order)) state.orders.add(order);
  showControls();
  refresh(state.selected);
  if (state.selected === null) firstView();
}

function toggleSaved() {
  state.saved = !state.saved;
  showControls();
  draw();
}

function listenToControls() {
  const colours = byId("colour");
  colours.append(
    ...colourModes().map(([mode, title]) => element("option", { value: mode }, title)),
  );
  colours.onchange = () => {
    state.colour = colours.value;
    recolour();
  };
  const query = byId("query");
  let visited = -1;
  query.oninput = () => {
    visited = -1;
    search(query.value);
  };
  query.onkeydown = ({ key, shiftKey }) => {
    const { found } = state;
    if (key !== "Enter" || !found.length) return;
    visited = (visited + (shiftKey ? -1 : 1) + found.length) % found.length;
    reveal(found[visited]);
  };
  const folders = groups.some((group) => isFolder(group.item));
  for (const [name, key] of Object.entries({
    expand: "e",
    fold: "f",
    fit: "0",
    theme: "t",
    ask: "?",
  })) {
    const [text, action] = KEYS.get(key);
    byId(name).onclick = action;
    byId(name).title = `${text} (${key})`;
  }
  byId("expand").hidden = byId("fold").hidden = !folders;
  const keys = [["arrows", ["walk along edges"]], ...KEYS];
  byId("keys").append(facts(keys.map(([key, [text]]) => [key, text])));
  addEventListener("keydown", onKey);
  new ResizeObserver(() => {
    measureStage();
    draw();
  }).observe(stage);
  preferred.onchange = () => {
    setTheme(preferred.matches);
    recolour();
  };
}

function measureStage() {
  Object.assign(size, { w: stage.clientWidth, h: stage.clientHeight });
}

const preferred = matchMedia("(prefers-color-scheme: dark)");
setTheme(preferred.matches);
measureStage();
openAtFirst();
showControls();
listenToControls();
listenToPointer();
refresh();
firstView();
