// Hears the keys of the page before anything else does, and reports those that Python knows; keeps the focus in a
// dialog and gives it back afterwards, which the toolkit cannot across shadow roots.

const FIELDS = "input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable=true]";
const OVERLAYS = "[role=dialog], [role=menu], [role=listbox]:not([aria-keyshortcuts]), [aria-modal=true], " +
  ".MuiModal-root"; // the paper of a menu has the focus once something was chosen of several
const MOVED_BY_ARROWS = "input[type=range], input[type=radio], [role=slider], [role=tab], [role=separator], " +
  "[role=application], [role=combobox], [role=radiogroup], [role=grid], .tabulator";
// What has keys of its own names them, as for screen readers: they are not the page's while it has the focus
const OWN = "[aria-keyshortcuts]";
const WORDS = {"+": "Plus", " ": "Space"};
const PRESSED = "button, a[href], [role=button], input[type=checkbox]";

export function name(event) {
  const letter = event.key.length === 1, upper = letter ? event.key.toLowerCase() : event.key;
  const shifted = event.shiftKey && (!letter || event.key.toLowerCase() !== event.key.toUpperCase());
  return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "") + (shifted ? "Shift+" : "") + upper;
}

function taken(event, inFields) {
  const path = event.composedPath().filter((node) => node instanceof Element);
  const within = (selector) => path.some((node) => node.matches(selector));
  if ((within(FIELDS) && !inFields) || within(OVERLAYS)) return true;
  const own = path.find((node) => node.matches(OWN))?.getAttribute("aria-keyshortcuts").split(" ") ?? [];
  if (own.includes(WORDS[event.key] ?? event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) return true;
  if (event.key.startsWith("Arrow")) return within(MOVED_BY_ARROWS);
  return (event.key === "Enter" || event.key === " ") && within(PRESSED);
}

const FOCUSABLE = "button:not([disabled]), a[href], input:not([disabled]), select, textarea, [tabindex='0']";

function* everywhere(root) {
  for (const node of root.querySelectorAll("*")) {
    yield node;
    if (node.shadowRoot) yield* everywhere(node.shadowRoot);
  }
}

function focused() {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  return node;
}

function keepInside(event) {
  const dialog = [...everywhere(document)].find((node) => node.matches(".MuiDialog-root [role=dialog]"));
  if (!dialog) return;
  const stops = [...everywhere(dialog)].filter((node) => node.matches(FOCUSABLE) && node.getClientRects().length > 0);
  const here = stops.indexOf(focused()), to = event.shiftKey ? (here < 0 ? 0 : here) - 1 : here + 1;
  event.preventDefault();
  event.stopPropagation();
  stops.at(to % stops.length)?.focus();
}

export function render({model}) {
  let before = null;
  model.on("msg:custom", (message) => {
    if (message === "remember") before = focused(); else before?.focus?.();
  });
  const listen = (event) => {
    if (event.key === "Tab") keepInside(event);
    if (event.isComposing || event.defaultPrevented) return;
    const key = name(event);
    if (!model.keys.includes(key) || taken(event, model.in_fields.includes(key))) return;
    event.preventDefault();
    event.stopPropagation();
    model.send_msg(key);
  };
  document.addEventListener("keydown", listen, true);
  model.on("remove", () => document.removeEventListener("keydown", listen, true));
}
