// Keeps one text in the browser's storage: what is there comes to Python, what Python sets goes there.

export function render({model}) {
  const storage = () => model.tab ? sessionStorage : localStorage;
  try {
    const stored = storage().getItem(model.key);
    if (stored !== null) model.value = stored;
  } catch { /* storage is off */ }
  model.on("value", () => {
    try {
      if (model.value) storage().setItem(model.key, model.value); else storage().removeItem(model.key);
    } catch { /* storage is off */ }
  });
}
