// The browser half of qtutor.explore: unpack the figures of a page, draw them, let the controls choose.
// A classic script without requests, so that a page works from a folder as well as from a server.
(function () {
  "use strict";

  const NARROW = 560; // px; below it the panels of a figure stand one below another
  const GAP = 65535; // the 16-bit code of "no value"
  const INK = "#7f7f7f"; // figures write this where they mean "the colour of the text"
  const LEGEND_ON_TOP = { orientation: "h", x: 0, xanchor: "left", xref: "container", y: 1, yanchor: "top", yref: "container" };
  const exhibits = [];

  // ------------------------------------------------------------------ unpacking (see qtutor/_pack.py)

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const body = new Uint8Array(await new Response(stream).arrayBuffer());
    const start = 4 + new DataView(body.buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(body.subarray(4, start)));
    header.blob = body.subarray(start);
    return header;
  }

  function arrays(where, blob) {
    const { at, count, low, step, log } = where;
    const values = new Float64Array(count);
    for (let i = 0, code = 0; i < count; i++) {
      code = (code + blob[at + i] + 256 * blob[at + count + i]) & 65535;
      const value = low + code * step;
      values[i] = code === GAP ? NaN : log ? Math.exp(value) : value;
    }
    let used = 0;
    return Array.from({ length: where.items }, (_, i) => {
      const [rows, columns] = where.shapes[where.shapes.length > 1 ? i : 0];
      const take = (n) => values.subarray(used, (used += n));
      return columns === undefined ? take(rows) : Array.from({ length: rows }, () => take(columns));
    });
  }

  function figureAt(store, index) {
    const figure = structuredClone(store.base);
    for (const leaf of store.leaves) {
      let place = leaf.over.reduce((sum, axis) => sum * store.shape[axis] + index[axis], 0);
      if (leaf.pick) place = leaf.pick[place];
      if (!Array.isArray(leaf.items)) leaf.items = arrays(leaf.items, store.blob);
      const value = leaf.items[place];
      if (value === null) continue;
      const last = leaf.path.length - 1;
      let node = figure;
      for (let i = 0; i < last; i++) node = node[leaf.path[i]];
      node[leaf.path[last]] = typeof value === "object" && !ArrayBuffer.isView(value) ? structuredClone(value) : value;
    }
    return figure;
  }

  // ------------------------------------------------------------------ the look of the page

  function theme() {
    const style = getComputedStyle(document.documentElement);
    const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
    return {
      ink: read("--pst-color-text-base", "#222"),
      muted: read("--pst-color-text-muted", "#666"),
      line: read("--qt-grid", "rgba(127,127,127,0.25)"),
      paper: read("--pst-color-background", "#fff"),
      family: getComputedStyle(document.body).fontFamily,
    };
  }

  function recolour(node, colour) {
    for (const key in node) {
      if (node[key] === INK) node[key] = colour;
      else if (node[key] && typeof node[key] === "object" && !ArrayBuffer.isView(node[key])) recolour(node[key], colour);
    }
  }

  function dress(figure, width) {
    const { layout, data } = figure;
    const look = theme();
    const narrow = width < NARROW;
    const size = narrow ? 12 : 14;
    const titled = (layout.annotations || []).some((note) => /domain/.test(note.yref));
    recolour(figure, look.muted);
    for (const trace of data) {
      for (const letter of ["x", "y"]) {
        const name = (trace[letter + "axis"] || letter).replace(letter, letter + "axis");
        layout[name] = layout[name] || {};
      }
    }
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      Object.assign(layout[name], { gridcolor: look.line, zerolinecolor: look.line, linecolor: look.muted });
      layout[name].fixedrange = true; // a finger on the figure scrolls the page
      layout[name].automargin = true;
      if (layout[name].type === "log") layout[name].tickfont = { size: size - 2, ...layout[name].tickfont };
      layout[name].exponentformat = layout[name].exponentformat || "power";
      if (typeof layout[name].title === "string") layout[name].title = { text: layout[name].title };
      if (layout[name].title) layout[name].title.font = { size, ...layout[name].title.font, color: look.ink };
    }
    Object.assign(layout, {
      width,
      height: layout.height || 380,
      autosize: false,
      dragmode: false,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { size, ...layout.font, family: look.family, color: look.ink },
      margin: { l: 56, r: 16, t: titled ? 64 : 40, b: 48, ...layout.margin },
      hovermode: layout.hovermode === undefined ? "closest" : layout.hovermode,
      hoverlabel: { ...layout.hoverlabel, bgcolor: look.paper, bordercolor: look.muted, font: { color: look.ink } },
      legend: { ...LEGEND_ON_TOP, ...layout.legend, bgcolor: "rgba(0,0,0,0)" },
    });
    if (narrow) stack(layout, data, width, size);
    return figure;
  }

  // One panel per row: each gets room for its title above and its axis below.
  function stack(layout, data, width, size) {
    const panels = layout.meta.panels || 1;
    const named = data.filter((trace) => trace.showlegend !== false && trace.name && layout.showlegend !== false);
    const entry = 50 + 6.5 * Math.max(0, ...named.map((trace) => trace.name.length));
    const above = 34, below = 54, top = 16 + 20 * Math.ceil(named.length / Math.max(1, Math.floor(width / entry)));
    const names = Array.from({ length: panels }, (_, i) => "axis" + (i ? i + 1 : ""));
    const height = (name) => panelHeight(layout["x" + name] || {}, layout["y" + name] || {}, width);
    const heights = names.map((name) => layout.meta.tall || height(name)); // tall: a list keeps its rows
    const total = heights.reduce((sum, height) => sum + above + height + below, 0);
    layout.margin = { l: 46, r: 8, t: top, b: 0 };
    layout.legend = { ...layout.legend, ...LEGEND_ON_TOP };
    layout.font.size = size;
    layout.height = total + top;
    let head = total;
    names.forEach((name, i) => {
      head -= above + heights[i];
      layout["x" + name] = { ...layout["x" + name], domain: [0, 1] };
      layout["y" + name] = { ...layout["y" + name], domain: [head / total, (head + heights[i]) / total] };
      head -= below;
    });
  }

  // A panel with equal scales is no higher than its picture.
  function panelHeight(x, y, width) {
    const usual = Math.min(260, Math.max(190, width * 0.65));
    if (!y.scaleanchor || !x.range || !y.range) return usual;
    return Math.min(usual, ((width - 54) * (y.range[1] - y.range[0])) / (x.range[1] - x.range[0]));
  }

  // ------------------------------------------------------------------ one figure with its controls

  function exhibit(element) {
    const box = element.querySelector(".qt-plot");
    const caption = element.querySelector(".qt-alt");
    const inputs = [...element.querySelectorAll("[data-control]")];
    const me = { element, drawn: false, durations: [], index: null, figure: null };
    let store = null;
    let changed = 0; // when the reader last moved a control, 0 once it is drawn
    let queued = false;

    me.ready = unpack(JSON.parse(element.querySelector(".qt-data").textContent)).then((header) => {
      store = header;
      me.store = header;
    });
    me.frame = (index) => figureAt(store, index);

    function chosen() {
      return store.controls.map((control) => {
        const mine = inputs.filter((input) => input.dataset.control === control.name);
        if (mine[0].type === "checkbox") return mine[0].checked ? 1 : 0;
        return Number((mine.length > 1 ? mine.find((input) => input.checked) : mine[0]).value);
      });
    }

    function tell() {
      store.controls.forEach((control, k) => {
        const input = inputs.find((candidate) => candidate.dataset.control === control.name);
        const text = control.texts[me.index[k]];
        const output = element.querySelector(`output[for="${input.id}"]`);
        if (output) output.textContent = text;
        if (input.type === "range") input.setAttribute("aria-valuetext", text);
      });
      const alt = me.figure.layout.meta.alt;
      if (caption.textContent !== alt) caption.textContent = alt;
      box.setAttribute("aria-label", alt);
    }

    me.draw = () => {
      queued = false;
      if (!window.Plotly || !store || !box.clientWidth) return Promise.resolve(); // later, or folded away
      const since = changed;
      changed = 0;
      me.index = chosen();
      me.figure = dress(figureAt(store, me.index), box.clientWidth);
      tell();
      const first = !me.drawn;
      if (first) {
        box.textContent = "";
        box.style.minHeight = "";
      }
      me.drawn = true;
      const drawn = Plotly.react(box, me.figure.data, me.figure.layout, { displayModeBar: false, scrollZoom: false, doubleClick: false });
      if (first) box.on("plotly_click", follow);
      return drawn.then(() => since && me.durations.push(performance.now() - since));
    };

    // Many events, one drawing per screen refresh.
    me.redraw = () => {
      if (!queued) requestAnimationFrame(() => me.draw());
      queued = true;
    };

    // A click on a trace with meta.sets moves that control to the value nearest to the point.
    function follow(event) {
      const point = event.points[0];
      const name = point.data.meta && point.data.meta.sets;
      const control = store.controls.find((candidate) => candidate.name === name);
      if (!control) return;
      const distance = control.values.map((value) => Math.abs(value - point.x));
      const input = inputs.find((candidate) => candidate.dataset.control === name);
      input.value = distance.indexOf(Math.min(...distance));
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }

    element.addEventListener("click", (event) => {
      if (event.target.matches(".qt-play")) film(event.target, document.getElementById(event.target.dataset.plays));
    });
    element.addEventListener("input", () => {
      changed = changed || performance.now();
      me.ready.then(me.redraw);
    });
    const controls = element.querySelector(".qt-controls");
    if (controls) controls.hidden = false;
    return me;
  }

  // ------------------------------------------------------------------ all figures of the page

  // Move a slider step by step; a second press, or the end, stops it.
  function film(button, slider) {
    if (button.timer) return stop();
    if (slider.value === slider.max) slider.value = slider.min;
    button.textContent = "stop";
    button.timer = setInterval(() => {
      slider.stepUp();
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      if (slider.value === slider.max) stop();
    }, 200);
    function stop() {
      clearInterval(button.timer);
      button.timer = 0;
      button.textContent = "play";
    }
  }

  function begin() {
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries.filter((candidate) => candidate.isIntersecting)) {
        near.unobserve(entry.target);
        const me = exhibits.find((candidate) => candidate.element === entry.target);
        me.ready.then(me.redraw);
      }
    }, { rootMargin: "400px" });
    const widths = new ResizeObserver((entries) => {
      for (const entry of entries) {
        const me = exhibits.find((candidate) => candidate.element === entry.target);
        if (me.drawn && me.figure.layout.width !== me.element.querySelector(".qt-plot").clientWidth) me.redraw();
      }
    });
    for (const me of exhibits) {
      near.observe(me.element);
      widths.observe(me.element);
    }
    const redrawAll = () => exhibits.filter((me) => me.drawn).forEach((me) => me.redraw());
    new MutationObserver(redrawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    window.addEventListener("beforeprint", () => exhibits.forEach((me) => me.draw()));
  }

  exhibits.push(...[...document.querySelectorAll(".qt-figure")].map(exhibit));
  if (document.readyState === "complete") begin();
  else document.addEventListener("DOMContentLoaded", begin); // after plotly.min.js, which is deferred as well
  window.qtutor = { exhibits };
})();
