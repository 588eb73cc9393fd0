// What several components share: this text stands before the text of each of them.

/** An element of a class that shows text as it stands. */
function cell(name, text) {
  const element = document.createElement("div");
  element.className = name;
  element.textContent = text;
  return element;
}

/** Give an element the colours of the theme as variables. */
function paintTokens(model, root) {
  for (const [token, value] of Object.entries(model.esm_constants[model.dark ? "dark" : "light"]))
    root.style.setProperty("--" + token, value);
}

/** Scroll a list to a row of it; scrollIntoView moves the page too. */
function reveal(list, row) {
  const top = row.offsetTop - list.offsetTop, bottom = top + row.offsetHeight;
  const heads = list.querySelector(".heads")?.offsetHeight ?? 0;
  if (top - heads < list.scrollTop) list.scrollTop = top - heads;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

/** An element and its style, as high as the component. */
function framed(root, css) {
  const frame = document.createElement("div"), style = document.createElement("style");
  frame.style.height = "100%";
  style.textContent = css;
  frame.append(style, root);
  return frame;
}

