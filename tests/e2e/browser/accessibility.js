// What a page breaks of WCAG 2.2 AA as far as a program can see it; one sentence for each finding.
() => {
  const found = [];
  const say = (what, element) => found.push(`${what}: <${element.tagName.toLowerCase()}> ${
    (element.getAttribute("name") || element.id || element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 60)}`);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && element.getClientRects().length > 0;
  const reached = (ids) => (ids || "").split(/\s+/).filter(Boolean).map((id) => document.getElementById(id));

  // Structure: 1.3.1, 2.4.1, 2.4.2, 2.4.6, 3.1.1, 4.1.2
  if (!document.documentElement.lang) found.push("no language");
  if (!document.title.trim()) found.push("no title");
  if (all("main").length !== 1) found.push("not exactly one main landmark");
  if (!all("h1").length) found.push("no heading of level 1");
  let level = 0;
  for (const one of all("h1,h2,h3,h4,h5,h6")) {
    const now = Number(one.tagName[1]);
    if (now > level + 1) say("heading skips a level", one);
    level = now;
  }
  const ids = all("[id]").map((one) => one.id);
  for (const id of new Set(ids.filter((one, n) => ids.indexOf(one) !== n))) found.push(`id twice: ${id}`);
  for (const one of all("[aria-labelledby],[aria-describedby]"))
    for (const kind of ["aria-labelledby", "aria-describedby"])
      if (reached(one.getAttribute(kind)).includes(null)) say(`${kind} names nothing`, one);
  for (const one of all("th")) if (!one.scope) say("table heading without scope", one);
  for (const one of all("iframe")) if (!one.title) say("frame without a title", one);
  for (const one of all("svg"))
    if (one.getAttribute("aria-hidden") !== "true" && !(one.getAttribute("role") === "img"
      && (one.getAttribute("aria-label") || one.querySelector("title") || one.hasAttribute("aria-labelledby"))))
      say("picture without a text", one);

  // Contrast of text 1.4.3, of borders of fields 1.4.11
  const numbers = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const rgb = numbers(getComputedStyle(one).backgroundColor);
      if (rgb.length === 3 || (rgb.length === 4 && rgb[3] === 1)) return rgb;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !shown(element) || element.closest("option,title,desc,[disabled]")) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ink = numbers(element.closest("svg") ? style.fill : style.color);
    const got = ratio(ink, behind(element));
    if (got < (large ? 3 : 4.5)) say(`contrast ${got.toFixed(2)}`, element);
  }
  const fields = all("input:not([type=hidden]),select,textarea").filter(shown);
  for (const one of fields.filter((field) => !["checkbox", "radio"].includes(field.type))) {
    const got = ratio(numbers(getComputedStyle(one).borderTopColor), behind(one.parentElement));
    if (got < 3) say(`border contrast ${got.toFixed(2)}`, one);
  }

  // Target size 2.5.8: 24 by 24, or a circle of 24 that meets no other target; links within text are exempt
  const targets = all("a[href],button,summary,input:not([type=hidden]),select,textarea").filter(shown);
  const inText = (one) => one.tagName === "A" && getComputedStyle(one).display === "inline"
    && [...one.parentElement.childNodes].some((other) => other !== one && other.nodeType === 3 && other.textContent.trim());
  const box = (one) => (one.labels?.length && ["checkbox", "radio"].includes(one.type) ? one.labels[0] : one)
    .getBoundingClientRect();
  const small = targets.filter((one) => { const b = box(one); return (b.width < 24 || b.height < 24) && !inText(one); });
  for (const one of small) {
    const b = box(one), x = b.left + b.width / 2, y = b.top + b.height / 2;
    const near = targets.some((other) => {
      if (other === one || inText(other) || other.contains(one) || one.contains(other)) return false;
      const o = box(other);
      const dx = Math.max(o.left - x, 0, x - o.right), dy = Math.max(o.top - y, 0, y - o.bottom);
      return Math.hypot(dx, dy) < 12;
    });
    if (near) say(`target ${Math.round(b.width)}×${Math.round(b.height)} with another one near`, one);
  }

  // Reflow 1.4.10
  const wide = document.scrollingElement.scrollWidth - innerWidth;
  if (wide > 0) found.push(`scrolls sideways by ${wide} pixels`);
  return found;
}
