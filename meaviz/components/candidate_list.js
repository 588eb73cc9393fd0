// The list of outlier candidates: rows come from Python, clicks and keys go back there.
const STYLE = `
  .list { height: 100%; overflow-y: auto; outline: none; font: 13px/1.35 var(--font); color: var(--text);
    box-sizing: border-box; border: 1px solid var(--border); border-radius: 6px; }
  .list:focus-visible { border-color: var(--accent); }
  .row { display: grid; grid-template-columns: 34px 1fr auto; gap: 0 8px; padding: 4px 8px; cursor: pointer;
    border-bottom: 1px solid color-mix(in srgb, var(--border) 55%, transparent); border-left: 3px solid transparent; }
  .row:hover { background: color-mix(in srgb, var(--accent) 7%, transparent); }
  .row[aria-selected="true"] { background: color-mix(in srgb, var(--accent) 16%, transparent);
    border-left-color: var(--accent); }
  .rank { color: var(--muted); text-align: right; font-variant-numeric: tabular-nums; }
  .title { font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .verdict { font-size: 12px; font-weight: 600; }
  .outlier { color: var(--bad); } .ordinary { color: var(--good); } .disputed { color: var(--warning); }
  .text { grid-column: 2 / 4; font-size: 12px; color: var(--muted); white-space: nowrap; overflow: hidden;
    text-overflow: ellipsis; }
  .empty { padding: 14px; color: var(--muted); }`;
const KEYS = ["j", "k", "a", "r", "u"];
const TYPING = ["INPUT", "TEXTAREA", "SELECT"];
const CHOOSING = ["combobox", "listbox", "menu", "menuitem", "option", "slider", "textbox", "dialog"];

export function render({model}) {
  const root = cell("list", "");
  root.tabIndex = 0;
  root.setAttribute("role", "listbox");
  root.setAttribute("aria-label", "Outlier candidates");
  root.setAttribute("aria-keyshortcuts", "ArrowDown ArrowUp"); // all others are the page's, or work everywhere

  const paint = () => paintTokens(model, root);
  const mark = () => {
    for (const row of root.querySelectorAll(".row")) {
      const current = Number(row.dataset.row) === model.current;
      row.setAttribute("aria-selected", String(current));
      if (!current) continue;
      reveal(root, row);
    }
  };
  const fill = () => {
    root.replaceChildren(...model.rows.map((item) => {
      const row = cell("row", "");
      row.dataset.row = item.row;
      row.setAttribute("role", "option");
      row.append(cell("rank", item.rank), cell("title", item.title), cell("verdict " + item.verdict, item.verdict),
        cell("text", item.text));
      row.title = item.text;
      row.addEventListener("click", () => model.send_msg({type: "choose", row: item.row}));
      return row;
    }));
    if (!model.rows.length) root.append(cell("empty", model.empty));
    mark();
  };

  const press = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (root.getClientRects().length === 0) return; // another tab is in sight
    const path = event.composedPath().filter((element) => element instanceof Element), here = path.includes(root);
    const busy = (element) => TYPING.includes(element.tagName) || element.isContentEditable ||
      CHOOSING.includes(element.getAttribute("role"));
    if (!here && path.some(busy)) return;
    let key = event.key.toLowerCase();
    if (here && key === "arrowdown") key = "j";
    if (here && key === "arrowup") key = "k";
    if (!KEYS.includes(key) || (event.repeat && !"jk".includes(key))) return;
    event.preventDefault();
    model.send_msg({type: "key", key, current: model.current});
  };
  document.addEventListener("keydown", press);
  model.on("remove", () => document.removeEventListener("keydown", press));
  model.on(["rows", "empty"], fill);
  model.on("current", mark);
  model.on("dark", paint);
  paint();
  fill();
  return framed(root, STYLE);
}
