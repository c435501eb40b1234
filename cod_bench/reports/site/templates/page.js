const root = document.documentElement;
const button = document.getElementById("theme");
const told = { auto: "as the system", light: "light", dark: "dark" };
function tell() {
  const now = root.dataset.theme || "auto";
  button.querySelector("span").textContent = now;
  button.setAttribute("aria-label", "Colour scheme: " + told[now]);
}
button.addEventListener("click", () => {
  const order = ["auto", "light", "dark"];
  const next = order[(order.indexOf(root.dataset.theme || "auto") + 1) % 3];
  if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
  try { localStorage.setItem("cod-bench-theme", next); } catch (error) { /* not kept */ }
  tell();
});
tell();
