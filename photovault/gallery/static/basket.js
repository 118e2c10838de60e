// Says how much is free in the folder that was chosen, where that is known.
"use strict";
(() => {
  const to = document.getElementById("to");
  const free = document.getElementById("free");
  if (!to || !free) return;
  const known = new Map();
  for (let at = 1; free.hasAttribute(`data-room-${at}`); at += 1) {
    known.set(free.getAttribute(`data-room-${at}`), free.getAttribute(`data-free-${at}`));
  }
  const tell = () => {
    const there = known.get(to.value.trim());
    free.textContent = there ? `${there} are free there.` : "";
  };
  to.addEventListener("input", tell);
})();
