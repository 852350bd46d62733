// The nodes of the graph, read from the page.

const byId = (id) => document.getElementById(id);

const payload = JSON.parse(byId("graph").textContent);
const nodes = readNodes(payload);
const outputs = new Set(payload.outputs);
// consumers[i]: the nodes that take node i as an argument
const consumers = readConsumers(nodes);

function readNodes({ columns }) {
  const names = Object.keys(columns);
  const rows = columns.inputs.map((_, number) => ({ number }));
  for (const name of names) {
    const { distinct, index } = columns[name];
    rows.forEach((node, i) => {
      node[name] = distinct ? distinct[index ? index[i] : 0] : columns[name][i];
    });
  }
  for (const node of rows) node.label = node.name ?? `t${node.number}`;
  return rows;
}

function readConsumers(nodes) {
  const consumers = nodes.map(() => []);
  for (const node of nodes) {
    for (const input of new Set(node.inputs))
      if (input !== null) consumers[input].push(node.number);
  }
  return consumers;
}

// every node that one of `starts` is reached from ("up"), or that is reached from them ("down")
function cone(starts, direction) {
  const found = new Set(starts);
  const waiting = [...starts];
  while (waiting.length) {
    const node = waiting.pop();
    for (const next of direction === "up" ? nodes[node].inputs : consumers[node]) {
      if (next === null || found.has(next)) continue;
      found.add(next);
      waiting.push(next);
    }
  }
  return found;
}

const finite = (x) => typeof x === "number" && Number.isFinite(x);

// the Euclidean norm of a summarised array, from its mean and its deviation
function norm(summary) {
  const { mean, deviation, counts } = summary;
  if (!finite(mean) || !finite(deviation)) return null;
  const entries = counts.reduce((a, b) => a + b, 0) || 1;
  return Math.sqrt((mean * mean + deviation * deviation) * entries);
}

const isBroken = (summary) => summary !== null && summary.nans + summary.infinities > 0;

// ---- numbers as people write them

function bytesText(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const size = Number(bytes.toPrecision(3)); // before the unit is chosen: 999,999 is 1 MB
  const unit = Math.min(Math.floor(Math.log10(size) / 3 + 1e-9), 4);
  return `${numberText(size / 1000 ** unit)} ${" kMGT"[unit]}B`;
}

function secondsText(seconds) {
  const [unit, factor] = seconds >= 1 ? ["s", 1] : seconds >= 1e-3 ? ["ms", 1e3] : ["µs", 1e6];
  return `${numberText(seconds * factor)} ${unit}`;
}

function numberText(x) {
  if (!finite(x)) return x === null ? "–" : String(x);
  if (x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6)) return x.toExponential(2);
  return String(Number(x.toPrecision(3)));
}
