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

// Straight from typed arrays: no text format in between that would round positions or turn the cell.
function buildStructure(scene) {
  const n = scene.kinds.length, structure = new NGL.Structure("structure");
  const {atomStore, residueStore, chainStore, modelStore, bondStore} = structure;
  const types = scene.symbols.map((symbol) => {
    const id = structure.atomMap.add(symbol, symbol);
    return [id, structure.residueMap.add("MOL", [id], true)];
  });
  for (const [store, count] of [[atomStore, n], [residueStore, n], [chainStore, 1], [modelStore, 1],
    [bondStore, scene.bonds.length / 2]]) { store.resize(count); store.count = count; }
  for (let i = 0; i < n; i++) {
    [atomStore.atomTypeId[i], residueStore.residueTypeId[i]] = types[scene.kinds[i]];
    atomStore.x[i] = scene.positions[3 * i]; // Bokeh's arrays have no working subarray()
    atomStore.y[i] = scene.positions[3 * i + 1];
    atomStore.z[i] = scene.positions[3 * i + 2];
    atomStore.bfactor[i] = scene.balls[i]; // the one number an atom that NGL takes radii from
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
    bondStore.atomIndex1[k] = scene.bonds[2 * k];
    bondStore.atomIndex2[k] = scene.bonds[2 * k + 1];
    bondStore.bondOrder[k] = 1;
  }
  structure.finalizeBonds();
  return structure;
}

function cellCorners(cell) { // corner k is the sum of the cell vectors whose bits k has
  return [0, 1, 2, 3, 4, 5, 6, 7].map((k) =>
    [0, 1, 2].map((d) => [0, 1, 2].reduce((sum, v) => sum + ((k >> v) & 1) * cell[3 * v + d], 0)));
}

function buildCell(cell) {
  const shape = new NGL.Shape("cell"), corners = cellCorners(cell);
  for (let k = 0; k < 8; k++)
    for (const bit of [1, 2, 4]) if (!(k & bit)) shape.addWideline(corners[k], corners[k | bit], CELL, 1.6, "cell");
  return shape;
}

function paler(color) {
  const channel = (bits) => (((color >> bits) & 255) + ((STICK >> bits) & 255)) >> 1;
  return (channel(16) << 16) | (channel(8) << 8) | channel(0);
}

// The sphere to keep in view, however it is turned: the chosen environment's, or all atoms' and the cell's.
function extent({positions, cell, center, near}) {
  const points = cell ? [...positions, ...cellCorners(cell).flat()] : positions;
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i++) {
    low[i % 3] = Math.min(low[i % 3], points[i]);
    high[i % 3] = Math.max(high[i % 3], points[i]);
  }
  const chosen = center >= 0, middle = low.map((x, d) => (chosen ? positions[3 * center + d] : (x + high[d]) / 2));
  const away = (i) => Math.hypot(...middle.map((x, d) => points[3 * i + d] - x));
  let whole = 1;
  for (let i = 0; i < points.length / 3; i++) whole = Math.max(whole, away(i) + 1);
  const radius = chosen ? near.reduce((far, i) => Math.max(far, away(i) + 1.3), 2) : 0.88 * whole;
  return {middle: new NGL.Vector3(...middle), whole, radius};
}

// Small arrows along the cell's vectors, or along x, y and z
function drawAxes(axes, cell, toView) {
  const [lines, texts] = [axes.querySelectorAll("line"), axes.querySelectorAll("text")];
  for (let k = 0; k < 3; k++) {
    const v = toView(new NGL.Vector3().fromArray(cell ?? [1, 0, 0, 0, 1, 0, 0, 0, 1], 3 * k).normalize());
    texts[k].textContent = (cell ? "abc" : "xyz")[k];
    for (const [part, suffix, length] of [[lines[k], "2", 22], [texts[k], "", 31]]) {
      part.setAttribute("x" + suffix, length * v.x);
      part.setAttribute("y" + suffix, -length * v.y);
      part.setAttribute("opacity", v.z < -0.1 ? 0.65 : 1); // points away from the eye
    }
  }
}

