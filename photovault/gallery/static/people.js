// Keys of the review, and how many faces are ticked.  All of it works without this file.
"use strict";

const typing = (element) => element.closest("input:not([type=checkbox]), textarea, select, dialog, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target)) return;
  if (event.key === " " && event.target.closest("button, a, summary")) return; // it presses what has the focus
  const button = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button) return;
  event.preventDefault();
  event.stopPropagation();
  button.click();
}, true);

// An answer that is sent twice would answer the next question, too.
for (const form of document.querySelectorAll(".answers, .lastly")) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
}
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// The pictures of the next questions are made while this one is looked at.
const next = document.querySelector("[data-next]");
for (const id of next ? next.dataset.next.split(" ").filter(Boolean) : []) new Image().src = `/face/${id}`;

const choosing = document.querySelector(".choosing");
if (choosing) {
  const said = document.getElementById("ticked");
  const tell = () => {
    const count = choosing.querySelectorAll("input:checked").length;
    said.textContent = count ? `${count} ticked` : "";
  };
  choosing.addEventListener("change", tell);
  window.addEventListener("pageshow", tell);
}
