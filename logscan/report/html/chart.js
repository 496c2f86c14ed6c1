"use strict";
// Draws what happened when: records over time, and the calls of volumes.  All of it is text and positions.
(() => {
  const source = document.getElementById("data");
  const chart = document.getElementById("chart");
  if (!source || !chart) return;
  const data = JSON.parse(source.textContent);
  const HIGH = 60; // px of the tallest bar of warnings and errors
  const LOW = 22; // px of the tallest bar of all records
  const TOP = 16; // px of the tallest bar of failed calls
  const SHORTEST = 20; // ms that can fill the whole width
  const FEW = 12; // volumes that are shown unless more are asked for

  const make = (name, kind, text = "") => {
    const node = document.createElement(name);
    node.className = kind;
    node.textContent = text;
    return node;
  };
  const number = (value) => value.toLocaleString("en");
  const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
  const iso = (time) => new Date(time).toISOString();
  const clock = (time) => `${iso(time).slice(0, 10)} ${iso(time).slice(11, 23)}`;
  const length = (ms) => {
    if (ms < 1) return "less than 1 ms";
    if (ms < 1e3) return `${Math.round(ms)} ms`;
    if (ms < 6e4) return `${(ms / 1e3).toFixed(1)} s`;
    const minutes = Math.round(ms / 6e4);
    return minutes < 60 ? `${Math.floor(ms / 6e4)} min ${Math.floor((ms / 1e3) % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };

  // ------------------------------------------------------------ what there is to show

  const rows = []; // {node, items, volume}; an item: {node, start, end, lines}
  const bars = data.bars.map(([time, info, warning, error, fatal, failed]) => ({
    start: time, end: time + data.width, info, warning, error, fatal, failed,
    bad: warning + error + fatal, all: info + warning + error + fatal,
  }));
  const volumes = data.volumes.map((volume) => ({
    ...volume,
    calls: volume.calls.map(([method, outcome, start, end, attempt, code, node, text, place]) => ({
      method, outcome, attempt, code, node, text, place, begun: start !== null,
      start: start ?? end, end: end ?? start,
    })).filter((call) => call.start !== null),
  }));
  const spans = [...bars, ...volumes.flatMap((volume) => volume.calls)];
  if (!spans.length) return;
  let first = spans.reduce((least, one) => Math.min(least, one.start), Infinity);
  let last = spans.reduce((most, one) => Math.max(most, one.end), -Infinity);
  const margin = Math.max((last - first) * 0.015, SHORTEST / 2);
  first -= margin;
  last += margin;
  let from = first;
  let to = last;

  // ------------------------------------------------------------ the frame

  const tools = make("div", "tools");
  const legend = make("div", "legend");
  const keys = (title, entries) => {
    if (!entries.length) return;
    const list = make("ul", "");
    for (const [kind, text] of entries) {
      const item = make("li", "");
      item.append(make("span", `swatch ${kind}`), make("span", "", text));
      list.append(item);
    }
    const group = make("div", "");
    group.append(make("span", "", title), list);
    legend.append(group);
  };
  const most = (field) => bars.reduce((value, bar) => Math.max(value, bar[field]), 0);
  const known = new Set(volumes.flatMap((volume) => volume.calls.map((call) => call.outcome)));
  keys("Records:", [["fatal", "fatal"], ["error", "error"], ["warning", "warning"], ["all", "all"]].filter(([field]) => most(field)));
  keys("Calls:", Object.entries(data.outcomes).filter(([outcome]) => known.has(outcome)).map(([outcome, text]) => [`call ${outcome}`, text.split(":")[0]]));
  const zoom = make("div", "zoom");
  const button = (text, label, act) => {
    const node = make("button", "", text);
    node.type = "button";
    node.setAttribute("aria-label", label);
    node.addEventListener("click", act);
    zoom.append(node);
    return node;
  };
  button("−", "Zoom out", () => scale(2));
  button("+", "Zoom in", () => scale(0.5));
  const reset = button("All", "All: the whole time", () => look(first, last));
  tools.append(legend, zoom);

  const plot = make("div", "plot");
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", "Chart over time. Arrow keys go from mark to mark, plus and minus zoom, 0 shows all.");
  const lane = (kind) => {
    const node = make("div", `lane ${kind}`);
    const name = make("div", "name");
    const track = make("div", "track");
    node.append(name, track);
    plot.append(node);
    return { node, name, track };
  };
  const mark = (kind, lines) => {
    const node = make("button", kind);
    node.type = "button";
    node.tabIndex = -1;
    node.setAttribute("aria-label", lines.join(", "));
    return node;
  };

  // ------------------------------------------------------------ records

  if (bars.length) {
    const { node, name, track } = lane("records");
    const bad = most("bad");
    const all = most("all");
    const failed = most("failed");
    node.classList.toggle("unfailed", !failed);
    node.classList.toggle("calm", !failed && !bad);
    if (failed) name.append(make("span", "fails", `Failed calls (up to ${number(failed)})`));
    name.append(
      make("span", "over", bad ? `Warnings, errors (up to ${number(bad)})` : "Warnings, errors (none)"),
      make("span", "under", `All records (up to ${number(all)})`),
    );
    const items = bars.map((bar) => {
      const lines = [clock(bar.start), count(bar.all, "record")];
      for (const [field, noun] of [["warning", "warning"], ["error", "error"], ["fatal", "fatal record"]]) if (bar[field]) lines.push(count(bar[field], noun));
      if (bar.failed) lines.push(count(bar.failed, "failed call"));
      const item = mark("bar", lines);
      let height = 0;
      for (const field of ["warning", "error", "fatal"]) {
        if (!bar[field]) continue;
        const part = make("span", `part ${field}`);
        const size = Math.max(2, (bar[field] / bad) * HIGH);
        part.style.bottom = `${LOW + 4 + height}px`;
        part.style.height = `${size}px`;
        height += size;
        item.append(part);
      }
      const part = make("span", "part all");
      part.style.height = `${Math.max(1, (bar.all / all) * LOW)}px`;
      item.append(part);
      if (bar.failed) {
        const mark = make("span", "part fail");
        mark.style.height = `${Math.max(3, (bar.failed / failed) * TOP)}px`;
        item.append(mark);
      }
      track.append(item);
      return { node: item, start: bar.start, end: bar.end, lines };
    });
    rows.push({ node, items });
  }
  const axis = lane("axis");

  // ------------------------------------------------------------ calls

  for (const volume of volumes) {
    const { node, name, track } = lane("volume");
    const filter = document.getElementById("filters");
    const label = make(filter ? "button" : "span", "label", volume.label);
    label.title = volume.name;
    if (filter) {
      label.type = "button";
      label.setAttribute("aria-label", `Show only what concerns ${volume.label}`);
      label.addEventListener("click", () => {
        const field = document.getElementById("f-text");
        field.value = field.value === volume.label ? "" : volume.label;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      });
    }
    name.append(label);
    if (volume.leftOut) name.append(make("span", "left", `and ${count(volume.leftOut, "more call")}`));
    const items = volume.calls.map((call) => {
      const lines = [`${call.method}, attempt ${number(call.attempt)}`, data.outcomes[call.outcome] + (call.code ? ` (${call.code})` : "")];
      lines.push(clock(call.start) + (call.begun && call.end > call.start ? `, for ${length(call.end - call.start)}` : ""));
      if (call.text) lines.push(call.text);
      if (call.node) lines.push(`on ${call.node}`);
      if (call.place) lines.push(call.place);
      const item = mark(`call ${call.outcome}`, [volume.label, ...lines]);
      track.append(item);
      return { node: item, start: call.start, end: call.end, lines };
    });
    const search = [volume.name, volume.label, ...volume.calls.map((call) => `${call.method} ${call.node} ${call.text} ${call.place}`)].join("\n").toLowerCase();
    rows.push({ node, items, volume, search });
  }
  const items = rows.flatMap((row) => row.items);

  // ------------------------------------------------------------ looking closer

  const STEPS = [1, 5, 10, 50, 100, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5];
  const ticks = () => {
    axis.track.replaceChildren();
    const width = axis.track.clientWidth || 600;
    const least = ((to - from) * 92) / width;
    let step = STEPS.find((one) => one >= least) ?? 864e5;
    while (step < least) step *= 2;
    const [start, end] = step < 1e3 ? [11, 23] : step < 6e4 ? [11, 19] : step < 864e5 ? [11, 16] : [0, 10];
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const at = ((time - from) / (to - from)) * 100;
      const tick = make("span", "tick", iso(time).slice(start, end));
      tick.style.left = `${at}%`;
      if ((at / 100) * width + 8 * (end - start) > width) tick.classList.add("at-end");
      axis.track.append(tick);
    }
    const days = [iso(from).slice(0, 10), iso(to).slice(0, 10)];
    axis.name.textContent = days[0] === days[1] ? days[0] : `${days[0]} to ${days[1]}`;
  };
  const draw = () => {
    for (const { node, start, end } of items) {
      const out = end < from || start > to;
      if (node.hidden !== out) node.hidden = out;
      if (out) continue;
      const left = Math.max(0, (start - from) / (to - from));
      const right = Math.min(1, (end - from) / (to - from));
      node.style.left = `${left * 100}%`;
      node.style.width = `${(right - left) * 100}%`;
    }
    ticks();
    reset.disabled = from === first && to === last;
    chart.dataset.from = from;
    chart.dataset.to = to;
  };
  const look = (start, end) => {
    const span = Math.min(Math.max(end - start, SHORTEST), last - first);
    from = Math.min(Math.max((start + end - span) / 2, first), last - span);
    to = from + span;
    hide();
    draw();
  };
  const scale = (factor, at = 0.5) => {
    const middle = from + (to - from) * at;
    look(middle - (middle - from) * factor, middle + (to - middle) * factor);
  };
  const share = (event) => {
    const box = axis.track.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  plot.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // a page must scroll
    event.preventDefault();
    scale(event.deltaY > 0 ? 1.25 : 0.8, share(event));
  }, { passive: false });

  // A stretch that is drawn over fills the whole width.
  const choice = make("div", "choice");
  choice.hidden = true;
  let pressed = null;
  plot.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType === "mouse" && event.target.closest(".track")) pressed = share(event);
  });
  window.addEventListener("pointermove", (event) => {
    if (pressed === null) return;
    const [left, right] = [pressed, share(event)].sort((one, other) => one - other);
    const box = axis.track.getBoundingClientRect();
    choice.hidden = (right - left) * box.width < 6;
    choice.style.left = `${box.left - plot.getBoundingClientRect().left + left * box.width}px`;
    choice.style.width = `${(right - left) * box.width}px`;
  });
  window.addEventListener("pointerup", (event) => {
    if (pressed === null) return;
    const [left, right] = [pressed, share(event)].sort((one, other) => one - other);
    pressed = null;
    if (choice.hidden) return;
    choice.hidden = true;
    look(from + (to - from) * left, from + (to - from) * right);
  });

  // ------------------------------------------------------------ what a mark says

  const tip = make("div", "tip");
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // a mark's own label says the same
  let told = null;
  const hide = () => {
    tip.hidden = true;
    told = null;
  };
  const tell = (item) => {
    told = item;
    tip.replaceChildren(...item.lines.map((line, index) => make("p", index ? "" : "head", line)));
    tip.hidden = false;
    const box = item.node.getBoundingClientRect();
    const own = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(box.left + box.width / 2 - own.width / 2, innerWidth - own.width - 8))}px`;
    const above = box.top - own.height - 8;
    tip.style.top = `${above > 56 ? above : box.bottom + 8}px`;
  };
  const of = new Map(items.map((item) => [item.node, item]));
  const found = (event) => of.get(event.target.closest?.(".bar, .call"));
  for (const name of ["pointerover", "focusin", "click"]) plot.addEventListener(name, (event) => {
    const item = found(event);
    if (item && choice.hidden) tell(item);
  });
  for (const name of ["pointerout", "focusout"]) plot.addEventListener(name, hide);
  // What the keyboard came to stays told while the page moves to it.
  window.addEventListener("scroll", () => (told?.node === document.activeElement ? tell(told) : hide()), { passive: true });

  // ------------------------------------------------------------ by keyboard

  let current = null; // the item that Tab comes to
  const stop = (item) => {
    if (current) current.node.tabIndex = -1;
    current = item;
    if (current) current.node.tabIndex = 0;
  };
  const go = (item) => {
    if (!item) return;
    stop(item);
    if (item.end < from || item.start > to) {
      const half = (to - from) / 2;
      look(item.start - half, item.start + half);
    }
    item.node.focus({ preventScroll: true });
    item.node.scrollIntoView({ block: "nearest" });
    tell(item);
  };
  const shown = () => rows.filter((row) => !row.node.hidden && row.items.length);
  plot.addEventListener("focusin", (event) => {
    const item = found(event);
    if (item) stop(item);
  });
  plot.addEventListener("keydown", (event) => {
    const item = found(event);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const all = shown();
    const place = all.findIndex((row) => row.items.includes(item));
    const row = all[place]?.items ?? [];
    const index = row.indexOf(item);
    const nearest = (other) => other?.items.reduce((best, one) => (Math.abs(one.start - item.start) < Math.abs(best.start - item.start) ? one : best));
    const acts = {
      "+": () => scale(0.5), "=": () => scale(0.5), "-": () => scale(2), 0: () => look(first, last), Escape: hide,
      ...(item && {
        ArrowRight: () => go(row[index + 1]), ArrowLeft: () => go(row[index - 1]),
        Home: () => go(row[0]), End: () => go(row[row.length - 1]),
        ArrowDown: () => go(nearest(all[place + 1])), ArrowUp: () => go(nearest(all[place - 1])),
      }),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
    if (item && !item.node.hidden && event.key !== "Escape") of.get(document.activeElement) && tell(of.get(document.activeElement));
  });

  // ------------------------------------------------------------ with the rest of the page

  const rest = make("button", "rest");
  rest.type = "button";
  let few = true;
  const curtail = (fit) => {
    let shown = 0;
    for (const row of rows) {
      if (!row.volume) continue;
      shown += row.fits;
      row.node.hidden = !row.fits || (few && shown > FEW);
    }
    rest.hidden = fit <= FEW || !few;
    rest.textContent = `Show all ${number(fit)} volumes`;
  };
  rest.addEventListener("click", () => {
    const next = rows.find((row) => row.fits && row.node.hidden);
    few = false;
    curtail(0);
    go(next.items[0]);
  });
  document.addEventListener("filtered", (event) => {
    const { levels, fits, text } = event.detail;
    const named = text && rows.some((row) => row.search?.includes(text));
    let fit = 0;
    for (const row of rows) {
      if (!row.volume) continue;
      const level = row.volume.findings.some((one) => levels.has(one));
      const said = !text || (named ? row.search.includes(text) : row.volume.findings.some((one) => fits.has(one)));
      row.fits = level && said;
      fit += row.fits;
    }
    curtail(fit);
    if (!current || current.node.closest(".lane").hidden) stop(shown()[0]?.items[0] ?? null);
  });
  new ResizeObserver(ticks).observe(plot);
  chart.append(tools, plot, rest, tip);
  plot.append(choice);
  chart.hidden = false;
  stop(shown()[0]?.items[0] ?? null);
  draw();
})();