// Put a stage into the frame and keep it up to date with the model, until that is removed
function openStage({model, root, parts: {stage: host, marker, tip, axes}, background, say, webgl}) {
  NGL ??= loadNGL();
  const stage = new NGL.Stage(host, {tooltip: false, cameraType: "orthographic", workerDefault: false, quality: "high",
    clipScale: "absolute", clipDist: 0, hoverTimeout: 60, lightIntensity: 1, ambientIntensity: 0.5, zoomSpeed: 1.5});
  const {viewer, viewerControls: camera} = stage, canvas = viewer.renderer.domElement;
  const configure = (parameters) => {
    stage.setParameters({backgroundColor: background(), ...parameters});
    const plain = viewer.parameters.fogColor.convertLinearToSRGB(); // NGL paints both of these without conversion
    viewer.renderer.setClearColor(plain, 0);
  };
  configure({sampleLevel: webgl === "software" ? -1 : 0});
  stage.log = () => {};
  listenOnCanvas(stage);
  camera.rotate(TILT);

  let scene = null, drawn = null, cell = null, sized = false, fitted = false, capturing = false, frame = 0;
  const pending = new Set();
  const scheme = (shade) => NGL.ColormakerRegistry.addScheme(function () {
    this.atomColor = (atom) => shade(scene.colors[atom.index]);
  });
  const ballColor = scheme((color) => color), stickColor = scheme(paler);
  const spacefilling = () => scene.spacefill || model.representation === "spacefill";
  const centerRadius = () => (spacefilling() ? scene.radii : scene.balls)[scene.center];

  function addLayer(sele, opacity = 1) {
    const look = {sele, opacity, roughness: 0.55}, full = spacefilling() && opacity === 1; // dimmed ones are no wall
    const layers = [drawn.addRepresentation("spacefill",
      {...look, color: ballColor, radiusType: full ? "covalent" : "bfactor"})];
    if (!spacefilling() && scene.bonds.length)
      layers.push(drawn.addRepresentation("ball+stick", {...look, color: stickColor, cylinderOnly: true,
        radiusType: "size", radiusSize: opacity < 1 ? 0.06 : 0.085}));
    // NGL's picking skips what is fainter than 0.3, but dimmed atoms can be clicked too
    for (const {repr} of layers) for (const buffer of repr.bufferList) buffer.pickingUniforms.opacity.value = 1;
  }

  // The inside of a larger sphere, evenly bright: a rim that the atom and whatever stands before it cover
  function addHalo(radiusSize, opacity) {
    const {repr} = drawn.addRepresentation("spacefill", {sele: "@" + scene.center, color: "black", opacity,
      side: "back", radiusType: "size", radiusSize, disableImpostor: true, quality: "custom", sphereDetail: 12});
    for (const buffer of repr.bufferList) buffer.uniforms.emissive.value.setRGB(...HALO);
  }

  function drawLayers() {
    const old = drawn.reprList.slice();
    if (scene.center >= 0) {
      addLayer("@" + scene.near.join(","));
      addLayer("*", model.dim); // all, since "not @1,2" selects nothing, and bonds to the environment belong to it
      addHalo(centerRadius() + 0.13, 1);
      addHalo(centerRadius() + 0.4, 0.28);
    } else addLayer("*");
    for (const layer of old) drawn.removeRepresentation(layer); // after adding: no blank frame in between
  }

  function drawCell() {
    if (cell) stage.removeComponent(cell);
    cell = scene?.cell ? stage.addComponentFromObject(buildCell(scene.cell)) : null;
    const layer = cell?.addRepresentation("buffer", {});
    // clicks pass through the lines; NGL's own disablePicking would leak
    for (const buffer of layer?.repr.bufferList ?? []) viewer.pickingGroup.remove(buffer.pickingGroup);
  }

  function fit(place = true) {
    const {middle, whole, radius} = extent(scene), fov = (viewer.perspectiveCamera.fov * Math.PI) / 180;
    if (place) {
      camera.center(middle);
      camera.distance(radius / (Math.tan(fov / 2) * Math.min(1, viewer.width / viewer.height)));
    } else if (scene.center >= 0) { // the same view, but not one without the chosen atom
      const {x, y} = camera.getPositionOnCanvas(middle), [left, low] = [0.12 * viewer.width, 0.12 * viewer.height];
      if (Math.min(x, viewer.width - x) < left || Math.min(y, viewer.height - y) < low) camera.center(middle);
    }
    const clip = 3 * whole + camera.position.clone().add(middle).length();
    configure({clipNear: clip, clipFar: clip, fogNear: -0.2 * radius, fogFar: 3 * radius});
  }

  function load() {
    const old = drawn;
    scene = model.scene?.kinds ? model.scene : null;
    drawn = null;
    if (scene) {
      drawn = stage.addComponentFromObject(buildStructure(scene), {defaultRepresentation: false});
      drawLayers();
      fit(scene.fit || !fitted);
      fitted = true;
    }
    drawCell();
    if (old) stage.removeComponent(old);
    tip.hidden = true;
    axes.hidden = !scene;
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
    else if (scene && changed.has("layers")) drawLayers();
    if (changed.has("theme")) configure({});
  }
  model.on("scene", () => request("scene"));
  model.on("placeholder", () => { if (!scene) say(model.placeholder); });
  model.on(["representation", "dim"], () => request("layers"));
  model.on(["dark", "background_color"], () => request("theme"));

  viewer.signals.rendered.add(() => {
    marker.hidden = !(scene?.center >= 0);
    if (!scene || capturing) return;
    if (!marker.hidden) { // where the chosen atom is when others stand before it
      const at = camera.getPositionOnCanvas(new NGL.Vector3().fromArray(scene.positions, 3 * scene.center));
      const size = `${2 * (centerRadius() + 0.2) * viewer.camera.zoom}px`;
      Object.assign(marker.style, {left: `${at.x}px`, bottom: `${at.y}px`, width: size, height: size});
    }
    const back = viewer.camera.quaternion.clone().invert();
    drawAxes(axes, scene.cell, (vector) => vector.applyQuaternion(camera.rotation).applyQuaternion(back));
  });
  handleInput({model, root, stage, tip, current: () => scene, reset: () => { camera.rotate(TILT); fit(); }});

  model.on("msg:custom", async (event) => {
    const {type, factor} = event.data ?? event;
    if (type !== "snapshot" || !sized) return;
    update();
    capturing = true;
    const blob = await stage.makeImage({factor, antialias: true}).finally(() => { capturing = false; });
    const reader = new FileReader();
    reader.onload = () => model.send_msg({type: "png", data: reader.result.split(",")[1]});
    reader.readAsDataURL(blob);
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
  globalThis.__meaviz_debug?.push({stage, scene: () => scene, idle: () => sized && !frame, model});
  model.on("remove", () => {
    watch.disconnect();
    cancelAnimationFrame(frame);
    canvas.removeEventListener("webglcontextlost", lost);
    stage.removeAllComponents();
    for (const name of [ballColor, stickColor]) NGL.ColormakerRegistry.removeScheme(name);
    const {renderer} = viewer;
    stage.dispose();
    renderer.forceContextLoss(); // browsers keep 16 contexts alive, and NGL's dispose keeps this one
  });
}

// Clicks, the name of the atom under a resting mouse, and keys
function handleInput({model, root, stage, tip, current, reset}) {
  const {viewer, viewerControls: camera, mouseObserver: mouse} = stage, canvas = viewer.renderer.domElement;
  const pick = (x, y) => { // canvas pixels from the lower left -> drawn atom, -1 for none
    const hit = current() && stage.pickingControls.pick(x, y);
    return (hit?.atom || hit?.closestBondAtom)?.index ?? -1;
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
    const hit = pick(event.clientX - box.left, box.bottom - event.clientY);
    model.send_msg({type: "click", scene: scene.id, index: hit < 0 ? -1 : scene.parents[hit]});
  });
  for (const type of ["mousemove", "mouseleave"]) canvas.addEventListener(type, () => { tip.hidden = true; });
  mouse.signals.hovered.add((x, y) => {
    const hit = model.hover && !mouse.pressed ? pick(x, y) : -1;
    tip.hidden = hit < 0;
    if (hit < 0) return;
    const {symbols, kinds, positions, parents, real, center} = current();
    let text = `${symbols[kinds[hit]]} · atom ${parents[hit]}`;
    if (hit >= real) text += " · periodic image";
    if (center >= 0 && hit !== center) {
      const away = [0, 1, 2].map((d) => positions[3 * hit + d] - positions[3 * center + d]);
      text += ` · ${Math.hypot(...away).toFixed(2)} Å away`;
    }
    tip.textContent = text;
    const [dx, dy] = [x > viewer.width / 2 ? "calc(-100% - 10px)" : "10px", y > viewer.height - 40 ? "35px" : "-10px"];
    Object.assign(tip.style, {left: `${x}px`, bottom: `${y}px`, transform: `translate(${dx}, ${dy})`});
  });

  const step = Math.PI / 18, [X, Y] = [new NGL.Vector3(1, 0, 0), new NGL.Vector3(0, 1, 0)];
  const closer = () => camera.zoom(0.12), farther = () => camera.zoom(-0.14);
  const keys = {ArrowLeft: () => camera.spin(Y, -step), ArrowRight: () => camera.spin(Y, step),
    ArrowUp: () => camera.spin(X, step), ArrowDown: () => camera.spin(X, -step),
    "+": closer, "=": closer, "-": farther, r: reset, R: reset, Home: reset};
  root.addEventListener("keydown", (event) => {
    if (!keys[event.key] || !current() || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  });
}
