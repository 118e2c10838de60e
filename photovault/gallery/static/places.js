// The map moves at once; what is on it is asked for when it rests.  The address follows, so that coming back finds the same part.
// Projected degrees as in chart.py: x is the longitude, y the stretched latitude, down.
(() => {
  "use strict";
  const map = document.getElementById("map");
  if (!map) return;
  const sheet = document.getElementById("sheet");
  const ASPECT = 1.5;
  const AROUND = 360;
  const EDGE = 180;
  const LEAST = 0.02;
  const REST = 180; // milliseconds

  const radians = Math.PI / 180;
  const stretched = (latitude) => -Math.asinh(Math.tan(Math.max(-85.051, Math.min(85.051, latitude)) * radians)) / radians;
  const latitude = (y) => -Math.atan(Math.sinh(y * radians)) / radians;
  const turned = (x) => ((((x + EDGE) % AROUND) + AROUND) % AROUND) - EDGE;
  const read = (text) => { const [west, top, width] = text.split(",").map(Number); return { west, top, width }; };

  let view = read(map.dataset.view);
  let resting = 0;
  let drawing = false;

  const clamp = ({ west, top, width }) => {
    const half = Math.max(LEAST, Math.min(AROUND, width)) / 2;
    const reach = EDGE - half / ASPECT;
    const down = Math.max(-reach, Math.min(reach, top + width / ASPECT / 2));
    return { west: turned(west + width / 2 - half), top: down - half / ASPECT, width: 2 * half };
  };
  const place = (one) => {
    const middle = view.west + view.width / 2;
    const x = Number(one.dataset.x);
    const y = one.dataset.y === undefined ? stretched(Number(one.dataset.lat)) : Number(one.dataset.y);
    const left = `${(100 * (x + AROUND * Math.round((middle - x) / AROUND) - view.west)) / view.width}%`;
    const down = `${(100 * (y - view.top) * ASPECT) / view.width}%`;
    for (const circle of one.querySelectorAll("circle")) { circle.setAttribute("cx", left); circle.setAttribute("cy", down); }
    for (const text of one.querySelectorAll("text")) { text.setAttribute("x", left); text.setAttribute("y", down); }
  };
  const draw = () => {
    drawing = false;
    sheet.setAttribute("viewBox", `${view.west} ${view.top} ${view.width} ${view.width / ASPECT}`);
    map.querySelectorAll("[data-x]").forEach(place);
  };
  const address = () => {
    const bottom = view.top + view.width / ASPECT;
    const north = view.top <= LEAST - EDGE ? 90 : latitude(view.top);
    const south = bottom >= EDGE - LEAST ? -90 : latitude(bottom);
    const whole = view.width >= AROUND;
    const box = [whole ? -EDGE : view.west, south, whole ? EDGE : turned(view.west + view.width), north];
    const params = new URLSearchParams(location.search);
    params.set("box", box.map((one) => one.toFixed(5)).join(","));
    return `/places?${params}`;
  };
  const rest = () => {
    const to = address();
    history.replaceState(history.state, "", to);
    htmx.ajax("GET", to, { source: "#marks", target: "#marks", swap: "innerHTML" });
  };
  const look = (next) => {
    view = clamp(next);
    if (!drawing) { drawing = true; requestAnimationFrame(draw); }
    clearTimeout(resting);
    resting = setTimeout(rest, REST);
  };
  const zoom = (factor, x = 0.5, y = 0.5) => {
    const width = Math.max(LEAST, Math.min(AROUND, view.width * factor));
    look({ west: view.west + (view.width - width) * x, top: view.top + ((view.width - width) * y) / ASPECT, width });
  };
  const move = (right, down) => look({ ...view, west: view.west + right * view.width, top: view.top + (down * view.width) / ASPECT });

  // Wheel, drag and pinch.
  const part = (event) => {
    const box = map.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  map.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode ? 24 : 1;
    zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY * lines)) * 0.0035), ...part(event));
  }, { passive: false });

  const fingers = new Map();
  let dragged = false;
  const spread = () => {
    const [one, other] = [...fingers.values()];
    return { x: (one[0] + other[0]) / 2, y: (one[1] + other[1]) / 2, far: Math.hypot(one[0] - other[0], (one[1] - other[1]) / ASPECT) };
  };
  map.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest(".steps")) return;
    if (!fingers.size) dragged = false;
    fingers.set(event.pointerId, part(event));
  });
  map.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = part(event);
    if (!dragged && Math.hypot(now[0] - before[0], now[1] - before[1]) < 0.008) return;
    if (!dragged) { dragged = true; map.setPointerCapture(event.pointerId); map.classList.add("held"); }
    if (fingers.size === 2) {
      const old = spread();
      fingers.set(event.pointerId, now);
      const next = spread();
      move(old.x - next.x, old.y - next.y);
      if (next.far > 0.01) zoom(old.far / next.far, next.x, next.y);
    } else {
      fingers.set(event.pointerId, now);
      move(before[0] - now[0], before[1] - now[1]);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) {
    addEventListener(name, (event) => { fingers.delete(event.pointerId); if (!fingers.size) map.classList.remove("held"); });
  }
  map.addEventListener("dragstart", (event) => event.preventDefault());
  map.addEventListener("dblclick", (event) => { if (!event.target.closest("a")) zoom(0.5, ...part(event)); });

  // Links move the map in place; a drag that ends on a circle opens nothing.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (dragged && event.detail && link.closest(".marks")) { event.preventDefault(); return; }
    const to = link.closest(".steps") ? link.dataset.view : link.dataset.box;
    if (to === undefined) return;
    event.preventDefault();
    look(read(to));
  });
  const STEPS = {
    ArrowLeft: () => move(-0.2, 0), ArrowRight: () => move(0.2, 0), ArrowUp: () => move(0, -0.2), ArrowDown: () => move(0, 0.2),
    "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), "0": () => document.getElementById("step-world").click(),
  };
  map.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step();
  });

  document.body.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.id === "marks") draw(); });
  map.tabIndex = 0;
  map.classList.add("live");
  map.setAttribute("aria-describedby", "keys-hint");
  document.getElementById("keys-hint").hidden = false;
})();
