// What surrounds the 3D view: the frame, its texts and looks, and what to say where WebGL is missing.
const LABEL = "3D view of a structure. Left and right step to the next environment, Shift with the arrow keys rotates, " +
  "plus and minus zoom, R or Home resets the view, the space bar plays, Escape clears what is measured.";
const KEYS = "ArrowLeft ArrowRight ArrowUp ArrowDown Plus = - r Home Space";
const PATIENCE = 3000; // ms after the page has been told that the view may be wanted
const NO_WEBGL = "The 3D view needs WebGL, which this browser does not offer. Turn on hardware acceleration in its " +
  "settings, or open the app in another browser. Everything else works without it.";
const STYLE = `
  .viewer { position: relative; width: 100%; height: 100%; min-height: 160px; overflow: hidden; outline: none;
    font: 12px/1.45 var(--font); color: var(--text); background: var(--background); user-select: none; }
  .viewer:focus-visible::after { content: ""; position: absolute; inset: 0; border: 2px solid var(--accent);
    pointer-events: none; }
  .stage { position: absolute; inset: 0; }
  .overlay { position: absolute; pointer-events: none; box-sizing: border-box; }
  .notice { inset: 0; display: flex; align-items: center; justify-content: center; text-align: center; padding: 24px;
    font-size: 14px; color: var(--muted); }
  .caption { left: 10px; bottom: 10px; max-width: calc(100% - 110px); padding: 5px 9px; border-radius: 6px;
    white-space: pre-line; backdrop-filter: blur(3px);
    background: color-mix(in srgb, var(--surface) 78%, transparent); }
  .tip { padding: 3px 7px; border-radius: 5px; white-space: nowrap; background: var(--raised);
    box-shadow: 0 0 0 1px var(--border); }
  .legend { left: 8px; top: 8px; max-width: calc(100% - 16px); font-size: 11px; line-height: 1.35; }
  .legend > div { padding: 3px 7px; border-radius: 6px; background: color-mix(in srgb, var(--surface) 82%, transparent); }
  .legend > div:empty { display: none; }
  .legend .entries { display: flex; flex-wrap: wrap; gap: 0 10px; }
  .legend i { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 4px; }
  .legend .ramp { display: flex; align-items: center; gap: 6px; }
  .legend .bar { width: 90px; height: 8px; border-radius: 3px; }
  .legend .note { color: var(--muted); }
  .measures { inset: 0; width: 100%; height: 100%; }
  .measures circle, .measures polyline { fill: none; stroke: var(--accent); stroke-width: 1.6; }
  .measures polyline { stroke-dasharray: 5 4; }
  .measures text { font-size: 12px; font-weight: 600; fill: var(--text); text-anchor: middle;
    dominant-baseline: central; stroke: var(--background); stroke-width: 3px; paint-order: stroke; }
  .measuring .stage { cursor: crosshair; }
  .axes line { stroke-width: 2.5; stroke-linecap: round; }
  .axes text { font-size: 12px; font-weight: 600; text-anchor: middle; dominant-baseline: central; }
  .marker { border: 1.5px solid #ffb80d; border-radius: 50%; transform: translate(-50%, -50%); opacity: 0.6; }
  .axes { right: 8px; bottom: 8px; width: 76px; height: 76px; }
  [hidden] { display: none !important; }`;
const PARTS = `<style>${STYLE}</style><div class="stage"></div><div class="overlay marker" hidden></div>
  <div class="overlay marker" hidden></div><svg class="overlay measures"></svg>
  <div class="overlay notice" role="status"></div><div class="overlay caption"></div>
  <div class="overlay legend"><div class="key"></div><div class="note" hidden></div></div>
  <div class="overlay tip" hidden></div>
  <div class="overlay axes" hidden><svg viewBox="-38 -38 76 76">
    <line stroke="#d6455d"/><text fill="#d6455d"></text><line stroke="#3f9d63"/><text fill="#3f9d63"></text>
    <line stroke="#3d7fe0"/><text fill="#3d7fe0"></text></svg></div>`;

