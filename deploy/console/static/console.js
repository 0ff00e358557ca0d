// What the pages need beside htmx: local times, copy buttons, keys and the theme. Everything else works without it.

const $ = (selector, root = document) => [...root.querySelectorAll(selector)];

function dress(root) {
  for (const time of $("time.local", root)) {
    time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
  for (const button of $("[data-copy]", root)) button.hidden = !navigator.clipboard;
}

function row(step) {
  const rows = $("table.list tbody tr");
  const at = rows.findIndex((one) => one.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
  next?.querySelector("a")?.focus();
}

let chord = false;
const keys = {
  "/": () => document.getElementById("search").focus(),
  j: () => row(1),
  k: () => row(-1),
  n: () => document.querySelector("[data-news]")?.click(),
  "?": () => document.getElementById("keys").showModal(),
  g: () => { chord = true; setTimeout(() => { chord = false; }, 1000); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  const link = chord && document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
  chord = false;
  const does = link ? () => link.click() : keys[event.key];
  if (does) { event.preventDefault(); does(); }
});

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    navigator.clipboard.writeText(copy.dataset.copy);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1200);
  }
  if (event.target.closest("[data-theme-switch]")) {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  }
});

// A live stream is closed while nobody looks at it (a browser has six connections to a host), and while a form is open.
// It is opened again afterwards, and then says what has happened meanwhile. The extension sees one source all the time.
const streams = new Set();
const typing = "input:not([type=search]), select, textarea";
const quiet = () => document.hidden || document.activeElement?.matches(typing)
  || document.querySelector("dialog[open], details[open] form, input[form]:checked, [sse-swap] details[open]") !== null;

class QuietSource {
  constructor(url) { this.url = url; this.heard = []; streams.add(this); this.look(); }
  look() {
    if (quiet()) { this.source?.close(); this.source = null; } else if (!this.source) this.open();
  }
  open() {
    this.source = new EventSource(this.url);
    this.source.onopen = (event) => this.onopen?.(event);
    this.source.onerror = (event) => {
      if (this.readyState === EventSource.CLOSED) streams.delete(this);  // the extension makes another one
      this.onerror?.(event);
    };
    for (const [name, hears] of this.heard) this.source.addEventListener(name, hears);
  }
  get readyState() { return this.source?.readyState ?? EventSource.CONNECTING; }
  addEventListener(name, hears) { this.heard.push([name, hears]); this.source?.addEventListener(name, hears); }
  removeEventListener(name, hears) {
    this.heard = this.heard.filter(([one, other]) => one !== name || other !== hears);
    this.source?.removeEventListener(name, hears);
  }
  close() { streams.delete(this); this.source?.close(); }
}

let looks;
function look() {
  clearTimeout(looks);
  looks = setTimeout(() => streams.forEach((one) => one.look()), document.hidden ? 0 : 200);
}
htmx.createEventSource = (url) => new QuietSource(url);
for (const name of ["visibilitychange", "focusin", "focusout", "change", "toggle", "close"]) document.addEventListener(name, look, true);

// What a person points at, has selected or has the focus in is not replaced.
document.addEventListener("htmx:sseBeforeMessage", (event) => {
  const part = event.target, selected = getSelection();
  if (part.matches("[data-part]") && ((part !== document.activeElement && part.contains(document.activeElement)) || (!selected.isCollapsed && part.contains(selected.anchorNode)))) {
    event.preventDefault();
  }
});

// The button of what is new goes away with the list that it replaces: the focus stays in the list.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "list" && document.activeElement === document.body) event.target.focus({ preventScroll: true });
});

document.addEventListener("htmx:load", (event) => dress(event.target));
for (const button of $("[data-theme-switch]")) button.hidden = false;
dress(document);
