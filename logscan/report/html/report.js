"use strict";
(() => {
  const PAGE = 25; // findings shown at a time
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);

  // ------------------------------------------------------------ copying

  const written = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // An older browser, or a page that is not trusted with the clipboard.
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "skip";
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };

  for (const button of all("button.copy")) {
    button.hidden = false;
    let timer = 0;
    button.addEventListener("click", async () => {
      const done = await written(button.parentElement.querySelector("code").textContent);
      button.textContent = done ? "Copied" : "Failed";
      button.className = done ? "copy done" : "copy failed";
      button.focus();
      clearTimeout(timer);
      timer = setTimeout(() => {
        button.textContent = "Copy";
        button.className = "copy";
      }, 1600);
    });
  }

  // ------------------------------------------------------------ filtering and paging

  const findings = all(".finding").map((node) => ({
    node,
    number: Number(node.id.slice(1)), // of a diagnosis
    severity: node.dataset.severity,
    components: node.dataset.component.split(" "),
    paged: !node.classList.contains("shape"),
    text: null, // in lower case, read when it is first looked for
  }));
  const form = by("filters");
  const more = by("more");
  let limit = PAGE;

  const chosen = () => {
    if (!form) return { text: "", level: () => true };
    const component = by("f-component").value;
    const severities = new Set(all("input[type=checkbox]", form).filter((box) => box.checked).map((box) => box.value));
    return {
      text: by("f-text").value.trim().toLowerCase(),
      level: (one) => severities.has(one.severity) && (!component || one.components.includes(component)),
    };
  };

  const show = () => {
    const { text, level } = chosen();
    const levels = new Set();
    const fits = new Set();
    let number = 0;
    let paged = 0;
    for (const one of findings) {
      let fit = level(one);
      if (fit && one.paged) levels.add(one.number);
      if (fit && text) {
        one.text ??= one.node.textContent.toLowerCase();
        fit = one.text.includes(text);
      }
      number += fit;
      if (fit && one.paged) {
        fits.add(one.number);
        paged += 1;
      }
      const visible = fit && (!one.paged || paged <= limit);
      if (one.node.hidden === visible) one.node.hidden = !visible;
    }
    let chunks = 0;
    for (const chunk of all(".chunk")) {
      chunk.hidden = !all("tr.finding", chunk).some((row) => !row.hidden);
      chunks += !chunk.hidden;
    }
    for (const title of all(".further")) title.hidden = !chunks;
    if (more) {
      more.hidden = paged <= limit;
      more.textContent = `Show ${Math.min(PAGE, paged - limit)} more of ${paged.toLocaleString("en")}`;
    }
    if (form) by("f-count").textContent = `${number.toLocaleString("en")} of ${findings.length.toLocaleString("en")} finding${findings.length === 1 ? "" : "s"}`;
    document.dispatchEvent(new CustomEvent("filtered", { detail: { levels, fits, text } }));
  };

  // A link to a finding that is not shown yet shows it.
  const reveal = () => {
    const target = location.hash.length > 1 && by(location.hash.slice(1));
    if (!target || !target.hidden) return;
    form?.reset();
    const index = findings.filter((one) => one.paged).findIndex((one) => one.node === target);
    limit = Math.max(limit, Math.ceil((index + 1) / PAGE) * PAGE);
    show();
    target.scrollIntoView();
  };

  if (form) {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      limit = PAGE;
      show();
    });
  }
  more?.addEventListener("click", () => {
    const first = findings.find((one) => one.paged && one.node.hidden);
    limit += PAGE;
    show();
    first?.node.scrollIntoView({ block: "nearest" });
  });
  // What scrolls sideways can be reached by keyboard; what fits is no stop on the way.
  const reachable = () => {
    for (const one of all(".scroll")) one.toggleAttribute("tabindex", false);
    for (const one of all(".scroll").filter((box) => box.scrollWidth > box.clientWidth)) one.tabIndex = 0;
  };
  window.addEventListener("resize", reachable);
  document.addEventListener("toggle", reachable, true);
  window.addEventListener("hashchange", reveal);
  // Paper has no hands: what is folded is printed open, and folded again.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = all(".card details:not([open]), details.shape:not([open])");
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
  show();
  reveal();
  reachable();
})();
