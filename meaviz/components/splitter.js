// A bar between two panes: drag it, or focus it and press arrow keys; a double click or Enter puts it back.
// The place is a CSS variable of the page, which reaches every shadow root, and is kept in the browser.

const STORE = "meaviz.panes", STEP = 2; // per cent, or ten pixels each

function stored() {
  try { return JSON.parse(localStorage.getItem(STORE)) ?? {}; } catch { return {}; }
}

function keep(name, value) {
  try { localStorage.setItem(STORE, JSON.stringify({...stored(), [name]: value})); } catch { /* storage is off */ }
}

export function render({model, el, view}) {
  const upright = model.orientation === "vertical";
  const bar = document.createElement("div");
  bar.className = `bar ${model.orientation}`;
  bar.tabIndex = 0;
  for (const [name, value] of Object.entries({
    role: "separator", "aria-orientation": model.orientation, "aria-label": model.label,
    "aria-valuemin": model.low, "aria-valuemax": model.high, title: `${model.label}: drag, or arrow keys; Enter resets`,
  })) bar.setAttribute(name, value);
  el.replaceChildren(bar);

  function place(value) {
    value = Math.min(Math.max(value, model.low), model.high);
    document.documentElement.style.setProperty(`--pane-${model.pane}`, value);
    bar.setAttribute("aria-valuenow", Math.round(value));
    if (model.value !== value) model.value = value;
  }
  function settle(value) {
    place(value);
    keep(model.pane, model.value);
  }
  function under(event) {
    if (model.pixels) return event.clientX - 4;
    const before = view.el.previousElementSibling.getBoundingClientRect();
    const after = view.el.nextElementSibling.getBoundingClientRect();
    const [at, low, high] = upright ? [event.clientX, before.left, after.right] : [event.clientY, before.top, after.bottom];
    return 100 * (at - low) / Math.max(high - low, 1);
  }

  let frame = 0, dragged = null;
  bar.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    bar.setPointerCapture(event.pointerId);
    bar.classList.add("held");
    event.preventDefault();
    bar.focus();
  });
  bar.addEventListener("pointermove", (event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    dragged = under(event);
    frame ||= requestAnimationFrame(() => { frame = 0; place(dragged); });
  });
  bar.addEventListener("lostpointercapture", () => {
    cancelAnimationFrame(frame);
    frame = 0;
    bar.classList.remove("held");
    if (dragged !== null) settle(dragged);
    dragged = null;
  });
  bar.addEventListener("dblclick", () => settle(model.initial));
  bar.addEventListener("keydown", (event) => {
    const step = model.pixels ? 10 * STEP : STEP;
    const to = {
      [upright ? "ArrowLeft" : "ArrowUp"]: model.value - step, [upright ? "ArrowRight" : "ArrowDown"]: model.value + step,
      Home: model.low, End: model.high, Enter: model.initial,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    settle(to);
  });
  const remembered = stored()[model.pane];
  place(typeof remembered === "number" ? remembered : model.initial);
}
