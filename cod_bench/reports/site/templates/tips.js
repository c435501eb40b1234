
// What a mark says, on pointing and by keyboard: Tab reaches a panel, arrow keys its marks. Without scripts a mark's
// title says the same.
const tip = document.body.appendChild(made("div", "", { id: "tip", role: "tooltip", hidden: true }));
let spoken;
function hint(mark) {
  spoken = mark;
  tip.textContent = mark.getAttribute("aria-label");
  tip.hidden = false;
  const at = (mark.querySelector("use") || mark).getBoundingClientRect(), own = tip.getBoundingClientRect();
  const middle = at.left + at.width / 2 - own.width / 2;
  const above = at.top - own.height - 8;
  tip.style.left = `${Math.max(6, Math.min(middle, document.documentElement.clientWidth - own.width - 6))}px`;
  tip.style.top = `${above < 6 ? at.bottom + 8 : above}px`;
}
const unhint = () => { tip.hidden = true; };
document.querySelectorAll(".panel > svg").forEach((drawing) => {
  const start = drawing.querySelector("title")?.parentNode;
  if (!start) return;
  drawing.setAttribute("role", "group");
  start.setAttribute("tabindex", "0");
  let marks = [], spots = [];
  function ready() { // a page has thousands of marks, and most panels are never looked at
    if (marks.length) return;
    marks = [...drawing.querySelectorAll("title")].map((title) => {
      const mark = title.parentNode;
      mark.setAttribute("aria-label", title.textContent);
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-describedby", "tip");
      if (mark !== start) mark.setAttribute("tabindex", "-1");
      title.remove();
      return mark;
    });
    spots = marks.map((mark) => mark.querySelector("use"));
  }
  function move(to) {
    marks.forEach((mark) => mark.setAttribute("tabindex", mark === to ? "0" : "-1"));
    to.focus();
  }
  drawing.addEventListener("pointerenter", ready);
  drawing.addEventListener("focusin", (event) => { ready(); if (marks.includes(event.target)) hint(event.target); });
  drawing.addEventListener("focusout", unhint);
  drawing.addEventListener("keydown", (event) => {
    const i = marks.indexOf(event.target);
    const next = { ArrowRight: i + 1, ArrowDown: i + 1, ArrowLeft: i - 1, ArrowUp: i - 1, Home: 0, End: marks.length - 1 }[event.key];
    if (event.key === "Escape") unhint();
    if (i < 0 || next === undefined) return;
    event.preventDefault();
    move(marks[(next + marks.length) % marks.length]);
  });
  drawing.addEventListener("pointermove", (event) => {
    const direct = event.target.closest("[aria-describedby]");
    let best = direct, least = 18;
    spots.forEach((spot, i) => {
      if (!spot) return;
      const at = spot.getBoundingClientRect();
      const far = Math.hypot(at.left + at.width / 2 - event.clientX, at.top + at.height / 2 - event.clientY);
      if (far < least) { least = far; best = marks[i]; }
    });
    if (best) hint(best); else unhint();
  });
  drawing.addEventListener("pointerleave", unhint);
});
// A page that moves takes the words along: the browser scrolls to what gets the focus.
window.addEventListener("scroll", () => {
  if (tip.hidden) return;
  const at = spoken.getBoundingClientRect();
  if (at.bottom < 0 || at.top > innerHeight) unhint(); else hint(spoken);
}, { passive: true });
