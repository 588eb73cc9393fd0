// A tour of the page: one step after the other in a small dialog, with a light on what it speaks of.

const STORE = "meaviz.tour", GAP = 12;

function* everywhere(root) {
  for (const node of root.querySelectorAll("*")) {
    yield node;
    if (node.shadowRoot) yield* everywhere(node.shadowRoot);
  }
}

function find({selector, starts}) {
  for (const node of everywhere(document)) {
    if (node.matches(selector) && (!starts || node.textContent.trim().startsWith(starts))) {
      const {width, height} = node.getBoundingClientRect();
      if (width > 0 && height > 0) return node;
    }
  }
  return null;
}

function element(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  if (text) made.textContent = text;
  return made;
}

function seen() {
  try { return localStorage.getItem(STORE) !== null; } catch { return true; }
}

function remember() {
  try { localStorage.setItem(STORE, "seen"); } catch { /* storage is off */ }
}

export function render({model, el}) {
  let close = null;

  function start() {
    if (close) return;
    let before = document.activeElement;
    while (before?.shadowRoot?.activeElement) before = before.shadowRoot.activeElement;
    const layer = element("div", "layer");
    const light = element("div", "light");
    const box = element("div", "box");
    for (const [name, value] of Object.entries({
      role: "dialog", "aria-modal": "true", "aria-labelledby": "tour-title", "aria-describedby": "tour-text",
    })) box.setAttribute(name, value);
    const count = element("div", "count"), title = element("h2", "title"), text = element("p", "text");
    title.id = "tour-title";
    text.id = "tour-text";
    const buttons = element("div", "buttons");
    const skip = element("button", "skip", "Skip"), back = element("button", "back", "Back");
    const next = element("button", "next", "Next");
    buttons.append(skip, back, next);
    box.append(count, title, text, buttons);
    layer.append(light, box);
    layer.classList.toggle("dark", model.dark);
    el.append(layer);

    let index = 0, target = null;
    function arrange() {
      const {innerWidth: width, innerHeight: height} = window;
      const own = box.getBoundingClientRect();
      const at = target?.getBoundingClientRect();
      light.hidden = !at;
      if (!at) {
        Object.assign(box.style, {left: `${(width - own.width) / 2}px`, top: `${(height - own.height) / 2}px`});
        layer.classList.add("plain");
        return;
      }
      layer.classList.remove("plain");
      Object.assign(light.style, {
        left: `${at.left - 3}px`, top: `${at.top - 3}px`, width: `${at.width + 6}px`, height: `${at.height + 6}px`,
      });
      const rooms = [ // right, left, below, above: the first with room, else within the target
        [at.right + GAP, at.top, width - at.right], [at.left - GAP - own.width, at.top, at.left],
      ].filter((room) => room[2] > own.width + 2 * GAP);
      const heights = [
        [at.left, at.bottom + GAP, height - at.bottom], [at.left, at.top - GAP - own.height, at.top],
      ].filter((room) => room[2] > own.height + 2 * GAP);
      const [left, top] = rooms[0] ?? heights[0] ?? [at.left + 2 * GAP, at.top + 2 * GAP];
      box.style.left = `${Math.max(GAP, Math.min(left, width - own.width - GAP))}px`;
      box.style.top = `${Math.max(GAP, Math.min(top, height - own.height - GAP))}px`;
    }
    function show(to) {
      index = to;
      const step = model.steps[index];
      target = find(step);
      target?.scrollIntoView?.({block: "nearest", inline: "nearest"});
      count.textContent = `${index + 1} of ${model.steps.length}`;
      title.textContent = step.title;
      text.textContent = step.text;
      back.disabled = index === 0;
      next.textContent = index === model.steps.length - 1 ? "Done" : "Next";
      arrange();
      next.focus();
    }
    function forth() {
      if (index === model.steps.length - 1) close(); else show(index + 1);
    }
    function keys(event) {
      const act = {
        Escape: close, ArrowRight: forth, ArrowLeft: () => index && show(index - 1),
        Tab: () => {
          const stops = [skip, back, next].filter((button) => !button.disabled);
          const here = stops.indexOf(el.getRootNode().activeElement);
          stops.at((here + (event.shiftKey ? -1 : 1)) % stops.length).focus();
        },
      }[event.key];
      if (act) { event.preventDefault(); event.stopPropagation(); act(); }
    }
    const hold = setInterval(() => { // a dialog that closes meanwhile takes the focus, and gives it back elsewhere
      if (!box.contains(el.getRootNode().activeElement)) next.focus();
    }, 100);
    skip.onclick = () => close();
    back.onclick = () => show(index - 1);
    next.onclick = forth;
    document.addEventListener("keydown", keys, true);
    window.addEventListener("resize", arrange);
    close = () => {
      document.removeEventListener("keydown", keys, true);
      clearInterval(hold);
      window.removeEventListener("resize", arrange);
      layer.remove();
      close = null;
      remember();
      before?.focus?.();
    };
    show(0);
  }

  model.on("msg:custom", () => start());
  const waits = setInterval(() => { // until the page is there
    if (!Bokeh.documents.every((doc) => doc.is_idle)) return;
    clearInterval(waits);
    if (!seen()) start();
  }, 500);
  model.on("remove", () => { clearInterval(waits); close?.(); });
}
