// What surrounds the 3D view: the frame, its texts and looks, and what to say where WebGL is missing.
const LABEL = "3D view of a structure. Arrow keys rotate, plus and minus zoom, R or Home resets the view.";
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
  .axes line { stroke-width: 2.5; stroke-linecap: round; }
  .axes text { font-size: 12px; font-weight: 600; text-anchor: middle; dominant-baseline: central; }
  .marker { border: 1.5px solid #ffb80d; border-radius: 50%; transform: translate(-50%, 50%); opacity: 0.6; }
  .axes { right: 8px; bottom: 8px; width: 76px; height: 76px; }
  [hidden] { display: none !important; }`;
const PARTS = `<style>${STYLE}</style><div class="stage"></div><div class="overlay marker" hidden></div>
  <div class="overlay notice" role="status"></div><div class="overlay caption"></div>
  <div class="overlay tip" hidden></div>
  <div class="overlay axes" hidden><svg viewBox="-38 -38 76 76">
    <line stroke="#d6455d"/><text fill="#d6455d"></text><line stroke="#3f9d63"/><text fill="#3f9d63"></text>
    <line stroke="#3d7fe0"/><text fill="#3d7fe0"></text></svg></div>`;

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
  const names = ["stage", "marker", "notice", "caption", "tip", "axes"];
  const parts = Object.fromEntries(names.map((name) => [name, root.querySelector("." + name)]));
  const {notice, caption} = parts;
  const theme = () => model.esm_constants[model.dark ? "dark" : "light"];
  const background = () => model.background_color || theme().surface;
  const paint = () => {
    for (const [token, value] of Object.entries({...theme(), background: background()}))
      root.style.setProperty("--" + token, value);
  };
  const label = () => { caption.textContent = model.caption; caption.hidden = !model.caption; };
  const say = (text) => { notice.textContent = text; notice.hidden = !text; };
  paint();
  label();
  say(model.scene?.kinds ? "" : model.placeholder);
  model.on(["dark", "background_color"], paint);
  model.on("caption", label);
  let removed = false;
  model.on("remove", () => { removed = true; });
  const whenIdle = globalThis.requestIdleCallback ?? ((open) => setTimeout(open, 100));
  let opened = false;
  const open = () => {
    if (removed) return;
    const webgl = probeWebGL();
    if (webgl === "none") { say(NO_WEBGL); return; }
    try {
      openStage({model, root, parts, background, say, webgl});
    } catch (error) {
      console.error(error);
      say(`The 3D view could not start: ${error.message}`);
    }
  };
  const wake = () => { // the library is large: the page does not load it before it is wanted
    if (opened || !(model.awake || model.scene?.kinds)) return;
    opened = true;
    whenIdle(open, {timeout: 1000});
  };
  model.on(["awake", "scene"], wake);
  wake();
  return root;
}
