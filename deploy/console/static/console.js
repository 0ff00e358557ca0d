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

document.addEventListener("htmx:load", (event) => dress(event.target));
for (const button of $("[data-theme-switch]")) button.hidden = false;
dress(document);
