// Files and folders dropped anywhere on the page, or chosen with a button, go to Python part by part as it asks for
// them; what comes of a folder is named with it: runs/a.xyz.
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

const named = (file) => ({name: file.webkitRelativePath || file.name, size: file.size, file});

async function within(entry, before) { // all files of what was dropped, folders by folders; hidden ones stay
  const name = before + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{name, size: file.size, file}];
  }
  const reader = entry.createReader(), found = [];
  for (;;) { // a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const one of some) if (!one.name.startsWith(".")) found.push(...await within(one, `${name}/`));
  }
}

export function render({model}) {
  const make = (name, within = {}) => Object.assign(document.createElement(name), within);
  const root = make("div", {className: "drop"}), status = make("p");
  const choose = make("button", {type: "button", textContent: "From this computer"});
  const whole = make("button", {type: "button", textContent: "A folder"});
  const cancel = make("button", {type: "button", textContent: "Stop", hidden: true});
  const input = make("input", {type: "file", multiple: true, hidden: true});
  const folder = make("input", {type: "file", multiple: true, hidden: true, webkitdirectory: true});
  const bar = make("div", {className: "bar", hidden: true}), filled = make("div");
  const most = `at most ${megabytes(model.limit)} together`;
  const veil = make("div", {className: "veil", hidden: true, textContent: `Drop files or a folder to open them: ${most}`});
  const note = make("small", {textContent: ` or drop them ${model.anywhere ? "on the page" : "here"}, ${most}`});
  status.setAttribute("role", "status");
  for (const [name, value] of Object.entries({role: "progressbar", "aria-label": "Transfer", "aria-valuemin": "0",
    "aria-valuemax": "100"})) bar.setAttribute(name, value);
  bar.append(filled);
  let files = [];

  const paint = () => paintTokens(model, root);
  const progress = () => {
    const busy = model.share >= 0, percent = Math.floor(100 * Math.max(model.share, 0));
    bar.hidden = cancel.hidden = !busy;
    choose.hidden = whole.hidden = note.hidden = busy;
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
      const more = chosen.length > 3 ? ` and ${chosen.length - 3} more` : "";
      model.status = `${chosen.slice(0, 3).map(({name}) => name).join(", ")}${more}: ${megabytes(total)}, ` +
        `but ${most} can be brought. ` +
        "Copy the files to where meaviz runs and open them by their path.";
    } else {
      files = chosen;
      model.send_msg({type: "begin", files: files.map(({name, size}) => ({name, size}))});
    }
  };
  model.on("msg:custom", async ({file, offset}) => {
    if (!files[file]) return;
    try {
      const data = await encoded(files[file].file.slice(offset, offset + model.esm_constants.part));
      model.send_msg({type: "part", data});
    } catch (error) { // a file that went away
      model.status = `${files[file].name} cannot be read (${error.message}). Bring it again.`;
      model.send_msg({type: "cancel"});
    }
  });

  choose.addEventListener("click", () => input.click());
  whole.addEventListener("click", () => folder.click());
  cancel.addEventListener("click", () => model.send_msg({type: "cancel"}));
  for (const one of [input, folder]) one.addEventListener("change", () => {
    // of a folder's hidden files none is wanted
    bring([...one.files].map(named).filter(({name}) => !name.split("/").slice(1).some((part) => part.startsWith("."))));
    one.value = "";
  });
  let leaving = 0;
  const ours = model.anywhere ? document : root;
  const over = (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    if (!model.anywhere) { event.stopPropagation(); return; } // no other takes it
    clearTimeout(leaving);
    veil.hidden = false;
    leaving = setTimeout(() => { veil.hidden = true; }, 400); // dragover comes again and again while it is over the page
  };
  const drop = async (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    event.stopPropagation();
    veil.hidden = true;
    const files = [...event.dataTransfer.files].map(named);
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()); // gone after the first await
    if (!entries.some((entry) => entry?.isDirectory)) { bring(files); return; }
    try {
      bring((await Promise.all(entries.filter(Boolean).map((entry) => within(entry, "")))).flat());
    } catch (error) {
      model.status = `The folder cannot be read (${error.message}). Bring it again.`;
    }
  };
  ours.addEventListener("dragover", over);
  ours.addEventListener("drop", drop);
  model.on("remove", () => {
    ours.removeEventListener("dragover", over);
    ours.removeEventListener("drop", drop);
  });
  model.on("share", progress);
  model.on("status", say);
  model.on("dark", paint);
  paint();
  progress();
  say();
  root.append(make("style", {textContent: STYLE}), choose, " ", whole, note, bar, cancel, input, folder, status, veil);
  return root;
}
