// An environment in three dimensions: balls and sticks from back to front on a canvas.

const MOST = 3000; // atoms of a structure that are drawn, the nearest to the centre
const MOST_JOINED = 700; // atoms up to which sticks are looked for
const LEVELS = 8; // of the fading with depth
const FADE = 0.66; // of the farthest atoms into the ground
const INSIDE = 0.8; // of the radius of a ball, where its sticks begin
const TILT = [-0.913542, -0.406744, 0, -0.125702, 0.282318, 0.95105, -0.386833, 0.868824, -0.309038]; // as in the app

function turned(matrix, axis, angle) { // rows of the matrix are the axes of the screen
  const cos = Math.cos(angle), sin = Math.sin(angle), [i, j] = [[1, 2], [2, 0], [0, 1]][axis];
  const made = [...matrix];
  for (let k = 0; k < 3; k++) {
    made[3 * i + k] = cos * matrix[3 * i + k] - sin * matrix[3 * j + k];
    made[3 * j + k] = sin * matrix[3 * i + k] + cos * matrix[3 * j + k];
  }
  return made;
}

function dot(a, b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function unit(a) {
  const length = Math.sqrt(dot(a, a));
  return a.map((value) => value / length);
}

function atomsOf(structure) { // null where the page has none of this one
  const place = PLACE[structure];
  if (place < 0) return null;
  const size = FROM.size[structure], first = FIRST[place], step = FROM.step[place];
  const at = [];
  for (let i = 0; i < size; i++) {
    at.push([0, 1, 2].map((k) => FROM.origin[3 * place + k] + step * POSITIONS[3 * (first + i) + k]));
  }
  const cell = [0, 1, 2].map((k) => Array.from(FROM.cell.slice(9 * place + 3 * k, 9 * place + 3 * k + 3)));
  const periodic = [1, 2, 4].map((bit) => Boolean(FROM.periodic[place] & bit));
  return {at, kinds: KINDS.subarray(first, first + size), cell, periodic};
}

function basisOf({cell, periodic}) { // periodic vectors, and for the other directions unit vectors across them
  const made = cell.map((vector, k) => (periodic[k] && dot(vector, vector) > 1e-12 ? vector : null));
  for (let k = 0; k < 3; k++) {
    if (made[k]) continue;
    const there = made.filter(Boolean);
    if (there.length === 2) made[k] = unit(cross(there[0], there[1]));
    else {
      const along = there.length ? unit(there[0]) : [0, 0, 1];
      made[k] = there.length ? unit(cross(along, Math.abs(along[0]) < 0.7 ? [1, 0, 0] : [0, 1, 0])) : [1, 0, 0];
    }
  }
  return made;
}

function around(structure, centre, cutoff) { // [atom, [x, y, z]] from the centre, itself first, images included
  const {at, periodic} = structure, basis = basisOf(structure);
  const volume = dot(basis[0], cross(basis[1], basis[2]));
  const across = [cross(basis[1], basis[2]), cross(basis[2], basis[0]), cross(basis[0], basis[1])]
    .map((vector) => vector.map((value) => value / volume));
  const cells = across.map((vector) => Math.floor(cutoff * Math.sqrt(dot(vector, vector)) + 0.5));
  const reach = cells.map((count, k) => (periodic[k] ? count : 0));
  const found = [[centre, [0, 0, 0]]];
  at.forEach((place, atom) => {
    const away = place.map((value, k) => value - at[centre][k]);
    const near = across.map((vector, k) => (periodic[k] ? -Math.round(dot(away, vector)) : 0));
    for (let i = -reach[0]; i <= reach[0]; i++) {
      for (let j = -reach[1]; j <= reach[1]; j++) {
        for (let k = -reach[2]; k <= reach[2]; k++) {
          const image = [near[0] + i, near[1] + j, near[2] + k];
          const from = away.map((value, axis) => value + image[0] * basis[0][axis] + image[1] * basis[1][axis] +
            image[2] * basis[2][axis]);
          if (dot(from, from) > cutoff * cutoff || (atom === centre && !image[0] && !image[1] && !image[2])) continue;
          found.push([atom, from]);
        }
      }
    }
  });
  return found;
}

function drawingOf(point, whole) { // what is drawn of a point's environment, or of the whole structure around it
  const structure = atomsOf(STRUCTURE[point]);
  if (!structure) return null;
  const centre = ATOM[point];
  const fromCentre = (place) => place.map((value, k) => value - structure.at[centre][k]);
  let balls = whole ? structure.at.map((place, atom) => [atom, fromCentre(place)])
    : around(structure, centre, DATA.cutoff);
  if (balls.length > MOST) balls = balls.sort((a, b) => dot(a[1], a[1]) - dot(b[1], b[1])).slice(0, MOST);
  const radii = balls.map(([atom]) => DATA.species[structure.kinds[atom]].radius);
  const joined = [];
  for (let i = 0; balls.length <= MOST_JOINED && i < balls.length; i++) {
    for (let j = 0; j < i; j++) {
      const away = balls[i][1].map((value, k) => value - balls[j][1][k]);
      if (dot(away, away) <= (DATA.tolerance * (radii[i] + radii[j])) ** 2) joined.push([i, j]);
    }
  }
  const edges = [];
  let middle = [0, 0, 0];
  if (whole) {
    middle = [0, 1, 2].map((k) => balls.reduce((sum, ball) => sum + ball[1][k], 0) / balls.length);
    if (structure.periodic.some(Boolean) && structure.cell.every((vector) => dot(vector, vector) > 1e-12)) {
      const corner = (bits) => [0, 1, 2].map((axis) => structure.cell.reduce((sum, vector, k) =>
        sum + (bits & (1 << k) ? vector[axis] : 0), -structure.at[centre][axis]));
      for (const bits of [0, 1, 2, 3, 4, 5, 6]) {
        for (const bit of [1, 2, 4]) if (!(bits & bit)) edges.push([corner(bits), corner(bits | bit)]);
      }
      middle = corner(0).map((value, k) => (value + corner(7)[k]) / 2);
    }
  }
  const shift = (place) => place.map((value, k) => value - middle[k]);
  const spread = Math.max(...balls.map(([, place]) => Math.sqrt(dot(shift(place), shift(place)))),
    ...edges.flat().map((place) => Math.sqrt(dot(shift(place), shift(place)))), 1);
  return {
    balls: balls.map(([atom, place], index) => ({atom, place: shift(place), radius: radii[index]})),
    kinds: structure.kinds, joined, edges: edges.map((edge) => edge.map(shift)),
    centre: balls.findIndex(([atom, place]) => atom === centre && dot(place, place) < 1e-9),
    spread: whole ? spread : DATA.cutoff, structure: STRUCTURE[point],
  };
}

function sizeOf(ball) { // Å
  return 0.2 + 0.42 * ball.radius;
}

const sprites = new Map();

function hex(parts) {
  return `#${parts.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
}

function mixed(colour, other, share) {
  const [a, b] = [rgb(colour), rgb(other)];
  return hex(a.map((value, k) => (1 - share) * value + share * b[k]));
}

function spriteOf(colour, level, ground) { // a ball, fading into the ground
  const key = `${colour} ${level} ${ground}`;
  if (!sprites.has(key)) {
    if (sprites.size > 2000) sprites.clear();
    const canvas = element("canvas", {width: 64, height: 64}), context = canvas.getContext("2d");
    const shade = context.createRadialGradient(24, 22, 3, 32, 32, 31), fade = (FADE * level) / LEVELS;
    shade.addColorStop(0, mixed(mixed(colour, "#FFFFFF", 0.62), ground, fade));
    shade.addColorStop(0.45, mixed(colour, ground, fade));
    shade.addColorStop(1, mixed(mixed(colour, "#000000", 0.42), ground, fade));
    context.fillStyle = shade;
    context.beginPath();
    context.arc(32, 32, 31, 0, 7);
    context.fill();
    sprites.set(key, canvas);
  }
  return sprites.get(key);
}

function drawScene(canvas, drawing, {turn = TILT, zoom = 1, colourOf = null, ratio = 1} = {}) {
  const context = canvas.getContext("2d"), {width, height} = canvas;
  context.clearRect(0, 0, width, height);
  if (!drawing) return;
  const ground = the.map.colour("--surface"), stick = the.map.colour("--stick"), halo = the.map.colour("--halo");
  const scale = (zoom * Math.min(width, height)) / (2 * (drawing.spread + 1));
  const seen = (place) => {
    const [x, y, z] = [0, 3, 6].map((row) => dot(turn.slice(row, row + 3), place));
    return [width / 2 + scale * x, height / 2 - scale * y, z];
  };
  const level = (z) => Math.max(0, Math.min(LEVELS, Math.round(LEVELS * (0.5 - z / (2 * drawing.spread)))));
  const line = (from, to, wide, colour) => {
    context.lineWidth = wide;
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0], to[1]);
    context.stroke();
  };
  const sticks = Array.from({length: LEVELS + 1}, (_, step) => mixed(stick, ground, (FADE * step) / LEVELS));
  context.lineCap = "round";
  const places = drawing.balls.map((ball) => seen(ball.place));
  const items = drawing.balls.map((ball, index) => [places[index][2], () => {
    const [left, top, z] = places[index], radius = scale * sizeOf(ball);
    const colour = colourOf ? colourOf(drawing.structure, ball.atom) : DATA.species[drawing.kinds[ball.atom]].colour;
    context.drawImage(spriteOf(colour, level(z), ground), left - radius, top - radius, 2 * radius, 2 * radius);
    if (index !== drawing.centre) return;
    context.lineWidth = Math.max(1.5 * ratio, 0.16 * radius);
    context.strokeStyle = halo;
    context.beginPath();
    context.arc(left, top, radius + context.lineWidth, 0, 7);
    context.stroke();
  }]);
  for (const [i, j] of drawing.joined) {
    const depth = (places[i][2] + places[j][2]) / 2, from = drawing.balls[i], to = drawing.balls[j];
    const along = unit(to.place.map((value, k) => value - from.place[k]));
    const ends = [[from, 1], [to, -1]].map(([ball, sign]) =>
      seen(ball.place.map((value, k) => value + sign * INSIDE * sizeOf(ball) * along[k])));
    items.push([depth - 1e-3, () => line(...ends, 0.16 * scale, sticks[level(depth)])]);
  }
  for (const [from, to] of drawing.edges) {
    const ends = [seen(from), seen(to)];
    items.push([Math.min(ends[0][2], ends[1][2]) - 50, () => line(...ends, ratio, stick)]);
  }
  for (const [, draw] of items.sort((a, b) => a[0] - b[0])) draw();
}

class Scene {
  constructor(canvas) {
    this.canvas = canvas;
    this.drawing = this.colourOf = null;
    this.turn = TILT;
    this.zoom = 1;
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.listen();
  }

  resize() {
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * this.ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * this.ratio);
    this.draw();
  }

  show(drawing) {
    this.drawing = drawing;
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      drawScene(this.canvas, this.drawing, this);
    });
  }

  rotate(right, down) {
    this.turn = turned(turned(this.turn, 1, right), 0, down);
    this.draw();
  }

  grow(factor) {
    this.zoom = Math.max(0.2, Math.min(8, this.zoom * factor));
    this.draw();
  }

  listen() {
    const canvas = this.canvas;
    let last = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = [event.clientX, event.clientY];
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      this.rotate((event.clientX - last[0]) / 120, (event.clientY - last[1]) / 120);
      last = [event.clientX, event.clientY];
    });
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => { last = null; });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.grow(Math.exp(-event.deltaY / (event.deltaMode ? 20 : 400)));
    }, {passive: false});
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
      if (way) this.rotate(0.15 * way[0], 0.15 * way[1]);
      else if (event.key === "+" || event.key === "=") this.grow(STEP);
      else if (event.key === "-") this.grow(1 / STEP);
      else if (event.key === "0" || event.key === "Home") [this.turn, this.zoom] = [TILT, 1];
      else return;
      this.draw();
      event.preventDefault();
    });
  }
}
