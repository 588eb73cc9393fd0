// Browsers start no workers for pages that are opened as files. There the search runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.title = "search"
      this.ready = new Promise((begun) => document.addEventListener("DOMContentLoaded", begun, { once: true }))
      if (document.readyState !== "loading") this.ready = Promise.resolve()
      this.ready.then(() => document.body.append(frame)).then(() => {
        this.inside = frame.contentWindow
        // the script answers by postMessage to whom it takes for its page: the frame's own window
        this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
        this.inside.importScripts = (...scripts) =>
          scripts.reduce((before, script) => before.then(() => load(this.inside.document, script)), Promise.resolve())
        return load(this.inside.document, address)
      }).then(() => {
        for (const data of this.waiting) this.tell(data)
        this.waiting = null
      })
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data)
      else this.tell(data)
    }

    tell(data) {
      this.inside.dispatchEvent(new MessageEvent("message", { data }))
    }

    terminate() {}
  }

  function load(page, address) {
    return new Promise((loaded, failed) => {
      const script = page.createElement("script")
      script.src = address
      script.onload = loaded
      script.onerror = failed
      page.body.append(script)
    })
  }
}
