// A list of which one row can be chosen, by click or by keys: rows come from Python, what is chosen goes back there.
const STYLE = `
  .list { height: 100%; overflow-y: auto; outline: none; font: 13px/1.4 var(--font); color: var(--text);
    box-sizing: border-box; border: 1px solid var(--border); border-radius: 6px; }
  .list:focus-visible { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
  .row { display: grid; grid-template-columns: auto 1fr auto; gap: 0 8px; padding: 4px 8px; cursor: pointer;
    border-bottom: 1px solid color-mix(in srgb, var(--border) 55%, transparent); border-left: 3px solid transparent; }
  .row:hover { background: color-mix(in srgb, var(--accent) 7%, transparent); }
  .row[aria-selected="true"] { background: color-mix(in srgb, var(--accent) 16%, transparent);
    border-left-color: var(--accent); }
  .mark { font-size: 12px; font-weight: 600; min-width: 52px; color: var(--muted); }
  .error { color: var(--bad); } .warning { color: var(--warning); }
  .text { overflow-wrap: anywhere; }
  .count { color: var(--muted); font-size: 12px; font-variant-numeric: tabular-nums; white-space: nowrap; }
  .heads { position: sticky; top: 0; z-index: 1; background: var(--raised); color: var(--muted);
    font-size: 12px; cursor: default; }
  .heads:hover { background: var(--raised); }
  .heads > .text, .table > .text { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .number { position: relative; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap;
    font-size: 12px; }
  .empty { padding: 14px; color: var(--muted); }`;
const STEPS = {ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity};

export function render({model}) {
  const root = cell("list", "");
  root.tabIndex = 0;
  root.setAttribute("role", "listbox");

  const paint = () => paintTokens(model, root);
  const mark = () => {
    root.removeAttribute("aria-activedescendant");
    for (const row of root.querySelectorAll(".row")) {
      const current = Number(row.dataset.id) === model.current;
      row.setAttribute("aria-selected", String(current));
      if (!current) continue;
      root.setAttribute("aria-activedescendant", row.id);
      reveal(root, row);
    }
  };
  const line = (row, text, numbers) => {
    row.title = text;
    row.style.gridTemplateColumns = `minmax(56px, 1fr) repeat(${numbers.length}, 46px)`;
    row.append(cell("text", text), ...numbers.map((number) => cell("number", number)));
  };
  const choose = (id) => model.send_msg({type: "choose", id});
  const fill = () => {
    root.setAttribute("aria-label", model.label);
    root.replaceChildren(...model.rows.map((item) => {
      const row = cell("row", "");
      row.dataset.id = item.id;
      row.id = model.label.replaceAll(" ", "-") + "-" + item.id;
      row.setAttribute("role", "option");
      if (model.heads.length) {
        row.classList.add("table");
        line(row, item.text, item.cells);
        for (const [place, number] of row.querySelectorAll(".number").entries())
          number.prepend(cell("heard", `${model.heads[place + 1]} `));
      } else {
        row.append(cell("mark " + item.kind, item.mark), cell("text", item.text), cell("count", item.count));
      }
      row.addEventListener("click", () => choose(item.id));
      return row;
    }));
    if (model.heads.length && model.rows.length) {
      const heads = cell("row heads", "");
      heads.setAttribute("aria-hidden", "true"); // each row names its numbers
      line(heads, model.heads[0], model.heads.slice(1));
      root.prepend(heads);
    }
    if (!model.rows.length) {
      const nothing = cell("empty", model.empty);
      nothing.setAttribute("role", "option"); // a listbox holds options
      nothing.setAttribute("aria-disabled", "true");
      root.append(nothing);
    }
    mark();
  };

  root.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS) || event.ctrlKey || event.metaKey || event.altKey || !model.rows.length) return;
    event.preventDefault();
    event.stopPropagation();
    const here = model.rows.findIndex((item) => item.id === model.current);
    const next = here < 0 ? 0 : here + STEPS[event.key];
    choose(model.rows[Math.max(0, Math.min(next, model.rows.length - 1))].id);
  });
  model.on(["rows", "heads", "empty", "label"], fill);
  model.on("current", mark);
  model.on("dark", paint);
  paint();
  fill();
  return framed(root, STYLE);
}
