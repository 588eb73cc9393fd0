// Keeps one text in the browser's storage: what is there comes to Python, what Python sets goes there.

export function render({model}) {
  try {
    const stored = localStorage.getItem(model.key);
    if (stored !== null) model.value = stored;
  } catch { /* storage is off */ }
  model.on("value", () => {
    try {
      if (model.value) localStorage.setItem(model.key, model.value); else localStorage.removeItem(model.key);
    } catch { /* storage is off */ }
  });
}
