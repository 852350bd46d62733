// One tree of groups over the nodes. A group is
//   a scope   that the user named,
//   a run     of the copies of a repeated block: "block ×12",
//   a copy    of a block that is not a scope itself,
//   a unit    of an operation with what its derivative rule computed, side by side,
//   a column  of such a unit: what was computed there of one order.
// An item is a node (its number) or a group (a number from ROOT on).

const ROOT = nodes.length;
// a block that nobody named is worth a fold from so many nodes on
const FEWEST_HIDDEN = 12;
const groups = [];
const parents = []; // of each item

const root = addGroup("root", "");
adopt(null, root.item);
const scopes = new Map([["[]", root]]);
// the operation whose rule computed a node in the end; of an ordinary node, itself
const anchors = findAnchors();
buildTree();
for (const repeat of payload.repeats) foldRepeat(repeat);
measureGroups();

function isGroup(item) {
  return item >= ROOT;
}

function groupOf(item) {
  return groups[item - ROOT];
}

// what the reader may open and close
function isFolder(item) {
  return isGroup(item) && ["scope", "run", "copy"].includes(groupOf(item).kind);
}

function nodesOf(item) {
  return isGroup(item) ? groupOf(item).nodes : [item];
}

function addGroup(kind, name) {
  const group = { item: ROOT + groups.length, kind, name, children: new Set(), nodes: [] };
  groups.push(group);
  return group;
}

function adopt(parent, item) {
  if (parents[item] !== undefined) groupOf(parents[item]).children.delete(item);
  if (parent) parent.children.add(item);
  parents[item] = parent?.item;
  return item;
}

function findAnchors() {
  const anchors = nodes.map((node) => (node.ruleOf === null ? node.number : null));
  // a rule's nodes come after their operation
  for (const node of nodes) anchors[node.number] ??= anchors[node.ruleOf];
  // a seed or a sum of cotangents belongs to the rule that takes it, else to what it is made of
  for (const { number, order, ruleOf, inputs } of nodes.toReversed()) {
    if (order === 0 || ruleOf !== null) continue;
    const near = [...consumers[number], ...inputs].find(
      (other) => nodes[anchors[other]]?.order === 0,
    );
    if (near !== undefined) anchors[number] = anchors[near];
  }
  return anchors;
}

function scopeOf(path) {
  const key = JSON.stringify(path);
  if (!scopes.has(key)) {
    const group = addGroup("scope", path.at(-1));
    adopt(scopeOf(path.slice(0, -1)), group.item);
    scopes.set(key, group);
  }
  return scopes.get(key);
}

// the scope that each node is drawn in: a parameter in that of the one operation that takes it, if
// something computed outside goes into that as well
function findHomes() {
  const fed = new Set(); // scopes that something computed outside goes into; each is one array
  for (const { scope, inputs, order } of nodes) {
    const isOutside = (input) =>
      nodes[input]?.kind === "op" && scope.some((name, i) => nodes[input].scope[i] !== name);
    if (!order && inputs.some(isOutside)) fed.add(scope);
  }
  return nodes.map(({ number, kind, scope }) => {
    const takers = consumers[number].filter((other) => anchors[other] === other);
    const home = nodes[takers[0]]?.scope;
    return kind === "leaf" && takers.length === 1 && fed.has(home) ? home : scope;
  });
}

function buildTree() {
  const homes = findHomes();
  const withRules = new Set(anchors.filter((anchor, number) => anchor !== number));
  const units = new Map(); // of each operation with a rule: the unit, then the columns by order
  for (const { number, order } of nodes) {
    const anchor = anchors[number];
    const scope = scopeOf(homes[anchor]);
    if (!withRules.has(anchor)) {
      adopt(scope, number);
      continue;
    }
    const [unitKey, key] = [`${anchor}`, number === anchor ? `${anchor}` : `${anchor},${order}`];
    if (!units.has(unitKey)) units.set(unitKey, groupOf(adopt(scope, addGroup("unit", "").item)));
    if (!units.has(key))
      units.set(key, groupOf(adopt(units.get(unitKey), addGroup("column", "").item)));
    adopt(units.get(key), number);
  }
}

// put the copies of a block into a group; of nested blocks the outer one comes first
function foldRepeat({ name, scope, copies }) {
  const home = scopeOf(scope);
  // what stands in the home, as a whole: scopes and operations, and leaves from anywhere
  const itemsOf = (copy) => [...new Set(copy.map((number) => childOf(home, number)))];
  const blocks = copies.map(itemsOf);
  const isScope = (item) => isGroup(item) && groupOf(item).kind === "scope";
  if (!blocks[0].some(isScope) && copies.slice(1).flat().length < FEWEST_HIDDEN) return;
  const run = addGroup("run", name);
  adopt(home, run.item);
  for (const [i, items] of blocks.entries()) {
    const rest = items.filter((item) => !isScope(item));
    const [first, ...more] = items.filter(isScope);
    let block = null;
    if (first && !more.length && rest.every((item) => nodes[item]?.kind === "leaf"))
      block = groupOf(first);
    else if (items.length > 1) block = addGroup("copy", `${name} ${i + 1}`);
    if (block) adopt(run, block.item);
    for (const item of items) if (item !== block?.item) adopt(block ?? run, item);
  }
}

function childOf(home, number) {
  let item = number;
  while (parents[item] !== undefined && parents[item] !== home.item) item = parents[item];
  return parents[item] === undefined ? number : item;
}

// the nodes of each group, in creation order
function measureGroups() {
  for (const { number } of nodes) {
    for (let item = parents[number]; item !== undefined; item = parents[item]) {
      groupOf(item).nodes.push(number);
    }
  }
}

function pathOf(item) {
  const names = [];
  for (let at = parents[item]; at !== undefined; at = parents[at]) {
    if (groupOf(at).kind === "scope") names.unshift(groupOf(at).name);
  }
  return names;
}
