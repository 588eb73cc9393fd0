// What is clicked, chosen and typed, and what follows from it.

const find = (id) => document.getElementById(id);
const the = {map: null, scene: null, watcher: null, column: DATA.columns[0], inspected: -1, rows: new Map()};
const LISTED = 14; // entries of the legend before "more"
const clusterColumn = DATA.columns[0];

// ---- the selection

function select(mask, event = {}) { // with Shift what is there grows, with Ctrl or Alt it shrinks
  const old = the.map.selected, given = mask, less = event.ctrlKey || event.metaKey || event.altKey;
  if (given && old && event.shiftKey) mask = given.map((value, i) => value | old[i]);
  else if (given && old && less) mask = old.map((value, i) => value & ~given[i]);
  the.map.select(mask && mask.some(Boolean) ? mask : null);
  showSelection();
}

function categoryMask(column, code) {
  return Uint8Array.from(column.codes, (value) => (value === code ? 1 : 0));
}

function toggleCategory(column, code, event) {
  const old = the.map.selected, mask = categoryMask(column, code);
  const alone = old && !event.shiftKey && old.every((value, i) => value === mask[i]);
  select(alone ? null : mask, event);
}

function showSelection() {
  const mask = the.map.selected;
  const count = mask ? mask.reduce((sum, value) => sum + value, 0) : 0;
  find("count").textContent = mask ? `${counted(count)} of ${counted(COUNT)} points selected` :
    `${counted(COUNT)} points. Select with the lasso, in the legend, or in the table.`;
  for (const id of ["clear", "list"]) find(id).disabled = !mask;
  const inside = clusterColumn.names.map(() => 0), all = clusterColumn.names.map(() => 0);
  for (let i = 0; mask && i < COUNT; i++) {
    all[clusterColumn.codes[i]]++;
    inside[clusterColumn.codes[i]] += mask[i];
  }
  for (const [code, row] of the.rows) {
    const whole = Boolean(mask) && all[code] > 0 && inside[code] === all[code];
    row.classList.toggle("picked", whole);
    row.querySelector("button").setAttribute("aria-pressed", whole);
  }
  showLegend();
}

// ---- colours

function showLegend() {
  const {column} = the, box = find("legend"), focused = document.activeElement?.dataset?.code;
  box.replaceChildren(element("b", {}, column.unit ? `${column.title} / ${column.unit}` : column.title));
  if (column.kind === "number") {
    const bar = element("canvas", {width: 1, height: DATA.ramp.length, class: "ramp", "aria-hidden": "true"});
    DATA.ramp.forEach((colour, row) => {
      const context = bar.getContext("2d");
      context.fillStyle = colour;
      context.fillRect(0, DATA.ramp.length - 1 - row, 1, 1);
    });
    const middle = column.log ? Math.sqrt(column.low * column.high) : (column.low + column.high) / 2;
    const ends = element("div", {class: "ends"}, ...[column.high, middle, column.low].map((value) =>
      element("span", {}, String(Number(value.toPrecision(3))))));
    box.append(element("div", {class: "scale"}, bar, ends));
    const missing = column.log ? "Logarithmic; grey: no value, or none above 0" : "Grey: no value";
    box.append(element("small", {}, missing));
    return;
  }
  const mask = the.map.selected;
  const there = column.names.map((name, code) => ({name, code, size: column.counts[code]})).filter((one) => one.size);
  if (!column.ordered) there.sort((a, b) => (a.code === 0) - (b.code === 0) || b.size - a.size);
  const most = find("legend").dataset.all ? there.length : LISTED;
  for (const {name, code, size} of there.slice(0, most)) {
    const swatch = element("i", {class: "swatch"});
    swatch.style.background = column.colours[code];
    const picked = Boolean(mask) && mask.every((value, i) => value === (column.codes[i] === code ? 1 : 0));
    const marks = {class: "entry", title: `Select ${name}`, "aria-pressed": picked, "data-code": code};
    const button = element("button", marks, swatch, element("span", {}, name), element("em", {}, counted(size)));
    button.addEventListener("click", (event) => toggleCategory(column, code, event));
    box.append(button);
  }
  if (there.length > LISTED) {
    const more = element("button", {class: "entry more"}, most === LISTED ? `${there.length - LISTED} more` : "Fewer");
    more.addEventListener("click", () => {
      if (most === LISTED) box.dataset.all = "yes";
      else delete box.dataset.all;
      showLegend();
    });
    box.append(more);
  }
  if (focused) box.querySelector(`[data-code="${focused}"]`)?.focus();
}

