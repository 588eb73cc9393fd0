// The 3D view of one structure, drawn by NGL.  structure_viewer.py joins this file with structure_viewer_frame.js,
// which calls openStage(), and with the library, which loadNGL() starts.
let NGL; // set when the first view opens: running the library takes a second, which the page need not wait for
const MOUSE = {wheel: "_onMousewheel", mousemove: "_onMousemove", mousedown: "_onMousedown", mouseup: "_onMouseup",
  contextmenu: "_onContextmenu", touchstart: "_onTouchstart", touchend: "_onTouchend", touchmove: "_onTouchmove"};
const CELL = [0.56, 0.6, 0.65];
const STICK = 0xb4bac4; // mixed into the colours of sticks, which step back behind the balls
const HALO = [1, 0.72, 0.05];
const TILT = [-0.1682, 0.7913, 0.5749, 0.1222]; // quaternion: z up, seen from a little above and aside

// NGL listens on `document` and compares event.target with its canvas, but inside Bokeh's shadow roots the target
// that `document` sees is the outermost host.  On the canvas itself the target is right, and pointer capture brings
// the rest of a drag that leaves the canvas.
function listenOnCanvas(stage) {
  const mouse = stage.mouseObserver, canvas = mouse.domElement;
  mouse.dispose();
  mouse._listen();
  for (const [type, handler] of Object.entries(MOUSE)) canvas.addEventListener(type, mouse[handler], {passive: false});
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("mouseleave", () => { mouse.overElement = false; });
  stage.pickingBehavior.dispose(); // clicks and hovering are handled below
  stage.mouseControls.clear();
  const {zoomScroll, rotateDrag, panDrag, zoomDrag} = NGL.MouseActions;
  for (const [trigger, action] of [["scroll", zoomScroll], ["drag-left", rotateDrag], ["drag-right", panDrag],
    ["drag-ctrl-left", panDrag], ["drag-shift-left", panDrag], ["drag-middle", zoomDrag]])
    stage.mouseControls.add(trigger, action);
  stage.keyControls.disabled = true;
}

// One part of a scene, straight from typed arrays: no text format in between that would round positions or turn the
// cell.
function buildStructure(scene, start, end) {
  const n = end - start, structure = new NGL.Structure("structure");
  const {atomStore, residueStore, chainStore, modelStore, bondStore} = structure;
  const types = scene.symbols.map((symbol) => {
    const id = structure.atomMap.add(symbol, symbol);
    return [id, structure.residueMap.add("MOL", [id], true)];
  });
  const bonds = [];
  for (let k = 0; k < scene.bonds.length; k += 2)
    if (scene.bonds[k] >= start && scene.bonds[k] < end) bonds.push(scene.bonds[k] - start, scene.bonds[k + 1] - start);
  for (const [store, count] of [[atomStore, n], [residueStore, n], [chainStore, 1], [modelStore, 1],
    [bondStore, bonds.length / 2]]) { store.resize(count); store.count = count; }
  for (let i = 0, from = start; i < n; i++, from++) {
    [atomStore.atomTypeId[i], residueStore.residueTypeId[i]] = types[scene.kinds[from]];
    atomStore.x[i] = scene.positions[3 * from]; // Bokeh's arrays have no working subarray()
    atomStore.y[i] = scene.positions[3 * from + 1];
    atomStore.z[i] = scene.positions[3 * from + 2];
    atomStore.bfactor[i] = scene.balls[from]; // the one number an atom that NGL takes radii from
    atomStore.residueIndex[i] = residueStore.atomOffset[i] = i;
    atomStore.serial[i] = residueStore.resno[i] = i + 1;
    atomStore.occupancy[i] = residueStore.atomCount[i] = 1;
  }
  chainStore.setChainname(0, "A");
  chainStore.setChainid(0, "A");
  chainStore.residueCount[0] = n;
  modelStore.chainCount[0] = 1;
  structure.finalizeAtoms();
  for (let k = 0; k < bondStore.count; k++) {
    bondStore.atomIndex1[k] = bonds[2 * k];
    bondStore.atomIndex2[k] = bonds[2 * k + 1];
    bondStore.bondOrder[k] = 1;
  }
  structure.finalizeBonds();
  structure.firstDrawn = start;
  return structure;
}

const triple = (array, i) => [array[3 * i], array[3 * i + 1], array[3 * i + 2]];