// What the colours mean: {title, entries: [[name, color], ...], more} or {title, ramp: [color, ...], low, high}
function drawLegend(element, {title, entries, more, ramp, low, high}) {
  const make = (name, text, inside = []) => {
    const made = document.createElement("div");
    made.className = name;
    if (text) made.textContent = text;
    made.append(...inside);
    return made;
  };
  const parts = title ? [make("title", title)] : [];
  if (entries) parts.push(make("entries", "", entries.map(([name, color]) => {
    const entry = make("entry", ""), dot = document.createElement("i");
    dot.style.background = color;
    entry.append(dot, name);
    return entry;
  })));
  if (more) parts.push(make("note", more));
  if (ramp) {
    const bar = make("bar", "");
    bar.style.background = `linear-gradient(to right, ${ramp.join(", ")})`;
    parts.push(make("ramp", "", [make("low", low), bar, make("high", high)]));
  }
  element.replaceChildren(...parts);
}

// Is there WebGL? "none", "software" (on the processor: no time for supersampling) or "hardware".
function probeWebGL() {
  const canvas = document.createElement("canvas"), gl = canvas.getContext("webgl2") || canvas.getContext("webgl");
  if (!gl) return "none";
  const name = gl.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL;
  const renderer = name ? gl.getParameter(name) : "";
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(renderer) ? "software" : "hardware";
}

export function render({model}) {
  const root = document.createElement("div");
  root.className = "viewer";
  root.innerHTML = PARTS;
  root.tabIndex = 0;
  root.setAttribute("role", "application");
  root.setAttribute("aria-label", LABEL);
  const names = ["stage", "notice", "caption", "tip", "axes", "measures", "legend", "key", "note"];
  const parts = Object.fromEntries(names.map((name) => [name, root.querySelector("." + name)]));
  parts.markers = [...root.querySelectorAll(".marker")];
  const {notice, caption} = parts;
  const theme = () => model.esm_constants[model.dark ? "dark" : "light"];
  const background = () => model.background_color || theme().surface;
  const paint = () => {
    for (const [token, value] of Object.entries({...theme(), background: background()}))
      root.style.setProperty("--" + token, value);
  };
  const label = () => { caption.textContent = model.caption; caption.hidden = !model.caption; };
  const say = (text) => { notice.textContent = text; notice.hidden = !text; };
  const mode = () => {
    root.classList.toggle("measuring", model.measuring);
    root.setAttribute("aria-keyshortcuts", KEYS + (model.measuring ? " Escape" : "")); // the page leaves these to it
  };
  const key = () => drawLegend(parts.key, model.scene?.kinds ? model.legend : {});
  paint();
  label();
  mode();
  key();
  say(model.scene?.kinds ? "" : model.placeholder);
  model.on(["dark", "background_color"], paint);
  model.on("caption", label);
  model.on("measuring", mode);
  model.on(["legend", "scene"], key);
  let removed = false;
  model.on("remove", () => { removed = true; });
  const whenIdle = globalThis.requestIdleCallback ?? ((open) => setTimeout(open, 100));
  let opened = false;
  const open = () => {
    if (removed) return;
    const webgl = probeWebGL();
    if (webgl === "none") { say(NO_WEBGL); return; }
    try {
      openStage({model, root, parts, theme, background, say, webgl});
    } catch (error) {
      console.error(error);
      say(`The 3D view could not start: ${error.message}`);
    }
  };
  const begin = () => {
    if (opened) return;
    opened = true;
    whenIdle(open, {timeout: 1000});
  };
  const wake = () => { // the library is large, and opening WebGL may stop the page for seconds: what it draws goes first
    if (model.scene?.kinds) begin();
    else if (model.awake) setTimeout(begin, PATIENCE);
  };
  model.on(["awake", "scene"], wake);
  wake();
  return root;
}