function colourBy(column) {
  the.column = column;
  delete find("legend").dataset.all;
  the.map.setColumn(column);
  showLegend();
  showScene();
}

// ---- one environment

function inspect(point) {
  the.inspected = point;
  the.map.inspect(point);
  const facts = find("facts");
  facts.replaceChildren();
  for (const [name, text] of point >= 0 ? factsOf(point) : []) {
    facts.append(element("dt", {}, name), element("dd", {}, text));
  }
  find("hint").hidden = point >= 0;
  showScene();
}

function showScene() {
  const point = the.inspected, drawing = point < 0 ? null : drawingOf(point, find("structure").checked);
  find("absent").hidden = point < 0 || Boolean(drawing);
  the.scene.colourOf = find("atoms").value === "map" ? colourOfAtom() : null;
  the.scene.show(drawing);
  find("elements").replaceChildren(...(drawing && !the.scene.colourOf ? elementLegend(drawing) : []));
}

function elementLegend(drawing) {
  const there = new Set(drawing.balls.map((ball) => drawing.kinds[ball.atom]));
  return [...there].sort((a, b) => a - b).map((kind) => {
    const swatch = element("i", {class: "swatch"});
    swatch.style.background = DATA.species[kind].colour;
    return element("span", {}, swatch, DATA.species[kind].symbol);
  });
}

function colourOfAtom() { // of an atom in the colour of its point, where it is drawn
  const places = new Map();
  const paint = the.map.paint;
  const wanted = the.inspected < 0 ? -1 : STRUCTURE[the.inspected];
  for (let i = 0; i < COUNT; i++) if (STRUCTURE[i] === wanted) places.set(ATOM[i], i);
  return (structure, atom) => {
    const point = places.get(atom);
    if (point === undefined) return GREY;
    return hex([...paint.subarray(3 * point, 3 * point + 3)]);
  };
}

function step(by) { // to the next point of the selection, or of all
  const mask = the.map.selected;
  let point = the.inspected;
  for (let tried = 0; tried < COUNT; tried++) {
    point = point < 0 ? (by > 0 ? 0 : COUNT - 1) : (point + by + COUNT) % COUNT;
    if (!mask || mask[point]) return inspect(point);
  }
}

function showTip(point, place) {
  const tip = find("tip");
  tip.hidden = point < 0;
  if (point < 0) return;
  const line = ([name, text]) => element("div", {}, element("span", {}, name), ` ${text}`);
  tip.replaceChildren(...factsOf(point).map(line));
  const {width, height} = the.map;
  tip.style.left = `${Math.max(4, Math.min(place[0] + 14, width - tip.offsetWidth - 4))}px`;
  const below = place[1] + 16;
  tip.style.top = `${Math.max(4, below + tip.offsetHeight > height ? place[1] - tip.offsetHeight - 10 : below)}px`;
}

// ---- files

