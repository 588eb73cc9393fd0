// The map: points on a canvas, what lies over them on another; zoom, move, lasso, keys.

const NEAR = 14; // pixels within which a pointer means a point
const DIM = 0.13; // opacity of what is not selected
const STEP = 1.25; // of a zoom by key or button
const LABELS = 80; // names on the map at most
const ABOVE = 8; // pixels that a name lies above the middle of what it names

const order = shuffled(COUNT); // so that no category hides another

function shuffled(count) {
  const made = Uint32Array.from({length: count}, (_, i) => i);
  let state = 12345;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [made[i], made[j]] = [made[j], made[i]];
  }
  return made;
}

function rgb(colour) {
  const whole = parseInt(colour.slice(1), 16);
  return [whole >> 16, (whole >> 8) & 255, whole & 255];
}

function paintOf(column) {
  const made = new Uint8Array(3 * COUNT);
  const table = (column.kind === "category" ? column.colours : DATA.ramp).map(rgb), grey = rgb(GREY);
  const scale = column.log ? Math.log : (value) => value;
  const low = scale(column.low), width = scale(column.high) - low;
  for (let i = 0; i < COUNT; i++) {
    let colour = grey;
    if (column.kind === "category") colour = table[column.codes[i]];
    else if (Number.isFinite(column.values[i]) && !(column.log && column.values[i] <= 0)) {
      const part = width > 0 ? (scale(column.values[i]) - low) / width : 0.5;
      colour = table[Math.max(0, Math.min(table.length - 1, Math.floor(part * table.length)))];
    }
    made.set(colour, 3 * i);
  }
  return made;
}

class PointMap {
  constructor(box, {onHover, onInspect, onSelect}) {
    this.box = box;
    [this.base, this.over] = box.querySelectorAll("canvas");
    Object.assign(this, {onHover, onInspect, onSelect});
    this.tool = "move";
    this.selected = null; // Uint8Array, or null for none
    this.inspected = this.hovered = -1;
    this.path = [];
    this.names = true;
    this.setColumn(DATA.columns[0]);
    new ResizeObserver(() => this.resize()).observe(box);
    this.listen();
  }

  setColumn(column) {
    this.column = column;
    this.paint = paintOf(column);
    this.order = column.ordered ? order.slice().sort((a, b) => column.codes[a] - column.codes[b]) : order;
    const named = column.kind === "category" && !column.ordered && column.names.length <= LABELS + 1;
    this.anchors = named ? this.findAnchors() : [];
    this.draw();
  }

  // ---- places

