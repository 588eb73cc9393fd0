// Hears the keys of the page before anything else does, and reports those that Python knows.

const FIELDS = "input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable=true]";
const OVERLAYS = "[role=dialog], [role=menu], [role=listbox], [aria-modal=true]";
const MOVED_BY_ARROWS = "input[type=range], input[type=radio], [role=slider], [role=tab], [role=separator], " +
  "[role=application], [role=combobox], [role=radiogroup], [role=grid], .tabulator";
const PRESSED = "button, a[href], [role=button], input[type=checkbox]";

export function name(event) {
  const letter = event.key.length === 1, upper = letter ? event.key.toLowerCase() : event.key;
  const shifted = event.shiftKey && (!letter || event.key.toLowerCase() !== event.key.toUpperCase());
  return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "") + (shifted ? "Shift+" : "") + upper;
}

function taken(event) {
  const path = event.composedPath().filter((node) => node instanceof Element);
  const within = (selector) => path.some((node) => node.matches(selector));
  if (within(FIELDS) || within(OVERLAYS)) return true;
  if (event.key.startsWith("Arrow")) return within(MOVED_BY_ARROWS);
  return (event.key === "Enter" || event.key === " ") && within(PRESSED);
}

export function render({model}) {
  const listen = (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    const key = name(event);
    if (!model.keys.includes(key) || taken(event)) return;
    event.preventDefault();
    event.stopPropagation();
    model.send_msg(key);
  };
  document.addEventListener("keydown", listen, true);
  model.on("remove", () => document.removeEventListener("keydown", listen, true));
}
