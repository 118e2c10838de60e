// The gallery's own script.  Pages work without it; with it a timeline loads what somebody looks at, keys move between photos,
// and many can be chosen at once.  It sends nothing anywhere but to the server that this page is from.
"use strict";
(() => {
  const $ = (what, within = document) => within.querySelector(what);
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const csrf = $('meta[name="csrf"]')?.content ?? "";
  const at = new URLSearchParams(location.search).get("at") ?? "";
  const bar = () => ($(".bar")?.offsetHeight ?? 0) + (innerWidth > 640 ? ($(".notice.past")?.offsetHeight ?? 0) : 0);
  const words = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["X-CSRF-Token"] = csrf;
  });

  // Photos leave the screen when the gallery is locked or ended: also those that the browser shows again out of its memory.
  const awake = async () => {
    const answer = await fetch("/awake?poll=1", { headers: { "HX-Request": "true" } }).catch(() => null);
    if (answer?.status !== 204) location.reload();
  };
  if ($(".bar")) {
    setInterval(awake, 20_000);
    addEventListener("pageshow", (event) => { if (event.persisted) awake(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) awake(); });
  }

  let saying = 0;
  const say = (text) => {
    $("#said").textContent = text;
    clearTimeout(saying);
    saying = setTimeout(() => { $("#said").textContent = ""; }, 5000);
  };

  // ---- The timeline: an empty list is a part that was not fetched; its height is a guess until it is.

  const timeline = $("#timeline");
  const near = new Set();
  const waiting = new Map();
  const AT_ONCE = 3;
  const SETTLED = 80;
  const KEEP = 60;

  const measures = () => {
    const style = getComputedStyle(document.documentElement);
    const page = getComputedStyle(timeline.parentElement);
    const width = timeline.parentElement.clientWidth - parseFloat(page.paddingLeft) - parseFloat(page.paddingRight);
    return { width, row: parseFloat(style.getPropertyValue("--row")), gap: parseFloat(style.getPropertyValue("--gap")) };
  };
  // Rows are filled to a whole width, so they come out a little higher than they were asked to be.
  const guess = (count, { width, row, gap }) => {
    const tile = 1.4 * row + gap;
    const rows = Math.max(1, Math.ceil((count * tile) / width));
    return rows * (row * Math.min(1.6, width / Math.max(tile, width - tile / 2)) + gap) - gap;
  };
  const facts = (part) => part.dataset.p.split(",").map(Number);
  const shown = (part) => part.classList.contains("shown");

  const estimate = () => {
    const now = measures();
    for (const part of all(".part:not(.shown)", timeline)) part.style.height = `${Math.round(guess(facts(part)[2], now))}px`;
  };

  // What is at the top of the window stays there, whatever becomes of what is above it.
  const steady = (change) => {
    const top = bar() + 12;
    const seen = document.elementFromPoint(timeline.getBoundingClientRect().left + 24, top)?.closest(".tile, .part, .month");
    const held = seen && timeline.contains(seen) ? seen : null;
    if (!held || window.scrollY < 4) return change();
    const box = held.getBoundingClientRect();
    const part = held.classList.contains("part") ? held : null;
    const share = part && box.height ? (top - box.top) / box.height : 0;
    change();
    const after = part ? span(part) : held.getBoundingClientRect();
    const moved = part ? after.top + share * after.height - top : after.top - box.top;
    if (Math.abs(moved) >= 1) window.scrollBy({ top: moved, behavior: "instant" });
    return undefined;
  };
  // A part that is shown has no box of its own.
  const span = (part) => {
    if (!shown(part) || !part.firstElementChild) return part.getBoundingClientRect();
    const first = part.firstElementChild.getBoundingClientRect();
    return { top: first.top, height: part.lastElementChild.getBoundingClientRect().bottom - first.top };
  };

  const put = (part, text) => {
    steady(() => {
      part.innerHTML = text;
      part.style.height = "";
      part.classList.remove("is-loading");
      part.classList.add("shown");
      const before = part.previousElementSibling;
      const after = part.nextElementSibling;
      // In order, rows go on; a part above one that is looked at does not move its rows.
      if (before && shown(before)) before.classList.add("joined");
      if (after && shown(after)) after.classList.add("apart");
      rove(part);
    });
    drop();
  };

  const load = (part) => {
    if (shown(part)) return Promise.resolve();
    const already = waiting.get(part);
    if (already) return already.done;
    const stop = new AbortController();
    const [first, last] = facts(part);
    part.classList.add("is-loading");
    const address = `/part?${new URLSearchParams({ ...(at && { at }), first, last })}`;
    const done = fetch(address, { headers: { "HX-Request": "true" }, signal: stop.signal })
      .then(async (answer) => {
        if (answer.status === 401 || answer.status === 423) return location.reload();
        const text = await answer.text();
        if (!answer.ok) throw new Error("not answered");
        return put(part, text);
      })
      .catch((error) => {
        if (error.name === "AbortError") return;
        part.classList.remove("is-loading");
        near.delete(part);
        say("Some photos could not be loaded. Is the gallery still running? Load the page again.");
      })
      .finally(() => { waiting.delete(part); more(); });
    waiting.set(part, { stop, done });
    return done;
  };

  // The one nearest to the middle of the window first, and only a few at once: what somebody scrubs past is never asked for.
  let settling = 0;
  const soon = () => { clearTimeout(settling); settling = setTimeout(more, SETTLED); };
  const more = () => {
    const middle = innerHeight / 2;
    const away = (part) => {
      const box = part.getBoundingClientRect();
      return box.top > middle ? box.top - middle : Math.max(0, middle - box.bottom);
    };
    const wanted = [...near].filter((part) => !shown(part) && !waiting.has(part)).map((part) => [away(part), part]);
    wanted.sort((one, other) => one[0] - other[0]);
    for (const [, part] of wanted.slice(0, Math.max(0, AT_ONCE - waiting.size))) load(part);
  };

  // Far away parts are let go again, so that a long walk does not fill the memory; never one with something chosen in it.
  const drop = () => {
    const here = all(".part.shown", timeline);
    if (here.length <= KEEP) return;
    const far = (part) => Math.abs(span(part).top - innerHeight / 2);
    const out = here.map((part) => [far(part), part]).sort((one, other) => other[0] - one[0]);
    steady(() => {
      for (const [, part] of out.slice(0, here.length - KEEP)) {
        if (near.has(part) || $(".pick:checked", part) || part.contains(document.activeElement)) continue;
        const height = span(part).height;
        part.replaceChildren();
        part.classList.remove("shown", "joined", "apart");
        part.style.height = `${Math.round(height)}px`;
        part.previousElementSibling?.classList.remove("joined");
        part.nextElementSibling?.classList.remove("apart");
        watch.observe(part);
      }
    });
  };

  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting && !shown(target)) near.add(target);
      else {
        near.delete(target);
        if (!shown(target)) waiting.get(target)?.stop.abort();
      }
    }
    soon();
  }, { rootMargin: "130% 0px" });

  const year = (month) => month.id.slice(0, 4);
  const goto = (month) => {
    const section = document.getElementById(month);
    if (!section || !timeline.contains(section)) return false;
    section.scrollIntoView({ block: "start", behavior: "instant" });
    const first = $(".part", section);
    if (first && !shown(first)) { near.add(first); load(first); }
    return true;
  };

  const scrubber = () => {
    const years = $(".years");
    const pick = $("#yearpick");
    if (!years) return;
    const links = all("a", years);
    const months = all(".month", timeline);
    const bubble = $("output", years);
    for (const one of all("li", years)) one.style.flexGrow = one.dataset.count;
    const spoken = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
    const weights = months.map((month) => all(".part", month).reduce((sum, part) => sum + facts(part)[2], 0));
    const byYear = new Map();
    months.forEach((month, place) => {
      const list = byYear.get(year(month)) ?? [];
      list.push([month, weights[place]]);
      byYear.set(year(month), list);
    });
    const monthAt = (y) => {
      const items = all("li", years);
      const item = items.find((one) => one.getBoundingClientRect().bottom > y) ?? items.at(-1);
      const box = item.getBoundingClientRect();
      const list = byYear.get(item.textContent.trim()) ?? [];
      let left = Math.max(0, (y - box.top) / box.height) * list.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [month, weight] of list) { left -= weight; if (left < 0) return month; }
      return list.at(-1)?.[0];
    };
    let dragging = false;
    let moved = false;
    let last = null;
    const drag = (event) => {
      const month = monthAt(event.clientY);
      bubble.hidden = false;
      bubble.style.top = `${event.clientY - years.getBoundingClientRect().top}px`;
      if (!month || month === last) return;
      last = month;
      bubble.textContent = /^\d{4}-\d\d$/.test(month.id) ? spoken.format(new Date(`${month.id}-01`)) : month.id;
      month.scrollIntoView({ block: "start", behavior: "instant" });
    };
    const position = getComputedStyle(years).position;
    years.addEventListener("pointerdown", (event) => {
      if (event.button || position !== "fixed") return;
      dragging = true;
      moved = false;
      last = null;
    });
    addEventListener("pointermove", (event) => {
      if (!dragging) return;
      if (!moved) { moved = true; years.classList.add("dragging"); years.setPointerCapture?.(event.pointerId); }
      drag(event);
    });
    addEventListener("pointerup", () => {
      if (!dragging) return;
      dragging = false;
      years.classList.remove("dragging");
      bubble.hidden = true;
      if (moved && last) goto(last.id);
    });
    years.addEventListener("dragstart", (event) => event.preventDefault());
    years.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (moved || !link) { if (moved) event.preventDefault(); moved = false; return; }
      if (goto(link.hash.slice(1))) event.preventDefault();
    });
    years.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const next = step && links[links.indexOf(document.activeElement) + step];
      if (!next) return;
      event.preventDefault();
      event.stopPropagation();
      next.focus();
      goto(next.hash.slice(1));
    });
    pick?.addEventListener("change", () => goto(pick.value));
    let marking = false;
    const mark = () => {
      marking = false;
      const top = bar() + 40;
      let low = 0;
      let high = months.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (months[middle].getBoundingClientRect().top <= top) low = middle; else high = middle - 1;
      }
      for (const link of links) {
        if (link.textContent.trim() === year(months[low])) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
      const option = pick && [...pick.options].find((one) => one.value.slice(0, 4) === year(months[low]));
      if (option) pick.value = option.value;
    };
    addEventListener("scroll", () => { if (!marking) { marking = true; requestAnimationFrame(mark); } }, { passive: true });
    mark();
  };

  // Which month the address names; what is quoted wrongly names none.
  const asked = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } };

  // Where somebody was, for coming back to it: a part and how far down in it; no name of anything.
  const remember = () => {
    const middle = innerHeight / 3;
    const part = all(".part", timeline).find((one) => { const box = span(one); return box.top + box.height > middle; });
    if (part) history.replaceState({ part: part.dataset.p, up: span(part).top }, "");
  };
  const comeBack = async () => {
    const state = history.state;
    const part = state?.part && all(".part", timeline).find((one) => one.dataset.p === state.part);
    if (!part) return goto(asked());
    part.scrollIntoView({ block: "start", behavior: "instant" });
    await load(part);
    window.scrollBy({ top: span(part).top - state.up, behavior: "instant" });
    return true;
  };

  const begin = () => {
    history.scrollRestoration = "manual";
    estimate();
    for (const part of all(".part:not(.shown)", timeline)) watch.observe(part);
    comeBack();
    requestAnimationFrame(() => setTimeout(scrubber)); // photos first
    addEventListener("hashchange", () => goto(asked()));
    addEventListener("pagehide", remember);
    document.addEventListener("visibilitychange", () => { if (document.hidden) remember(); });
    addEventListener("scroll", () => { if (near.size) soon(); }, { passive: true });
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      steady(estimate);
    });
  };

  // ---- Choosing photos.

  const form = $("#pick");
  const picks = () => all(".pick").filter((box) => box.form === form);
  const chosen = () => picks().filter((box) => box.checked);
  let anchor = null;

  const recount = () => {
    const count = chosen().length;
    document.documentElement.classList.toggle("picking", count > 0);
    $("#picked-count").textContent = count ? `${count.toLocaleString("en")} selected` : "";
  };
  const clear = () => { for (const box of chosen()) box.checked = false; anchor = null; recount(); };
  const between = async (one, other) => {
    if (timeline) {
      const parts = all(".part", timeline);
      const [low, high] = [one, other].map((box) => parts.indexOf(box.closest(".part"))).sort((a, b) => a - b);
      await Promise.all(parts.slice(low, high + 1).map(load));
    }
    const boxes = picks();
    const [low, high] = [boxes.indexOf(one), boxes.indexOf(other)].sort((a, b) => a - b);
    return low < 0 ? [other] : boxes.slice(low, high + 1);
  };
  const choose = async (box, on, range) => {
    const boxes = range && anchor?.isConnected ? await between(anchor, box) : [box];
    for (const one of boxes) one.checked = on;
    anchor = box;
    recount();
  };
  const chooseMonth = async (tile) => {
    const month = tile.closest(".month") ?? tile.closest(".grid");
    await Promise.all(all(".part", month).map(load));
    const boxes = all(".pick", month).filter((box) => box.form === form);
    const on = !boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = on;
    recount();
  };

  const basket = async (which, what) => {
    const body = new URLSearchParams(what);
    const answer = await fetch(which, { method: "POST", body, headers: { "HX-Request": "true", "X-CSRF-Token": csrf } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) {
      say(page.body.textContent.trim().replace(/\s+/g, " ").slice(0, 300) || "That did not work. Load the page again.");
      return false;
    }
    const count = $("#basket-count", page);
    if (count) $("#basket-count")?.replaceWith(count);
    return true;
  };
  const addChosen = async () => {
    const count = chosen().length;
    if (!count || !(await basket("/basket/add", new FormData(form)))) return;
    say(`${words(count, "photo")} added to the basket`);
    clear();
  };

  const choosing = () => {
    document.addEventListener("click", (event) => {
      const box = event.target.closest(".pick");
      if (!box || box.form !== form) return;
      choose(box, box.checked, event.shiftKey);
    });
    form.addEventListener("submit", (event) => { event.preventDefault(); addChosen(); });
    form.addEventListener("reset", (event) => { event.preventDefault(); clear(); });
    document.addEventListener("htmx:afterSwap", () => { rove(document); recount(); });
    recount();
  };

  // ---- Moving between photos: a grid is one stop of the Tab key, arrows move inside it.

  const linkOf = (tile) => $(":scope > a", tile);
  const rove = (within) => {
    if (document.querySelector(".tile > a.current") === null) {
      const first = $(".tile > a");
      if (first) current(first);
    }
    for (const link of all(".tile > a:not(.current)", within)) {
      link.tabIndex = -1;
      const box = $(".pick", link.parentElement);
      if (box) box.tabIndex = -1;
    }
  };
  const current = (link) => {
    for (const old of all(".tile > a.current")) {
      old.classList.remove("current");
      old.tabIndex = -1;
      const box = $(".pick", old.parentElement);
      if (box) box.tabIndex = -1;
    }
    link.classList.add("current");
    link.tabIndex = 0;
    const box = $(".pick", link.parentElement);
    if (box) box.tabIndex = 0;
  };
  const focus = (tile) => {
    const link = linkOf(tile);
    if (!link) return;
    current(link);
    link.focus({ preventScroll: true });
    const box = tile.getBoundingClientRect();
    const top = bar() + 48;
    if (box.top < top) window.scrollBy({ top: box.top - top, behavior: "instant" });
    else if (box.bottom > innerHeight - 80) window.scrollBy({ top: box.bottom - innerHeight + 80, behavior: "instant" });
  };
  const tiles = () => all(".tile").filter((tile) => linkOf(tile));
  const aside = (tile, step) => { const every = tiles(); return every[every.indexOf(tile) + step]; };
  const vertical = (tile, down) => {
    const box = tile.getBoundingClientRect();
    const middle = box.left + box.width / 2;
    const every = tiles();
    const place = every.indexOf(tile);
    let best = null;
    let row = null;
    for (let n = place + down; n >= 0 && n < every.length; n += down) {
      const other = every[n].getBoundingClientRect();
      if (down > 0 ? other.top < box.bottom - 2 : other.bottom > box.top + 2) continue;
      row ??= other.top;
      if (Math.abs(other.top - row) > 6) break;
      const away = Math.abs(other.left + other.width / 2 - middle);
      if (!best || away < best[0]) best = [away, every[n]];
    }
    return best?.[1];
  };
  const edge = (tile, last) => {
    const every = all(".tile", tile.closest(".month") ?? tile.closest(".grid")).filter((one) => linkOf(one));
    return last ? every.at(-1) : every[0];
  };
  const moves = {
    ArrowLeft: (tile) => aside(tile, -1), ArrowRight: (tile) => aside(tile, 1),
    ArrowUp: (tile) => vertical(tile, -1), ArrowDown: (tile) => vertical(tile, 1),
    Home: (tile) => edge(tile, false), End: (tile) => edge(tile, true),
  };

  const isTyping = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog, video") !== null;
  const inGrid = async (event, tile) => {
    const move = moves[event.key];
    if (move && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      let to = move(tile);
      if (!to && timeline && (event.key === "ArrowDown" || event.key === "ArrowRight")) {
        const parts = all(".part", timeline);
        const next = parts[parts.indexOf(tile.closest(".part")) + 1];
        if (next) { await load(next); to = move(tile); }
      }
      if (to) focus(to);
    } else if ((event.key === "x" || event.key === "X") && !event.ctrlKey && !event.metaKey) {
      const box = $(".pick", tile);
      if (box && box.form === form) { event.preventDefault(); choose(box, event.shiftKey || !box.checked, event.shiftKey); }
    } else if (event.key === "a" && (event.ctrlKey || event.metaKey) && $(".pick", tile)) {
      event.preventDefault();
      chooseMonth(tile);
    }
  };

  const keys = $("#keys");
  const everywhere = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?" && keys) { event.preventDefault(); keys.showModal(); }
    else if (event.key === "/") {
      event.preventDefault();
      const text = $("#ask-text");
      if (text) { text.focus(); text.select(); } else location.href = `/search${at ? `?${new URLSearchParams({ at })}` : ""}#ask`;
    } else if (event.key === "Escape" && chosen().length) clear();
    else if (event.key === "b" && chosen().length) addChosen();
    else if (event.key === "b") all(".pick:checked").find((box) => box.form?.getAttribute("action") === "/basket/add")?.form.requestSubmit();
    else if (moves[event.key] && event.key.startsWith("Arrow") && document.activeElement === document.body && !stage) {
      const first = tiles().find((tile) => tile.getBoundingClientRect().top > bar());
      if (first) { event.preventDefault(); focus(first); }
    }
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isTyping(event.target)) return;
    const tile = event.target.closest(".tile");
    if (tile) inGrid(event, tile);
    if (!event.defaultPrevented) everywhere(event);
  });
  document.addEventListener("focusin", (event) => {
    const link = event.target.closest(".tile > a");
    if (link) current(link);
  });

  // ---- One photo.

  const stage = $("#stage");
  const cannot = async (image) => {
    image.hidden = true;
    $("#cannot").hidden = false;
    $("#why").textContent = "This photo cannot be shown.";
    const answer = await fetch(image.src, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer || answer.ok) return;
    const said = all("p", new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (said.length) $("#why").replaceChildren(...said);
  };
  const onePhoto = () => {
    const image = $("#preview");
    if (image) {
      const look = () => { image.classList.remove("loading"); if (image.complete && !image.naturalWidth) cannot(image); };
      if (image.complete) look();
      else {
        image.classList.add("loading");
        image.addEventListener("load", look);
        image.addEventListener("error", look);
      }
    }
    const go = (which) => { const link = $(which, stage); if (link) location.replace(link.href); };
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "ArrowLeft") go(".newer");
      else if (event.key === "ArrowRight") go(".older");
      else if (event.key === "Escape") $("#back").click();
    });
    let from = null;
    stage.addEventListener("touchstart", (event) => { from = event.touches.length === 1 ? event.touches[0] : null; }, { passive: true });
    stage.addEventListener("touchend", (event) => {
      const to = event.changedTouches[0];
      if (!from || !to || event.target.closest("video")) return;
      const [x, y] = [to.clientX - from.clientX, to.clientY - from.clientY];
      if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) go(x < 0 ? ".older" : ".newer");
      from = null;
    }, { passive: true });
    const motion = $("#motion");
    motion?.addEventListener("click", (event) => {
      event.preventDefault();
      const playing = $("video", stage);
      if (playing) { playing.remove(); $("span", motion).textContent = "Play motion"; return; }
      const film = document.createElement("video");
      Object.assign(film, { src: motion.href, controls: true, autoplay: true, loop: true });
      film.setAttribute("aria-label", "The moving part of this photo");
      film.addEventListener("error", () => { film.remove(); $("span", motion).textContent = "Play motion"; say("This browser cannot play it. Download the file below."); });
      stage.append(film);
      $("span", motion).textContent = "Stop motion";
    });
    $("#basket-form")?.addEventListener("submit", async (event) => {
      event.preventDefault();
      const it = event.target;
      const path = new URL(it.action).pathname;
      if (!(await basket(path, new FormData(it)))) return;
      const added = path.endsWith("/add");
      say(added ? "Added to the basket" : "Taken out of the basket");
      it.action = added ? "/basket/remove" : "/basket/add";
      $("button span", it).textContent = added ? "Remove from basket" : "Add to basket";
      $("button", it).classList.toggle("primary", !added);
    });
  };

  const showKeys = $("#show-keys");
  if (showKeys) {
    showKeys.hidden = false;
    showKeys.addEventListener("click", () => keys.showModal());
  }
  const nav = $(".nav");
  if (nav) {
    $("[aria-current]", nav)?.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });
    // Views fade out on the side where there are more of them.
    const edges = () => {
      nav.classList.toggle("before", nav.scrollLeft > 4);
      nav.classList.toggle("after", nav.scrollLeft + nav.clientWidth < nav.scrollWidth - 4);
    };
    nav.addEventListener("scroll", edges, { passive: true });
    addEventListener("resize", edges);
    edges();
  }
  // A picture that does not come leaves its place empty.
  const lost = (image) => { if (image.complete && !image.naturalWidth) image.classList.add("lost"); };
  document.addEventListener("error", ({ target }) => { if (target.tagName === "IMG") lost(target); }, true);
  all("img[src]").forEach(lost);
  if (location.hash === "#ask") $("#ask-text")?.focus();
  if (form) choosing();
  if (timeline) begin();
  if (stage) onePhoto();
  rove(document);
})();
