// A banner while the server does not answer. It is asked every second or two whether it is there and still knows this
// page; then the page goes on where it was.

const PAUSE = 1500, SLOWEST = 15000;  // ms between two attempts, at first and at last
const PATIENCE = 8000;  // ms for an answer: a process that was stopped takes the question and gives none
const GONE = "The server does not answer. What you see stays, but nothing is computed or kept. It is tried again by " +
  "itself; if it was ended, start meaviz again.";
const FORGOTTEN = "The server is back, but it no longer knows this page. What was kept is on its disk: load the page " +
  "anew.";
const LOCKED = "The server is back, with a new token or without your login. Open the address that meaviz printed, or " +
  "log in again.";
const BACK = "The server is back, and this page goes on where it was. Load it anew if something looks out of date.";
const TRIES = 5;  // to take the session up again
const CSS = `
  .lost { position: fixed; z-index: 3000; inset: 0 0 auto 0; display: flex; gap: 16px; align-items: center;
    justify-content: center; padding: 10px 16px; font: 15px/1.4 inherit; background: #7a1f1f; color: #fff }
  .lost.back { background: #1e5c34 }
  .lost button { font: inherit; color: inherit; background: none; border: 1px solid; border-radius: 4px;
    padding: 4px 12px; cursor: pointer; white-space: nowrap }
  .lost button:focus-visible { outline: 3px solid #fff }`;

export function render({model, view}) {
  const root = document.createElement("div"), style = document.createElement("style");
  style.textContent = CSS;
  let banner = null, asking = null, tries = 0;

  function say(words, kind, action) {
    banner?.remove();
    banner = document.createElement("div");
    banner.className = `lost ${kind}`;
    banner.setAttribute("role", "alert");
    banner.append(words);
    if (action) {
      const button = document.createElement("button");
      button.textContent = action;
      button.addEventListener("click", () => location.reload());
      banner.append(button);
    }
    root.append(banner);
  }

  async function ask(connection, pause) {
    asking = null;
    let status = 0;
    try {
      const answer = await fetch(new URL(`session/${connection.id}`, location.href),
        {cache: "no-store", signal: AbortSignal.timeout(PATIENCE)});
      status = answer.status;
    } catch { /* nobody answers */ }
    if (status === 200 && ++tries <= TRIES) {
      // Bokeh would replace the whole document, and cannot where that holds arrays: the session is the same, so it stays
      connection._repull_session_doc = async (resolve) => resolve(connection.session);
      connection.reconnect();
      wait(connection, pause);  // until "client_reconnected" says that it worked
    } else if (status === 410 || status === 200) say(FORGOTTEN, "", "Load anew");
    else if (status === 403) say(LOCKED, "", "Load anew");
    else wait(connection, Math.min(pause * 1.3, SLOWEST));
  }

  function wait(connection, pause) {
    clearTimeout(asking);
    asking = setTimeout(() => ask(connection, pause), pause);
  }

  view.model.document.on_event("connection_lost", (_, event) => {
    const connection = event.connection.deref();
    if (!connection) return;
    if (!banner?.isConnected || banner.classList.contains("back")) say(GONE, "");
    if (asking === null) wait(connection, PAUSE);
  });
  view.model.document.on_event("client_reconnected", () => {
    clearTimeout(asking);
    asking = null;
    tries = 0;
    say(BACK, "back", "Load anew");
    const told = banner;
    setTimeout(() => { told.remove(); if (banner === told) banner = null; }, 8000);
  });
  root.append(style);
  document.body.append(root);  // above everything, whatever holds this component
  model.on("remove", () => root.remove());
  return document.createElement("div");
}
