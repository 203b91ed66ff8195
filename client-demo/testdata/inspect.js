// Lists what a page lacks that every page must have.
(lang) => {
  const faults = [];
  const say = (text, element) => faults.push(text + (element ? ": " + element.outerHTML.slice(0, 120) : ""));
  const all = (selector) => document.querySelectorAll(selector);

  if (document.documentElement.lang !== lang) say("language " + document.documentElement.lang);
  if (all("h1").length !== 1) say(all("h1").length + " h1");
  if (!document.title) say("no title");
  if (document.documentElement.scrollWidth > innerWidth) say("wider than the window: " + document.documentElement.scrollWidth);
  const ids = [...all("[id]")].map((e) => e.id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => say("id twice: " + id));
  for (const e of all("input:not([type=hidden]), textarea, select")) {
    if (!e.hidden && !e.labels?.length && !e.ariaLabel) say("no label", e);
  }
  for (const e of all("[hidden]")) if (e.checkVisibility()) say("hidden, and yet to be seen", e);
  for (const e of all("a, button")) if (!e.textContent.trim()) say("no text", e);
  for (const name of ["aria-describedby", "aria-labelledby"]) {
    for (const e of all(`[${name}]`)) {
      for (const id of e.getAttribute(name).trim().split(/ +/)) {
        if (!document.getElementById(id)) say("nothing has the id " + id, e);
      }
    }
  }
  const inline = "style, script:not([src]):not([type='application/json']), [style], [onclick]";
  if (document.querySelector(inline)) say("inline style or script");

  // Contrast of text, WCAG 2.2 §1.4.3: at least 4.5.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (c) => 0.2126 * linear(c[0] / 255) + 0.7152 * linear(c[1] / 255) + 0.0722 * linear(c[2] / 255);
  for (const e of all("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
    let behind = e;
    while (behind.parentElement && rgba(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
    const a = light(rgba(getComputedStyle(e).color));
    const g = light(rgba(getComputedStyle(behind).backgroundColor));
    const contrast = (Math.max(a, g) + 0.05) / (Math.min(a, g) + 0.05);
    if (contrast < 4.5 && !e.closest(":disabled")) say("contrast " + contrast.toFixed(2), e);
  }
  return faults;
}
