// What lies over the 3D view: measured distances and angles; and what the user does with mouse and keys.

const SVG = "http://www.w3.org/2000/svg";

// Rings, lines and texts of `measures`: [{points: [[x, y], ...], radius?, text?}], pixels from the upper left
function drawMeasures(svg, measures) {
  svg.replaceChildren(...measures.flatMap(({points, radius, text}) => {
    const make = (name, attributes) => {
      const element = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      return element;
    };
    if (radius) return [make("circle", {cx: points[0][0], cy: points[0][1], r: radius})];
    const [x, y] = textPlace(points), label = make("text", {x, y});
    label.textContent = text;
    return points.length === 2 ? [make("polyline", {points: points.join(" ")}), label] : [label];
  }));
}

// A distance is named in the middle of its line, an angle beside its vertex, a dihedral beside its axis
function textPlace(points) {
  const between = ([x0, y0], [x1, y1]) => [(x0 + x1) / 2, (y0 + y1) / 2];
  if (points.length === 2) return between(points[0], points[1]);
  if (points.length === 3) return [points[1][0], points[1][1] + 26];
  const [x, y] = between(points[1], points[2]);
  return [x, y - 22];
}

// The picture with the same over it, and the axes: what the browser's canvas knows nothing of
async function drawOver(blob, factor, measures, axes, theme) {
  if (!measures.length && !axes) return blob;
  const picture = await createImageBitmap(blob), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0);
  picture.close();
  pen.scale(factor, factor);
  Object.assign(pen, {lineCap: "round", textAlign: "center", textBaseline: "middle", lineJoin: "round"});
  pen.font = `600 12px ${theme.font}`;
  const write = (text, x, y, color) => {
    Object.assign(pen, {strokeStyle: theme.surface, fillStyle: color, lineWidth: 3});
    pen.strokeText(text, x, y);
    pen.fillText(text, x, y);
  };
  for (const {points, radius, text} of measures) {
    Object.assign(pen, {strokeStyle: theme.accent, lineWidth: 1.6});
    pen.setLineDash(radius ? [] : [5, 4]);
    pen.beginPath();
    if (radius) pen.arc(...points[0], radius, 0, 2 * Math.PI);
    else if (points.length === 2) { pen.moveTo(...points[0]); pen.lineTo(...points[1]); }
    pen.stroke();
    pen.setLineDash([]);
    if (text) write(text, ...textPlace(points), theme.text);
  }
  if (axes) {
    pen.translate(canvas.width / factor - 46, canvas.height / factor - 46);
    for (const line of axes.querySelectorAll("line")) {
      Object.assign(pen, {strokeStyle: line.getAttribute("stroke"), lineWidth: 2.5});
      pen.beginPath();
      pen.moveTo(0, 0);
      pen.lineTo(line.getAttribute("x2"), line.getAttribute("y2"));
      pen.stroke();
    }
    for (const text of axes.querySelectorAll("text"))
      write(text.textContent, text.getAttribute("x"), text.getAttribute("y"), text.getAttribute("fill"));
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function saveAs(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Which of the scene's atoms an atom of NGL's is; representations have views of the structure that was built
function drawnIndex(atom) {
  return atom.index + atom.structure.getStructure().firstDrawn;
}

// Clicks, the name of the atom under a resting mouse, keys, and the player
function handleInput({model, root, stage, parts: {tip}, current, partOf, reset}) {
  const {viewer, viewerControls: camera, mouseObserver: mouse} = stage, canvas = viewer.renderer.domElement;
  const pick = (x, y) => { // canvas pixels from the lower left -> drawn atom, -1 for none
    const hit = current() && stage.pickingControls.pick(x, y), atom = hit?.atom || hit?.closestBondAtom;
    return atom ? drawnIndex(atom) : -1;
  };
  let down = null; // where a press began that may still become a click
  canvas.addEventListener("pointerdown", (event) => { down = event.isPrimary && event.button === 0 ? event : null; });
  canvas.addEventListener("pointermove", (event) => {
    if (down && Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) > 4) down = null;
  });
  canvas.addEventListener("pointerup", (event) => {
    const scene = current(), box = canvas.getBoundingClientRect();
    if (!down || !scene) return;
    down = null;
    root.focus({preventScroll: true}); // keys are for the view from now on
    const index = pick(event.clientX - box.left, box.bottom - event.clientY);
    model.send_msg({type: "click", scene: scene.id, index, shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey});
  });
  for (const type of ["mousemove", "mouseleave"]) canvas.addEventListener(type, () => { tip.hidden = true; });
  mouse.signals.hovered.add((x, y) => {
    const hit = model.hover && !mouse.pressed ? pick(x, y) : -1;
    tip.hidden = hit < 0;
    if (hit < 0) return;
    const {symbols, kinds, positions, parents, images, vectors, centers} = current();
    let text = `${symbols[kinds[hit]]} · atom ${parents[hit]}`;
    if ([0, 1, 2].some((d) => images[3 * hit + d])) text += " · periodic image";
    const center = centers.length ? centers[centers.length > 1 ? partOf(hit) : 0] : hit;
    const away = [0, 1, 2].map((d) => positions[3 * hit + d] - positions[3 * center + d]);
    if (hit !== center) text += ` · ${Math.hypot(...away).toFixed(2)} Å away`;
    const force = vectors && model.arrows ? Math.hypot(...[0, 1, 2].map((d) => vectors[3 * hit + d])) : NaN;
    if (Number.isFinite(force)) text += ` · ${Number(force.toPrecision(3))} eV/Å`;
    tip.textContent = text;
    const [dx, dy] = [x > viewer.width / 2 ? "calc(-100% - 10px)" : "10px", y > viewer.height - 40 ? "35px" : "-10px"];
    Object.assign(tip.style, {left: `${x}px`, bottom: `${y}px`, transform: `translate(${dx}, ${dy})`});
  });

  // A step is asked for only when the last one has been drawn: a slow drawing queues nothing up
  let waiting = 0, timer = 0;
  const drawn = () => { clearTimeout(waiting); waiting = 0; };
  const stepBy = (by) => {
    if (waiting) return;
    waiting = setTimeout(drawn, 1500); // the step may have changed nothing
    model.send_msg({type: "step", by});
  };
  const play = () => {
    clearTimeout(timer);
    if (!model.playing) return;
    if (!document.hidden) stepBy(1);
    timer = setTimeout(play, 1000 / model.speed);
  };
  model.on("playing", play);
  play();

  const turn = Math.PI / 18, [X, Y] = [new NGL.Vector3(1, 0, 0), new NGL.Vector3(0, 1, 0)];
  const closer = () => camera.zoom(0.12), farther = () => camera.zoom(-0.14);
  const escape = () => { if (model.picked.length) model.send_msg({type: "escape"}); else model.measuring = false; };
  const steps = {ArrowLeft: () => stepBy(-1), ArrowRight: () => stepBy(1)};
  const turns = {ArrowLeft: () => camera.spin(Y, -turn), ArrowRight: () => camera.spin(Y, turn),
    ArrowUp: () => camera.spin(X, turn), ArrowDown: () => camera.spin(X, -turn)};
  const keys = {...steps, "+": closer, "=": closer, "-": farther, r: reset, R: reset, Home: reset,
    " ": () => { model.playing = !model.playing; }, Escape: escape};
  const modified = (event) => event.ctrlKey || event.metaKey || event.altKey;
  root.addEventListener("keydown", (event) => {
    const act = (event.shiftKey && turns[event.key]) || keys[event.key];
    if (!act || !current() || modified(event)) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  const onPage = (event) => { // nothing else has the focus
    const free = event.composedPath()[0] === document.body && !event.defaultPrevented && !event.shiftKey;
    if (!model.page_keys || !free || modified(event) || !steps[event.key]) return;
    event.preventDefault();
    steps[event.key]();
  };
  document.addEventListener("keydown", onPage);
  const close = () => {
    document.removeEventListener("keydown", onPage);
    clearTimeout(timer);
    clearTimeout(waiting);
  };
  return {drawn, close};
}