  fit() {
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < COUNT; i++) {
      if (Number.isNaN(X[i])) continue;
      left = Math.min(left, X[i]); right = Math.max(right, X[i]);
      low = Math.min(low, Y[i]); high = Math.max(high, Y[i]);
    }
    const width = Math.max(right - left, 1e-6), height = Math.max(high - low, 1e-6);
    this.scale = this.whole = 0.92 * Math.min(this.width / width, this.height / height);
    this.x = (left + right) / 2;
    this.y = (low + high) / 2;
    this.draw();
  }

  resize() {
    const ratio = Math.max(2, window.devicePixelRatio || 1), {clientWidth, clientHeight} = this.box;
    if (!clientWidth || !clientHeight) return;
    const grown = this.width ? Math.min(clientWidth / this.width, clientHeight / this.height) : 0;
    [this.width, this.height, this.ratio] = [clientWidth, clientHeight, ratio];
    for (const canvas of [this.base, this.over]) {
      canvas.width = Math.round(clientWidth * ratio);
      canvas.height = Math.round(clientHeight * ratio);
    }
    if (!grown) return this.fit();
    this.scale *= grown;
    this.whole *= grown;
    this.draw();
  }

  left(point) { return this.width / 2 + (X[point] - this.x) * this.scale; }

  top(point) { return this.height / 2 - (Y[point] - this.y) * this.scale; }

  zoom(factor, left = this.width / 2, top = this.height / 2) {
    const scale = Math.max(0.3 * this.whole, Math.min(2000 * this.whole, this.scale * factor));
    const shift = 1 / this.scale - 1 / scale;
    this.x += (left - this.width / 2) * shift;
    this.y -= (top - this.height / 2) * shift;
    this.scale = scale;
    this.draw();
  }

  move(right, down) {
    this.x -= right / this.scale;
    this.y += down / this.scale;
    this.draw();
  }

  nearest(left, top, within = NEAR * NEAR) {
    let best = -1, least = within;
    for (let i = 0; i < COUNT; i++) {
      const away = (this.left(i) - left) ** 2 + (this.top(i) - top) ** 2;
      if (away < least) [best, least] = [i, away];
    }
    return best;
  }

  towards(right, down) { // the point to go to from the inspected one
    if (this.inspected < 0) return this.nearest(this.width / 2, this.height / 2, Infinity);
    const from = this.left(this.inspected), to = this.top(this.inspected);
    let best = -1, least = Infinity;
    for (let i = 0; i < COUNT; i++) {
      const across = this.left(i) - from, along = this.top(i) - to;
      const ahead = across * right + along * down, aside = Math.abs(across * down) + Math.abs(along * right);
      if (ahead > 3 && ahead >= aside && ahead + 2 * aside < least) [best, least] = [i, ahead + 2 * aside];
    }
    return best;
  }

  findAnchors() { // of each category the point that is nearest to its middle, the largest first
    const {codes, names} = this.column, members = names.map(() => []);
    for (let i = 0; i < COUNT; i++) members[codes[i]].push(i);
    const middle = (values, points) => points.map((i) => values[i]).sort((a, b) => a - b)[points.length >> 1];
    const found = [];
    members.forEach((points, code) => {
      if (!points.length || names[code] === "none") return;
      const x = middle(X, points), y = middle(Y, points);
      let best = points[0];
      for (const i of points) {
        if ((X[i] - x) ** 2 + (Y[i] - y) ** 2 < (X[best] - x) ** 2 + (Y[best] - y) ** 2) best = i;
      }
      found.push({code, point: best, size: points.length});
    });
    return found.sort((a, b) => b.size - a.size);
  }

  // ---- drawing

  draw() {
    if (!this.width || this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.drawPoints();
      this.drawOver();
    });
  }

  radius() {
    const room = Math.sqrt((this.width * this.height) / Math.max(COUNT, 1));
    return Math.max(1.1, Math.min(4, 0.24 * room)) * Math.min(2.2, Math.max(1, (this.scale / this.whole) ** 0.3));
  }

  drawPoints() {
    const context = this.base.getContext("2d"), {width, height} = this.base;
    const picture = context.createImageData(width, height), bytes = picture.data;
    const ground = rgb(this.colour("--surface"));
    new Uint32Array(bytes.buffer).fill((255 << 24) | (ground[2] << 16) | (ground[1] << 8) | ground[0]);
    const radius = this.radius() * this.ratio, reach = Math.ceil(radius);
    const stamp = [];
    for (let j = -reach; j <= reach; j++) {
      for (let i = -reach; i <= reach; i++) {
        const cover = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(i, j)));
        if (cover > 0) stamp.push([i, j, cover]);
      }
    }
    const across = Int32Array.from(stamp, (one) => one[0]), down = Int32Array.from(stamp, (one) => one[1]);
    const cover = Float32Array.from(stamp, (one) => one[2]), {paint, selected, ratio} = this;
    const passes = selected ? [[0, DIM], [1, 0.95]] : [[2, 0.85]];
    for (const [wanted, opacity] of passes) {
      for (let number = 0; number < COUNT; number++) { // plain loops: this runs for each step of a zoom
        const point = this.order[number];
        if (wanted !== 2 && selected[point] !== wanted) continue;
        const left = Math.round(this.left(point) * ratio), top = Math.round(this.top(point) * ratio);
        if (!(left > -reach && left < width + reach && top > -reach && top < height + reach)) continue;
        const red = paint[3 * point], green = paint[3 * point + 1], blue = paint[3 * point + 2];
        for (let k = 0; k < cover.length; k++) {
          const column = left + across[k], row = top + down[k];
          if (column < 0 || column >= width || row < 0 || row >= height) continue;
          const place = 4 * (row * width + column), share = cover[k] * opacity;
          bytes[place] += (red - bytes[place]) * share;
          bytes[place + 1] += (green - bytes[place + 1]) * share;
          bytes[place + 2] += (blue - bytes[place + 2]) * share;
        }
      }
    }
    context.putImageData(picture, 0, 0);
  }

  drawOver() {
    if (!this.width) return;
    const context = this.over.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    if (this.names) this.drawNames(context);
    for (const [point, size] of [[this.hovered, 3], [this.inspected, 5]]) {
      if (point < 0) continue;
      context.beginPath();
      context.arc(this.left(point), this.top(point), this.radius() + size, 0, 7);
      context.lineWidth = 4;
      context.strokeStyle = this.colour("--surface");
      context.stroke();
      context.lineWidth = 2;
      context.strokeStyle = this.colour(point === this.inspected ? "--halo" : "--text");
      context.stroke();
    }
    if (this.path.length > 1) {
      context.beginPath();
      this.path.forEach(([left, top]) => context.lineTo(left, top));
      context.closePath();
      context.globalAlpha = 0.12;
      context.fillStyle = this.colour("--accent");
      context.fill();
      context.globalAlpha = 1;
      context.lineWidth = 1.5;
      context.strokeStyle = this.colour("--accent");
      context.stroke();
    }
  }

  drawNames(context) {
    const taken = [];
    context.font = "600 11.5px 'Helvetica Neue', Helvetica, Arial, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const {code, point} of this.anchors) {
      let text = this.column.names[code];
      if (text.length > 26) text = `${text.slice(0, 25)}…`;
      const half = context.measureText(text).width / 2 + 2;
      const left = Math.max(half, Math.min(this.width - half, this.left(point)));
      const top = this.top(point) - this.radius() - ABOVE;
      const room = [left - half, top - 8, left + half, top + 8];
      if (top < 8 || top > this.height - 8 || this.left(point) < 0 || this.left(point) > this.width) continue;
      if (taken.some((other) => room[0] < other[2] && room[2] > other[0] && room[1] < other[3] && room[3] > other[1])) {
        continue;
      }
      taken.push(room);
      context.globalAlpha = this.selected && !this.selected[point] ? 0.35 : 1;
      context.lineWidth = 4;
      context.strokeStyle = this.colour("--surface");
      context.strokeText(text, left, top);
      context.fillStyle = this.colour("--text");
      context.fillText(text, left, top);
    }
    context.globalAlpha = 1;
  }

  colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  picture(take) {
    const both = element("canvas", {width: this.base.width, height: this.base.height});
    for (const canvas of [this.base, this.over]) both.getContext("2d").drawImage(canvas, 0, 0);
    both.toBlob(take, "image/png");
  }

  // ---- what is done to it

  inspect(point) {
    this.inspected = point;
    this.drawOver();
  }

  select(mask) {
    this.selected = mask;
    this.draw();
  }

  within(path) {
    const inside = new Uint8Array(COUNT);
    for (let i = 0; i < COUNT; i++) {
      const left = this.left(i), top = this.top(i);
      let odd = false;
      for (let j = 0, k = path.length - 1; j < path.length; k = j++) {
        const [a, b] = path[j], [c, d] = path[k];
        if (b > top !== d > top && left < ((c - a) * (top - b)) / (d - b) + a) odd = !odd;
      }
      inside[i] = odd ? 1 : 0;
    }
    return inside;
  }

  listen() {
    const canvas = this.over;
    let last = null, moved = 0;
    const fingers = new Map(); // of two the distance zooms
    const at = (event) => {
      const {left, top} = canvas.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, at(event));
      last = fingers.size === 1 ? at(event) : null;
      moved = 0;
      this.path = last && this.tool === "lasso" ? [last] : [];
    });
    canvas.addEventListener("pointermove", (event) => {
      const place = at(event);
      if (fingers.size === 2 && fingers.has(event.pointerId)) {
        const apart = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
        const before = apart();
        fingers.set(event.pointerId, place);
        const [a, b] = [...fingers.values()];
        this.zoom(apart() / Math.max(before, 1), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
        return;
      }
      if (last) {
        moved += Math.hypot(place[0] - last[0], place[1] - last[1]);
        if (this.tool === "lasso") {
          this.path.push(place);
          this.drawOver();
        } else if (moved > 3) this.move(place[0] - last[0], place[1] - last[1]);
        last = place;
        return;
      }
      const point = this.nearest(...place);
      if (point !== this.hovered) {
        this.hovered = point;
        this.drawOver();
      }
      this.onHover(point, place);
    });
    const end = (event) => {
      fingers.delete(event.pointerId);
      if (!last) return;
      const path = this.path, place = at(event);
      last = null;
      this.path = [];
      if (moved <= 3) this.onInspect(this.nearest(...place));
      else if (path.length > 2) this.onSelect(this.within(path), event);
      this.drawOver();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", (event) => {
      fingers.delete(event.pointerId);
      last = null;
      this.path = [];
      this.drawOver();
    });
    canvas.addEventListener("pointerleave", () => {
      this.hovered = -1;
      this.onHover(-1);
      this.drawOver();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / (event.deltaMode ? 20 : 400)), ...at(event));
    }, {passive: false});
    canvas.addEventListener("dblclick", () => this.fit());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (way && event.shiftKey) this.move(-60 * way[0], -60 * way[1]);
    else if (way) {
      const point = this.towards(...way);
      if (point >= 0) this.onInspect(point);
    } else if (event.key === "+" || event.key === "=") this.zoom(STEP);
    else if (event.key === "-") this.zoom(1 / STEP);
    else if (event.key === "0" || event.key === "Home") this.fit();
    else return;
    event.preventDefault();
  }
}
