// Files dropped anywhere on the page, or chosen with a button, go to Python part by part as it asks for them.
const STYLE = `
  .drop { font: 13px/1.4 var(--font); color: var(--text); }
  button { font: inherit; font-weight: 500; color: var(--accent); background: transparent; border: 1px solid var(--accent);
    border-radius: 4px; padding: 4px 9px; cursor: pointer; }
  button:hover { background: color-mix(in srgb, var(--accent) 10%, transparent); }
  button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  small { color: var(--muted); }
  p { margin: 4px 0 0; overflow-wrap: anywhere; }
  .bar { height: 6px; margin: 6px 0 2px; border-radius: 3px; overflow: hidden;
    background: color-mix(in srgb, var(--accent) 20%, transparent); }
  .bar div { height: 100%; background: var(--accent); }
  .veil { position: fixed; inset: 0; z-index: 2000; display: flex; align-items: center; justify-content: center;
    text-align: center; padding: 24px; font-size: 20px; pointer-events: none; color: var(--text);
    background: color-mix(in srgb, var(--surface) 88%, transparent); border: 4px dashed var(--accent);
    box-sizing: border-box; }
  [hidden] { display: none !important; }`;

const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString("en", {maximumFractionDigits: bytes < 1e7 ? 1 : 0})} MB`;
const brings = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function encoded(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

export function render({model}) {
  const make = (name, within = {}) => Object.assign(document.createElement(name), within);
  const root = make("div", {className: "drop"}), status = make("p");
  const choose = make("button", {type: "button", textContent: "From this computer"});
  const cancel = make("button", {type: "button", textContent: "Stop", hidden: true});
  const input = make("input", {type: "file", multiple: true, hidden: true});
  const bar = make("div", {className: "bar", hidden: true}), filled = make("div");
  const most = `at most ${megabytes(model.limit)} together`;
  const veil = make("div", {className: "veil", hidden: true, textContent: `Drop files to open them: ${most}`});
  const note = make("small", {textContent: ` or drop files on the page, ${most}`});
  status.setAttribute("role", "status");
  for (const [name, value] of Object.entries({role: "progressbar", "aria-label": "Transfer", "aria-valuemin": "0",
    "aria-valuemax": "100"})) bar.setAttribute(name, value);
  bar.append(filled);
  let files = [];

  const paint = () => paintTokens(model, root);
  const progress = () => {
    const busy = model.share >= 0, percent = Math.floor(100 * Math.max(model.share, 0));
    bar.hidden = cancel.hidden = !busy;
    choose.hidden = note.hidden = busy;
    filled.style.width = `${percent}%`;
    bar.setAttribute("aria-valuenow", String(percent));
    if (!busy) files = [];
  };
  const say = () => { status.textContent = model.status; status.hidden = !model.status; };
  const bring = (chosen) => {
    if (!chosen.length) return;
    const total = chosen.reduce((sum, file) => sum + file.size, 0);
    if (model.share >= 0) model.status = "Files are coming already. Wait for them, or stop them.";
    else if (total > model.limit) {
      model.status = `${chosen.map((file) => file.name).join(", ")}: ${megabytes(total)}, but ${most} can be brought. ` +
        "Copy the files to where meaviz runs and open them by their path.";
    } else {
      files = chosen;
      model.send_msg({type: "begin", files: files.map(({name, size}) => ({name, size}))});
    }
  };
  model.on("msg:custom", async ({file, offset}) => {
    if (!files[file]) return;
    try {
      const data = await encoded(files[file].slice(offset, offset + model.esm_constants.part));
      model.send_msg({type: "part", data});
    } catch (error) { // a folder, or a file that went away
      model.status = `${files[file].name} cannot be read (${error.message}). Drop files, not folders.`;
      model.send_msg({type: "cancel"});
    }
  });

  choose.addEventListener("click", () => input.click());
  cancel.addEventListener("click", () => model.send_msg({type: "cancel"}));
  input.addEventListener("change", () => { bring([...input.files]); input.value = ""; });
  let leaving = 0;
  const over = (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    clearTimeout(leaving);
    veil.hidden = false;
    leaving = setTimeout(() => { veil.hidden = true; }, 400); // dragover comes again and again while it is over the page
  };
  const drop = (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    veil.hidden = true;
    bring([...event.dataTransfer.files]);
  };
  document.addEventListener("dragover", over);
  document.addEventListener("drop", drop);
  model.on("remove", () => {
    document.removeEventListener("dragover", over);
    document.removeEventListener("drop", drop);
  });
  model.on("share", progress);
  model.on("status", say);
  model.on("dark", paint);
  paint();
  progress();
  say();
  root.append(make("style", {textContent: STYLE}), choose, note, bar, cancel, input, status, veil);
  return root;
}