function cellCorners(cell, repeats) { // corner k is the sum of the repeated cell vectors whose bits k has
  return [0, 1, 2, 3, 4, 5, 6, 7].map((k) =>
    [0, 1, 2].map((d) => [0, 1, 2].reduce((sum, v) => sum + ((k >> v) & 1) * repeats[v] * cell[3 * v + d], 0)));
}

function buildCell(cell, repeats) {
  const shape = new NGL.Shape("cell");
  const at = (steps) => [0, 1, 2].map((d) => steps.reduce((sum, many, v) => sum + many * cell[3 * v + d], 0));
  for (const [along, u, v] of [[0, 1, 2], [1, 0, 2], [2, 0, 1]])
    for (let i = 0; i <= repeats[u]; i++) for (let j = 0; j <= repeats[v]; j++) {
      const from = [0, 0, 0], to = [0, 0, 0];
      from[u] = to[u] = i;
      from[v] = to[v] = j;
      to[along] = repeats[along];
      shape.addWideline(at(from), at(to), CELL, 1.6, "cell");
    }
  return shape;
}

// Arrows from the surface of the balls on; null where there is none to draw
function buildArrows(scene, indices, radius, scale, longest, colors) {
  const shape = new NGL.Shape("arrows", {aspectRatio: 2, radialSegments: indices.length > 500 ? 8 : 24});
  let count = 0, cut = 0;
  for (const i of indices) {
    const vector = triple(scene.vectors, i), size = Math.hypot(...vector);
    if (!(scale * size > 0.02)) continue; // NaN too
    const length = Math.min(scale * size, longest), place = triple(scene.positions, i);
    const [from, to] = [radius(i), radius(i) + length].map((far) => place.map((x, d) => x + (far * vector[d]) / size));
    const beyond = length < scale * size;
    shape.addArrow(from, to, colors[beyond ? 1 : 0], Math.min(0.17, 0.07 + 0.1 * length), "force");
    count += 1;
    cut += beyond ? 1 : 0;
  }
  return {shape: count ? shape : null, cut};
}

function paler(color) {
  const channel = (bits) => (((color >> bits) & 255) + ((STICK >> bits) & 255)) >> 1;
  return (channel(16) << 16) | (channel(8) << 8) | channel(0);
}

// The sphere to keep in view, however it is turned: the chosen environment's, or all atoms' and the cells'.
function extent({positions, cell, repeats, centers, near, around}) {
  const points = cell && !around ? [...positions, ...cellCorners(cell, repeats).flat()] : positions;
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i++) {
    low[i % 3] = Math.min(low[i % 3], points[i]);
    high[i % 3] = Math.max(high[i % 3], points[i]);
  }
  const chosen = around || centers.length > 1;
  const middle = low.map((x, d) => (chosen ? positions[3 * centers[0] + d] : (x + high[d]) / 2));
  const away = (i) => Math.hypot(...middle.map((x, d) => points[3 * i + d] - x));
  let whole = 1;
  for (let i = 0; i < points.length / 3; i++) whole = Math.max(whole, away(i) + 1);
  const radius = around ? near.reduce((far, i) => Math.max(far, away(i) + 1.3), 2) : (chosen ? 1 : 0.88) * whole;
  return {middle: new NGL.Vector3(...middle), whole, radius};
}

// Small arrows along the cell's vectors, or along x, y and z
function drawAxes(axes, cell, toView) {
  const [lines, texts] = [axes.querySelectorAll("line"), axes.querySelectorAll("text")];
  for (let k = 0; k < 3; k++) {
    const v = toView(new NGL.Vector3(...triple(cell ?? [1, 0, 0, 0, 1, 0, 0, 0, 1], k)).normalize());
    texts[k].textContent = (cell ? "abc" : "xyz")[k];
    for (const [part, suffix, length] of [[lines[k], "2", 22], [texts[k], "", 31]]) {
      part.setAttribute("x" + suffix, length * v.x);
      part.setAttribute("y" + suffix, -length * v.y);
      part.setAttribute("opacity", v.z < -0.1 ? 0.65 : 1); // points away from the eye
    }
  }
}

