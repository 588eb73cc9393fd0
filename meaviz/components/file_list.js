// The rows of a folder: names come from Python, which hears what is entered, ticked and opened.
const STYLE = `
  .list { height: 100%; min-height: 120px; overflow-y: auto; outline: none; font: 14px/1.5 var(--font); color: var(--text);
    box-sizing: border-box; border: 1px solid var(--border); border-radius: 4px; background: var(--raised); }
  .list:focus-visible { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
  .row { display: grid; grid-template-columns: 20px 1fr auto; gap: 0 8px; padding: 2px 10px; cursor: pointer; }
  .row:hover { background: color-mix(in srgb, var(--accent) 7%, transparent); }
  .row[aria-selected="true"] { background: color-mix(in srgb, var(--accent) 16%, transparent); }
  .list:focus-visible .current { box-shadow: inset 0 0 0 1px var(--accent); }
  .name { overflow-wrap: anywhere; } .folder .name { font-weight: 600; }
  .mark, .size { color: var(--muted); font-variant-numeric: tabular-nums; }
  .note { padding: 4px 10px; color: var(--muted); font-size: 13px; }`;

export function render({model}) {
  const list = cell("list", "");
  list.tabIndex = 0;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-multiselectable", "true");
  list.setAttribute("aria-label", "Files of the folder");
  list.setAttribute("aria-keyshortcuts", "ArrowDown ArrowUp Home End Space Enter Backspace");
  let current = 0;

  const rows = () => [...list.querySelectorAll(".row")];
  const move = (to) => {
    const all = rows();
    current = Math.max(0, Math.min(to, all.length - 1));
    all.forEach((row, at) => row.classList.toggle("current", at === current));
    const row = all[current];
    if (!row) { list.removeAttribute("aria-activedescendant"); return; }
    list.setAttribute("aria-activedescendant", row.id);
    reveal(list, row);
  };
  const mark = () => rows().forEach((row, at) => {
    const item = model.rows[at], ticked = !item.folder && model.ticked.includes(item.name);
    row.setAttribute("aria-selected", String(ticked));
    row.firstChild.textContent = item.folder ? "▸" : ticked ? "✓" : "";
  });
  const fill = () => {
    list.replaceChildren(...model.rows.map((item, at) => {
      const row = cell(item.folder ? "row folder" : "row", "");
      row.id = `row-${at}`;
      row.setAttribute("role", "option");
      row.append(cell("mark", ""), cell("name", item.name), cell("size", item.size));
      row.addEventListener("click", () => { move(at); act(item); });
      row.addEventListener("dblclick", () => {
        if (item.folder) return;
        model.send_msg({type: "tick", names: [...new Set([...model.ticked, item.name])]});
        model.send_msg({type: "open"});
      });
      return row;
    }));
    if (model.note) list.append(cell("note", model.note));
    mark();
    move(0);
  };
  const act = (item) => {
    if (item.folder) model.send_msg({type: "enter", name: item.name});
    else {
      const ticked = new Set(model.ticked);
      if (!ticked.delete(item.name)) ticked.add(item.name);
      model.send_msg({type: "tick", names: [...ticked]});
    }
  };
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const item = model.rows[current];
    if (event.key === "ArrowDown") move(current + 1);
    else if (event.key === "ArrowUp") move(current - 1);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(model.rows.length - 1);
    else if (event.key === "Backspace") model.send_msg({type: "up"});
    else if (event.key === " " && item && !item.folder) act(item);
    else if (event.key === "Enter" && item?.folder) act(item);
    else if (event.key === "Enter" && item) {
      if (!model.ticked.length) act(item);
      model.send_msg({type: "open"});
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const paint = () => paintTokens(model, list);
  model.on(["rows", "note"], fill);
  model.on("ticked", mark);
  model.on("dark", paint);
  paint();
  fill();
  return framed(list, STYLE);
}
