// Rows of thumbnails as buttons; gallery.py describes what they show.
const STYLE = `
  .gallery { font: 12px/1.4 var(--font); color: var(--text); display: flex; flex-wrap: wrap; gap: 10px 26px; }
  .title { font-size: 13px; font-weight: 600; }
  .title span { font-weight: 400; color: var(--muted); margin-left: 6px; }
  .items { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 4px; }
  button { font: inherit; font-size: 11px; color: inherit; background: var(--raised); border: 1px solid var(--border);
    border-radius: 6px; padding: 3px 3px 4px; cursor: pointer; text-align: center; }
  button:hover { border-color: var(--accent); }
  button:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
  button.current { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
  svg { display: block; }`;

function button({row, svg, label, tip}, send) {
  const element = document.createElement("button");
  element.type = "button";
  element.title = tip;
  element.setAttribute("aria-label", tip);
  element.dataset.row = row;
  element.innerHTML = svg; // painted by thumbnail.py from numbers alone
  element.append(label);
  element.addEventListener("click", () => send(row));
  return element;
}

export function render({model}) {
  const root = document.createElement("div"), style = document.createElement("style");
  const gallery = document.createElement("div");
  gallery.className = "gallery";
  style.textContent = STYLE;
  root.append(style, gallery);
  const send = (row) => model.send_msg({row});
  const mark = () => {
    for (const element of gallery.querySelectorAll("button")) {
      const current = Number(element.dataset.row) === model.current;
      element.classList.toggle("current", current);
      element.setAttribute("aria-pressed", current);
    }
  };
  const paint = () => paintTokens(model, root);
  const draw = () => {
    gallery.replaceChildren(...model.sections.map(({title, note, items}) => {
      const section = document.createElement("section"), head = document.createElement("div");
      const row = document.createElement("div"), more = document.createElement("span");
      [head.className, row.className, more.textContent] = ["title", "items", note];
      head.append(title, more);
      row.append(...items.map((item) => button(item, send)));
      section.append(head, row);
      return section;
    }));
    mark();
  };
  paint();
  draw();
  model.on("sections", draw);
  model.on("current", mark);
  model.on("dark", paint);
  return root;
}
