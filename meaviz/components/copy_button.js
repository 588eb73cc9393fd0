// A button that puts a text into the clipboard and says whether that went well.
const STYLE = `
  button { font: 500 13px/1.6 var(--font); color: var(--accent); background: transparent; cursor: pointer;
    padding: 3px 9px; border: 1px solid color-mix(in srgb, var(--accent) 50%, transparent); border-radius: 4px; }
  button:hover { background: color-mix(in srgb, var(--accent) 8%, transparent); }
  button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  button:disabled { opacity: 0.4; cursor: default; }`;
const SAID = 2000; // ms that the button says what came of it

export function render({model}) {
  const root = document.createElement("div"), button = document.createElement("button");
  let later = 0;
  const say = (words) => {
    button.textContent = words;
    clearTimeout(later);
    later = setTimeout(() => { button.textContent = model.label; }, SAID);
  };
  const byHand = (text) => { // where the page does not come from this machine or over https there is no clipboard
    const field = Object.assign(document.createElement("textarea"), {value: text});
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    button.focus();
    return done;
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(model.text);
      say("Copied");
    } catch {
      say(byHand(model.text) ? "Copied" : "Not allowed here");
    }
  };
  const update = () => { button.disabled = !model.text; };
  button.type = "button";
  button.textContent = model.label;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", copy);
  model.on("text", update);
  model.on("dark", () => paintTokens(model, root));
  model.on("remove", () => clearTimeout(later));
  paintTokens(model, root);
  update();
  root.append(Object.assign(document.createElement("style"), {textContent: STYLE}), button);
  return root;
}
