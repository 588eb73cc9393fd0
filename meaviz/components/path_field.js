// A text field for paths with a list of what they may become; the list comes from Python for each text.
const STYLE = `
  .field { position: relative; font: 14px/1.4 var(--font); color: var(--text); padding-top: 7px; }
  label { position: absolute; left: 10px; top: 0; padding: 0 4px; font-size: 12px; line-height: 14px;
    color: var(--muted); background: var(--raised); }
  input { box-sizing: border-box; width: 100%; font: inherit; color: inherit; background: transparent; padding: 8px 12px;
    border: 1px solid var(--muted); border-radius: 4px; outline: none; }
  input:focus { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
  input::placeholder { color: var(--muted); opacity: 1; }
  .offers { position: fixed; inset: auto; margin: 0; padding: 0; box-sizing: border-box; color: inherit; font: inherit;
    border: 1px solid var(--border); border-radius: 4px; background: var(--raised); box-shadow: 0 3px 10px #0005; }
  ul { margin: 0; padding: 4px 0; list-style: none; max-height: 220px; overflow-y: auto; position: relative; }
  li { padding: 3px 12px; cursor: pointer; font-size: 13px; overflow-wrap: anywhere; }
  li[aria-selected="true"] { background: color-mix(in srgb, var(--accent) 18%, transparent); }
  li.folder { font-weight: 600; }
  p { margin: 0; padding: 3px 12px; font-size: 12px; color: var(--muted); }
  [hidden] { display: none; }`;
const PAUSE = 100; // ms without a key before the list is asked for

export function render({model}) {
  const make = (name, within = {}) => Object.assign(document.createElement(name), within);
  const root = make("div", {className: "field"}), label = make("label", {htmlFor: "path"});
  const input = make("input", {id: "path", type: "text", spellcheck: false, autocomplete: "off"});
  const list = make("ul", {id: "offers"}), more = make("p", {hidden: true});
  const box = make("div", {className: "offers", popover: "manual"}); // over the page: nothing below it moves
  const attributes = {role: "combobox", "aria-autocomplete": "list", "aria-controls": "offers", "aria-expanded": "false"};
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Completions");
  let offers = [], active = -1, waiting = 0;

  const paint = () => paintTokens(model, root);
  const mark = (to) => {
    active = to;
    [...list.children].forEach((row, at) => {
      row.setAttribute("aria-selected", String(at === active));
      if (at === active) list.scrollTop = Math.min(row.offsetTop, Math.max(list.scrollTop,
        row.offsetTop + row.offsetHeight - list.clientHeight)); // scrollIntoView moves the page too
    });
    if (active < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `offer-${active}`);
  };
  const show = (found, left = 0) => {
    if (!box.isConnected || (!found.length && !offers.length)) return;
    offers = found;
    list.replaceChildren(...offers.map((offer, at) => {
      const row = make("li", {id: `offer-${at}`, className: offer.folder ? "folder" : "", textContent: offer.name});
      row.setAttribute("role", "option");
      row.addEventListener("mousedown", (event) => { event.preventDefault(); take(offer); });
      return row;
    }));
    const open = offers.length > 0, {left: x, bottom, width} = input.getBoundingClientRect();
    Object.assign(box.style, {left: `${x}px`, top: `${bottom + 2}px`, width: `${width}px`});
    if (box.matches(":popover-open") !== open) box[open ? "showPopover" : "hidePopover"]();
    more.hidden = !offers.length || !left;
    more.textContent = `and ${left.toLocaleString("en")} more: type on`;
    input.setAttribute("aria-expanded", String(open));
    mark(-1);
  };
  const ask = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => model.send_msg({type: "complete", text: input.value}), PAUSE);
  };
  const take = (offer) => {
    input.value = model.value = offer.text;
    show([]);
    if (offer.folder) ask();
  };
  const common = () => offers.map((offer) => offer.text).reduce((a, b) => {
    let same = 0;
    while (same < a.length && a[same] === b[same]) same++;
    return a.slice(0, same);
  });

  input.addEventListener("input", () => { model.value = input.value; ask(); });
  input.addEventListener("blur", () => { clearTimeout(waiting); show([]); });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    const open = offers.length > 0;
    if (event.key === "ArrowDown" && !open) ask();
    else if (event.key === "ArrowDown") mark((active + 1) % offers.length);
    else if (event.key === "ArrowUp" && open) mark((active <= 0 ? offers.length : active) - 1);
    else if (event.key === "Escape" && open) show([]);
    else if (event.key === "Tab" && open && !event.shiftKey) {
      if (active >= 0 || offers.length === 1) take(offers[Math.max(active, 0)]);
      else if (common().length > input.value.length) { input.value = model.value = common(); ask(); }
      else mark(0);
    } else if (event.key === "Enter" && active >= 0) take(offers[active]);
    else if (event.key === "Enter") { clearTimeout(waiting); show([]); model.send_msg({type: "enter", text: input.value}); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const scrolled = (event) => { if (!event.composedPath().includes(list)) show([]); };
  document.addEventListener("scroll", scrolled, true);
  model.on("remove", () => document.removeEventListener("scroll", scrolled, true));
  model.on("msg:custom", (found) => {
    if (found.text === input.value && root.getRootNode().activeElement === input) {
      show(found.offers.filter((offer) => offer.text !== input.value), found.more); // a whole path needs no list
    }
  });
  model.on("value", () => { if (input.value !== model.value) input.value = model.value; });
  model.on("dark", paint);
  label.textContent = model.label;
  input.placeholder = model.placeholder;
  input.value = model.value;
  paint();
  root.append(make("style", {textContent: STYLE}), label, input, box);
  box.append(list, more);
  return root;
}
