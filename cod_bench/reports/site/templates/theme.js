(function () {
  const root = document.documentElement;
  root.classList.add("scripted-page");
  try {
    const kept = localStorage.getItem("cod-bench-theme");
    if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  } catch (error) { /* storage is off: the system's scheme stands */ }
})();
