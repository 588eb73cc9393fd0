// What the page holds: numbers unpacked, and what is said of a point.

const DATA = JSON.parse(document.getElementById("data").textContent);
const TYPES = {u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array};
const NO_NUMBER = 65535;
const GREY = "#B0B5BA"; // what has no value

function unpack(stored) {
  const text = atob(stored.base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  stored.base64 = "";
  return new TYPES[stored.type](bytes.buffer);
}

function numbers(stored) {
  const {low, step} = stored;
  return Float64Array.from(unpack(stored), (whole) => (whole === NO_NUMBER ? NaN : low + step * whole));
}

const COUNT = DATA.count;
const X = numbers(DATA.x), Y = numbers(DATA.y);
const STRUCTURE = unpack(DATA.structure), ATOM = unpack(DATA.atom);
for (const column of DATA.columns) {
  if (column.kind === "category") column.codes = unpack(column.codes);
  else {
    column.step = column.values.step;
    column.values = numbers(column.values);
  }
}
const FROM = DATA.structures;
for (const name of Object.keys(FROM)) FROM[name] = unpack(FROM[name]);
const POSITIONS = unpack(DATA.positions), KINDS = unpack(DATA.kinds);
const PLACE = new Int32Array(FROM.number.length).fill(-1); // of each structure among those whose atoms are there
const FIRST = []; // atom of each of these
for (let i = 0, atoms = 0; i < PLACE.length; i++) {
  if (!FROM.held[i]) continue;
  PLACE[i] = FIRST.length;
  FIRST.push(atoms);
  atoms += FROM.size[i];
}

function said(value, step = 0) {
  if (!Number.isFinite(value)) return "–";
  const digits = step > 0 ? Math.min(4, Math.max(0, Math.ceil(-Math.log10(step)))) : 4;
  const text = Math.abs(value) >= 1e5 ? value.toExponential(3) : value.toFixed(digits);
  return text.includes("e") || !text.includes(".") ? text : text.replace(/\.?0+$/, "");
}

function counted(number) {
  return number.toLocaleString("en");
}

function valueOf(column, point) {
  if (column.kind === "category") return column.names[column.codes[point]];
  const text = said(column.values[point], column.step);
  return column.unit && text !== "–" ? `${text} ${column.unit}` : text;
}

function placeOf(point) {
  const structure = STRUCTURE[point];
  return [DATA.files[FROM.file[structure]], FROM.frame[structure], ATOM[point]];
}

function factsOf(point) {
  const [file, frame, atom] = placeOf(point);
  const size = FROM.size[STRUCTURE[point]];
  return [
    ...DATA.columns.map((column) => [column.title, valueOf(column, point)]),
    ["Where", `${file}, frame ${frame}, atom ${atom} of ${size}`],
  ];
}

function element(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // texts become text
  return made;
}