// Put a stage into the frame and keep it up to date with the model, until that is removed
function openStage({model, root, parts, theme, background, say, webgl}) {
  NGL ??= loadNGL();
  const {stage: host, markers, tip, axes, note} = parts;
  const stage = new NGL.Stage(host, {tooltip: false, cameraType: "orthographic", workerDefault: false, quality: "high",
    clipScale: "absolute", clipDist: 0, hoverTimeout: 60, lightIntensity: 1, ambientIntensity: 0.5, zoomSpeed: 1.5});
  const {viewer, viewerControls: camera} = stage, canvas = viewer.renderer.domElement;
  let paper = null; // background and theme of a picture, in place of the view's
  const configure = (parameters) => {
    stage.setParameters({backgroundColor: paper?.background ?? background(), ...parameters});
    const plain = viewer.parameters.fogColor.convertLinearToSRGB(); // NGL paints both of these without conversion
    viewer.renderer.setClearColor(plain, 0);
  };
  configure({sampleLevel: webgl === "software" ? -1 : 0});
  stage.log = () => {};
  listenOnCanvas(stage);
  camera.rotate(TILT);

  let scene = null, cell = null, sized = false, fitted = false, capturing = false, fresh = false, frame = 0;
  let groups = []; // of each part: its structure and its arrows
  const pending = new Set();
  const scheme = (shade) => NGL.ColormakerRegistry.addScheme(function () {
    this.atomColor = (atom) => shade(scene.colors[drawnIndex(atom)]);
  });
  const ballColor = scheme((color) => color), stickColor = scheme(paler);
  const style = () => (scene.spacefill && model.representation !== "dots" ? "spacefill" : model.representation);
  const radiusOf = (i) => ({spacefill: scene.radii[i], licorice: 0.2, dots: 0.25})[style()] ?? scene.balls[i];

  // Where a drawn atom is: parts that are to be compared lie apart along the screen, however they are turned
  function offset(part) {
    const along = (part - (groups.length - 1) / 2) * scene.apart;
    const back = camera.rotation.clone().invert();
    return new NGL.Vector3(along, 0, 0).applyQuaternion(viewer.camera.quaternion).applyQuaternion(back);
  }
  const partOf = (i) => (i >= scene.starts[1] ? 1 : 0);
  function placeOf(i) {
    const place = new NGL.Vector3(...triple(scene.positions, i));
    return scene.apart ? place.add(offset(partOf(i))) : place;
  }
  function moveApart() {
    if (scene?.apart) groups.forEach((group, part) => {
      for (const component of [group.drawn, group.arrows]) component?.setPosition(offset(part));
    });
  }
  camera.signals.changed.add(moveApart);

  function addLayer(drawn, sele, opacity = 1) {
    const look = {sele, opacity, roughness: 0.55}, how = opacity === 1 || style() !== "spacefill" ? style() : "ball+stick";
    const ball = {"ball+stick": {radiusType: "bfactor"}, spacefill: {radiusType: "covalent"},
      licorice: {radiusType: "size", radiusSize: 0.2}, dots: {radiusType: "size", radiusSize: 0.25}}[how];
    const layers = [drawn.addRepresentation("spacefill", {...look, color: ballColor, ...ball})];
    if ((style() === "ball+stick" || style() === "licorice") && drawn.structure.bondStore.count)
      layers.push(drawn.addRepresentation("ball+stick", {...look, cylinderOnly: true, radiusType: "size",
        ...(style() === "licorice" ? {color: ballColor, radiusSize: opacity < 1 ? 0.1 : 0.2}
          : {color: stickColor, radiusSize: opacity < 1 ? 0.06 : 0.085})}));
    // NGL's picking skips what is fainter than 0.3, but dimmed atoms can be clicked too
    for (const {repr} of layers) for (const buffer of repr.bufferList) buffer.pickingUniforms.opacity.value = 1;
  }

  // The inside of a larger sphere, evenly bright: a rim that the atom and whatever stands before it cover
  function addHalo(drawn, sele, radiusSize, opacity) {
    const {repr} = drawn.addRepresentation("spacefill", {sele, color: "black", opacity,
      side: "back", radiusType: "size", radiusSize, disableImpostor: true, quality: "custom", sphereDetail: 12});
    for (const buffer of repr.bufferList) buffer.uniforms.emissive.value.setRGB(...HALO);
  }

  function drawLayers() {
    groups.forEach(({drawn}, part) => {
      const old = drawn.reprList.slice(), [start, end] = [scene.starts[part], scene.starts[part + 1]];
      const faint = scene.faint ?? model.dim;
      const near = [...scene.near].filter((i) => i >= start && i < end).map((i) => i - start);
      if (near.length && near.length < end - start) addLayer(drawn, "@" + near.join(","));
      // all, since "not @1,2" selects nothing, and bonds to the environment belong to it
      addLayer(drawn, "*", near.length === end - start || !scene.near.length ? 1 : faint);
      for (const center of scene.centers) if (center >= start && center < end) {
        addHalo(drawn, "@" + (center - start), radiusOf(center) + 0.13, 1);
        addHalo(drawn, "@" + (center - start), radiusOf(center) + 0.4, 0.28);
      }
      for (const layer of old) drawn.removeRepresentation(layer); // after adding: no blank frame in between
    });
    moveApart();
  }

  // Clicks pass through shapes; NGL's own disablePicking would leak
  function addShape(shape) {
    const component = stage.addComponentFromObject(shape), {repr} = component.addRepresentation("buffer", {});
    for (const buffer of repr.bufferList) viewer.pickingGroup.remove(buffer.pickingGroup);
    return component;
  }

  function drawArrows() {
    const shown = scene && model.arrows, ink = (paper?.theme ?? theme());
    let cut = 0;
    groups.forEach((group, part) => {
      if (group.arrows) stage.removeComponent(group.arrows);
      group.arrows = null;
      if (!shown || !scene.vectors) return;
      const [start, end] = [scene.starts[part], scene.starts[part + 1]];
      const indices = scene.near.length && !scene.centers[1] ? [...scene.near]
        : Array.from({length: end - start}, (_, k) => start + k);
      const colors = [ink.text, ink.warning].map((color) => new NGL.Color(color).toArray());
      const made = buildArrows(scene, indices, radiusOf, model.arrow_scale, model.esm_constants.longest, colors);
      cut += made.cut;
      if (made.shape) group.arrows = addShape(made.shape);
    });
    note.textContent = !shown ? "" : !scene.vectors ? "no forces" :
      `arrows: force, 1 Å for ${Number((1 / model.arrow_scale).toPrecision(3))} eV/Å` +
      (cut ? `; ${cut} cut at ${model.esm_constants.longest} Å` : "");
    note.hidden = !note.textContent;
    moveApart();
  }

  function drawCell() {
    if (cell) stage.removeComponent(cell);
    cell = scene?.cell && model.cell ? addShape(buildCell(scene.cell, scene.repeats)) : null;
  }

  function fit(place = true) {
    const {middle, whole, radius} = extent(scene), fov = (viewer.perspectiveCamera.fov * Math.PI) / 180;
    const wide = radius + scene.apart / 2;
    if (place) {
      camera.center(middle);
      camera.distance(Math.max(radius, (wide * viewer.height) / viewer.width) / Math.tan(fov / 2));
    } else if (scene.centers.length === 1) { // the same view, but not one without the chosen atom
      const {x, y} = camera.getPositionOnCanvas(placeOf(scene.centers[0]));
      const [left, low] = [0.12 * viewer.width, 0.12 * viewer.height];
      if (Math.min(x, viewer.width - x) < left || Math.min(y, viewer.height - y) < low)
        camera.center(scene.around ? middle : placeOf(scene.centers[0]));
    }
    const clip = 3 * (whole + scene.apart) + camera.position.clone().add(middle).length();
    configure({clipNear: clip, clipFar: clip, fogNear: -0.2 * radius, fogFar: 3 * radius});
  }

  function load() {
    const old = groups;
    scene = model.scene?.kinds ? model.scene : null;
    groups = [];
    if (scene) {
      groups = scene.starts.slice(1).map((end, part) => ({arrows: null, drawn: stage.addComponentFromObject(
        buildStructure(scene, scene.starts[part], end), {defaultRepresentation: false})}));
      drawLayers();
      fit(scene.fit || !fitted);
      fitted = true;
    }
    drawCell();
    drawArrows();
    for (const {drawn, arrows} of old) for (const part of [drawn, arrows]) if (part) stage.removeComponent(part);
    tip.hidden = true;
    axes.hidden = !scene || !model.axes;
    fresh = true;
    say(scene ? "" : model.placeholder);
  }

  // Several changes within one frame are drawn once, with the last values
  const request = (what) => { pending.add(what); frame ||= requestAnimationFrame(update); };
  function update() {
    cancelAnimationFrame(frame);
    frame = 0;
    if (!sized) return;
    const changed = new Set(pending);
    pending.clear();
    if (changed.has("scene")) load();
    else if (scene) {
      if (changed.has("layers")) drawLayers();
      if (changed.has("layers") || changed.has("arrows") || changed.has("theme")) drawArrows();
      if (changed.has("cell")) drawCell();
      axes.hidden = !model.axes;
    }
    if (changed.has("theme")) configure({});
    viewer.requestRender();
  }
  model.on("scene", () => request("scene"));
  model.on("placeholder", () => { if (!scene) say(model.placeholder); });
  model.on(["representation", "dim"], () => request("layers"));
  model.on(["arrows", "arrow_scale"], () => request("arrows"));
  model.on("cell", () => request("cell"));
  model.on(["axes", "readings", "picked"], () => request("overlay"));
  model.on(["dark", "background_color"], () => request("theme"));

  const input = handleInput({model, root, stage, parts, current: () => scene, partOf,
    reset: () => { camera.rotate(TILT); fit(); }});
  const onCanvas = (place) => { // pixels from the upper left
    const {x, y} = camera.getPositionOnCanvas(place);
    return [x, viewer.height - y];
  };
  viewer.signals.rendered.add(() => {
    if (capturing) return;
    markers.forEach((marker, k) => {
      marker.hidden = !(scene && k < scene.centers.length);
      if (marker.hidden) return; // else: where the chosen atom is when others stand before it
      const [x, y] = onCanvas(placeOf(scene.centers[k]));
      const size = `${2 * (radiusOf(scene.centers[k]) + 0.2) * viewer.camera.zoom}px`;
      Object.assign(marker.style, {left: `${x}px`, top: `${y}px`, width: size, height: size});
    });
    drawMeasures(parts.measures, scene ? measures() : []);
    if (!scene) return;
    const back = viewer.camera.quaternion.clone().invert();
    drawAxes(axes, scene.cell, (vector) => vector.applyQuaternion(camera.rotation).applyQuaternion(back));
    if (fresh) input.drawn();
    fresh = false;
  });
  function measures() { // on the canvas: rings around what is picked, lines and texts
    const there = (i) => i < scene.kinds.length, found = model.picked.filter(there).map((i) =>
      ({points: [onCanvas(placeOf(i))], radius: (radiusOf(i) + 0.12) * viewer.camera.zoom}));
    for (const {at, text} of model.readings)
      if (at.every(there)) found.push({points: at.map((i) => onCanvas(placeOf(i))), text});
    return found;
  }

  async function capture({factor, background: wanted, download}) {
    const light = {background: model.esm_constants.light.surface, theme: model.esm_constants.light};
    if (wanted !== "theme") paper = light;
    if (paper) { configure({}); if (scene) drawArrows(); }
    capturing = true;
    let blob;
    try {
      blob = await stage.makeImage({factor, antialias: true, transparent: wanted === "transparent"});
      const drawing = scene ? measures() : [];
      blob = await drawOver(blob, factor, drawing, model.axes && scene ? axes : null, (paper?.theme ?? theme()));
    } finally {
      const changed = paper;
      capturing = false;
      paper = null;
      if (changed) { configure({}); if (scene) drawArrows(); }
      viewer.requestRender(); // what changed meanwhile was not laid over the picture
    }
    if (download) { saveAs(blob, download); return; }
    const reader = new FileReader();
    reader.onload = () => model.send_msg({type: "png", data: reader.result.split(",")[1]});
    reader.readAsDataURL(blob);
  }
  let queue = Promise.resolve(); // one picture at a time
  model.on("msg:custom", (event) => {
    const asked = event.data ?? event;
    if (asked.type !== "snapshot" || !sized) return;
    update();
    queue = queue.then(() => capture(asked)).catch((error) => console.error(error));
  });

  const lost = () => say("The graphics processor was reset; the 3D view comes back as soon as it can ...");
  canvas.addEventListener("webglcontextlost", lost);
  canvas.addEventListener("webglcontextrestored", () => request("scene"));
  // Bokeh attaches the element later: until it has a size nothing can be placed on it
  const watch = new ResizeObserver(() => {
    if (!host.clientWidth || !host.clientHeight) return;
    stage.handleResize();
    viewer.updateZoom();
    if (!sized) { sized = true; request("scene"); }
  });
  watch.observe(host);
  globalThis.__meaviz_debug?.push({stage, scene: () => scene, idle: () => sized && !frame, model, placeOf});
  model.on("remove", () => {
    watch.disconnect();
    input.close();
    cancelAnimationFrame(frame);
    canvas.removeEventListener("webglcontextlost", lost);
    stage.removeAllComponents();
    for (const name of [ballColor, stickColor]) NGL.ColormakerRegistry.removeScheme(name);
    const {renderer} = viewer;
    stage.dispose();
    renderer.forceContextLoss(); // browsers keep 16 contexts alive, and NGL's dispose keeps this one
  });
}