function save(content, name) {
  const link = element("a", {href: URL.createObjectURL(content), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function listOfSelection() {
  const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;
  const lines = [["file", "frame", "atom", ...DATA.columns.map((column) => column.name)].map(quoted).join(",")];
  for (let i = 0; i < COUNT; i++) {
    if (!the.map.selected?.[i]) continue;
    const values = DATA.columns.map((column) => (column.kind === "category" ? column.names[column.codes[i]] :
      Number.isFinite(column.values[i]) ? column.values[i].toPrecision(6) : ""));
    lines.push([...placeOf(i), ...values].map(quoted).join(","));
  }
  return lines.join("\r\n");
}

// ---- the page

function choose(tool) {
  the.map.tool = tool;
  for (const one of ["move", "lasso"]) find(one).setAttribute("aria-pressed", one === tool);
  find("map").classList.toggle("lasso", tool === "lasso");
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  find("theme").textContent = dark ? "Light" : "Dark";
  the.map.draw();
  the.scene.draw();
  drawThumbs();
}

function isDark() {
  const {theme} = document.documentElement.dataset;
  return theme ? theme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
}

function drawThumb(canvas) {
  const ratio = Math.max(2, window.devicePixelRatio || 1), point = DATA.clusters[Number(canvas.dataset.cluster)];
  if (point < 0) return;
  canvas.width = canvas.height = 64 * ratio;
  drawScene(canvas, drawingOf(point, false), {ratio});
}

function drawThumbs() { // each when it comes into sight
  the.watcher?.disconnect();
  the.watcher = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      if (!isIntersecting) continue;
      the.watcher.unobserve(target);
      drawThumb(target);
    }
  });
  for (const canvas of document.querySelectorAll("canvas.thumb")) the.watcher.observe(canvas);
}

function begin() {
  the.map = new PointMap(find("map"), {onHover: showTip, onInspect: inspect, onSelect: select});
  the.scene = new Scene(find("scene"));
  const colour = find("colour");
  DATA.columns.forEach((column, index) => colour.append(element("option", {value: index}, column.title)));
  colour.addEventListener("change", () => colourBy(DATA.columns[Number(colour.value)]));
  for (const tool of ["move", "lasso"]) find(tool).addEventListener("click", () => choose(tool));
  find("closer").addEventListener("click", () => the.map.zoom(STEP));
  find("farther").addEventListener("click", () => the.map.zoom(1 / STEP));
  find("fit").addEventListener("click", () => the.map.fit());
  find("names").addEventListener("change", (event) => { the.map.names = event.target.checked; the.map.drawOver(); });
  find("picture").addEventListener("click", () => the.map.picture((content) => save(content, "map.png")));
  find("clear").addEventListener("click", () => select(null));
  const list = () => new Blob([listOfSelection()], {type: "text/csv"});
  find("list").addEventListener("click", () => save(list(), "selection.csv"));
  find("previous").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  find("structure").addEventListener("change", showScene);
  find("atoms").addEventListener("change", showScene);
  find("theme").addEventListener("click", () => setTheme(!isDark()));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => setTheme(event.matches));
  for (const row of document.querySelectorAll("tr[data-cluster]")) {
    const cluster = Number(row.dataset.cluster), none = cluster === clusterColumn.names.length - 1;
    const code = none ? 0 : cluster + 1;
    the.rows.set(code, row);
    row.querySelector("button").addEventListener("click", (event) => toggleCategory(clusterColumn, code, event));
    row.querySelector("canvas")?.addEventListener("click", () => inspect(DATA.clusters[cluster]));
  }
  for (const button of document.querySelectorAll("button[data-point]")) {
    button.addEventListener("click", () => inspect(Number(button.dataset.point)));
  }
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("select, input") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") select(null);
    else if (event.key === "n") step(1);
    else if (event.key === "p") step(-1);
    else if (event.key === "l") choose(the.map.tool === "lasso" ? "move" : "lasso");
  });
  find("theme").textContent = isDark() ? "Light" : "Dark";
  choose("move");
  showSelection();
  inspect(DATA.clusters.find((point) => point >= 0) ?? (COUNT ? 0 : -1));
  drawThumbs();
  document.documentElement.dataset.ready = "yes";
}

begin();
