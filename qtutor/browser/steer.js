// The browser half of qtutor.steer: the reader draws u(t) and sees at once where the state ends.
// A classic script without requests; in a notebook it comes inside the output, possibly more than once.
(function () {
  "use strict";

  const instances = (window.qtutorSteer && window.qtutorSteer.instances) || [];
  const march = window.qtutorMarch; // scheme.js
  const LEFT = 44, RIGHT = 10, ABOVE = 30, BELOW = 40; // px around the axes of a panel

  // ------------------------------------------------------------------ numbers and axes

  const densities = (re, im) => Array.from(re, (value, i) => value * value + im[i] * im[i]);
  const text = (value) => String(Number(value.toPrecision(3))).replace("-", "−");
  const loss = (overlap) => {
    const value = Math.max(0, 1 - overlap);
    return value < 1e-5 ? "below 0.00001" : value.toFixed(value < 0.01 ? 5 : 3);
  };

  // The ladder 1, 2, 5, 10, … : its first rung that is not below `value`.
  function rung(value) {
    const decade = 10 ** Math.floor(Math.log10(value));
    return decade * [1, 2, 5, 10].find((factor) => factor * decade >= value * (1 - 1e-9));
  }

  function ticks(low, high, count) {
    const step = rung((high - low) / count);
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
  }

  const label = (where, words, more = "") => `<text x="${where[0]}" y="${where[1]}" ${more}>${words}</text>`;
  const line = (kind, points, more = "") =>
    `<path class="${kind}" ${more} d="M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}"/>`;
  const box = (kind, x, y, width, height) =>
    `<rect class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}"/>`;

  // Axes of a panel as markup, and the way from numbers to pixels.
  function axes(svg, [left, right], [low, high], title, below) {
    const width = svg.clientWidth, height = svg.clientHeight, foot = height - BELOW;
    const px = (x) => LEFT + ((x - left) / (right - left)) * (width - LEFT - RIGHT);
    const py = (y) => foot - ((y - low) / (high - low)) * (foot - ABOVE);
    const across = ticks(left, right, 5).map((x) =>
      line("grid", [[px(x), ABOVE], [px(x), foot]]) + label([px(x), foot + 16], text(x), 'text-anchor="middle"'));
    const up = ticks(low, high, 5).map((y) =>
      line("grid", [[LEFT, py(y)], [width - RIGHT, py(y)]]) + label([LEFT - 6, py(y) + 4], text(y), 'text-anchor="end"'));
    const names = label([LEFT, 17], title, 'class="title"') + label([(LEFT + width - RIGHT) / 2, height - 5], below, 'text-anchor="middle"');
    const edge = line("axis", [[LEFT, ABOVE], [LEFT, foot], [width - RIGHT, foot]]);
    return { px, py, width, height, markup: across.join("") + up.join("") + edge + names };
  }

  // ------------------------------------------------------------------ one figure

  function start(element) {
    const setup = JSON.parse(element.querySelector(".qt-steer-data").textContent);
    const { dt, steps, limit, target } = setup;
    const field = Object.fromEntries([...element.querySelectorAll("[data-steer]")].map((one) => [one.dataset.steer, one]));
    const svg = Object.fromEntries([...element.querySelectorAll("[data-panel]")].map((one) => [one.dataset.panel, one]));
    const caption = element.querySelector(".qt-alt");
    const me = { element, setup, u: new Float64Array(steps), durations: [] };
    let reference = null; // the last preset of the author that the reader has picked
    let last = null; // where the pen was, [step, u], while it is down
    let changed = 0, queued = false;
    const state = () => setup.states[Number(field.state.value)];
    const controlOf = (preset) => preset.u[Number(field.state.value) % preset.u.length];
    const name = (preset) => preset.name.charAt(0).toUpperCase() + preset.name.slice(1);
    const stairs = (to, u) => Array.from(u, (v, k) => [[to.px(k * dt), to.py(v)], [to.px((k + 1) * dt), to.py(v)]]).flat();
    const curve = (to, values) => Array.from(values, (v, k) => [to.px(k * dt), to.py(v)]);
    const dashed = (points) => line("reference", points, `style="stroke:${reference.colour}"`);

    // A title's key: a short piece of the line, then what it is.
    function key(to, from, kind, words, style = "") {
      const x = Math.max(from, to.width - RIGHT - 34 - 7 * words.length);
      return line(kind, [[x, 13], [x + 26, 13]], style) + label([x + 32, 17], words);
    }

    function drawControl() {
      const to = axes(svg.u, [0, steps * dt], [-limit, limit], "control u(t)", "time t");
      const k = field.step.value - 1, wide = to.px(dt) - to.px(0), foot = to.height - BELOW;
      let inside = box("chosen", to.px(k * dt), ABOVE, wide, foot - ABOVE) + line("zero", [[LEFT, to.py(0)], [to.width - RIGHT, to.py(0)]]);
      if (reference) inside += dashed(stairs(to, controlOf(reference))) + key(to, 130, "reference", reference.name, `style="stroke:${reference.colour}"`);
      inside += line("ours", stairs(to, me.u)) + `<circle class="dot" r="5" cx="${to.px((k + 0.5) * dt)}" cy="${to.py(me.u[k])}"/>`;
      if (me.u.every((v) => v === 0)) inside += label([(LEFT + to.width) / 2, ABOVE + 28], "draw here", 'class="hint" text-anchor="middle"');
      svg.u.innerHTML = to.markup + inside;
      const sizes = me.u.map(Math.abs), most = sizes.indexOf(Math.max(...sizes));
      svg.u.setAttribute("aria-label", `Control u over ${steps} time steps: largest ${text(me.u[most])} at step ${most + 1}.`);
      return to;
    }

    function drawOverlap(other) {
      const to = axes(svg.overlap, [0, steps * dt], [0, 1], "fidelity with the target", "time t");
      const k = Number(field.shown.value), now = me.path.overlap[k], x = to.px(k * dt);
      const high = to.py(now) < ABOVE + 22, edge = x > to.width - RIGHT - 50;
      svg.overlap.innerHTML = to.markup + line("moment", [[x, ABOVE], [x, to.height - BELOW]]) +
        (other ? dashed(curve(to, other.overlap)) : "") + line("ours", curve(to, me.path.overlap)) +
        `<circle class="dot" r="5" cx="${x}" cy="${to.py(now)}"/>` +
        label([x + (edge ? -9 : 9), to.py(now) + (high ? 20 : -9)], now.toFixed(3), `class="value" text-anchor="${edge ? "end" : "start"}"`);
      svg.overlap.setAttribute("aria-label", `Fidelity with ${target.name}: ${now.toFixed(3)} after step ${k}, ` +
        `${me.path.overlap[steps].toFixed(3)} at the end, highest ${Math.max(...me.path.overlap).toFixed(3)}.`);
    }

    function drawDensity() {
      const n = setup.x.length, k = Number(field.shown.value);
      const all = densities(me.path.re, me.path.im), now = all.slice(k * n, (k + 1) * n);
      const wanted = densities(target.re, target.im), most = Math.max(...all, ...wanted), tick = rung(most / 5);
      const to = axes(svg.density, setup.walls, [0, tick * Math.ceil(most / tick)], "density |ψ|²", "place x");
      const half = to.px(setup.dx / 2) - to.px(0);
      svg.density.innerHTML = to.markup +
        now.map((p, j) => box("bar", to.px(setup.x[j]) - 0.8 * half, to.py(p), 1.6 * half, to.py(0) - to.py(p))).join("") +
        line("target", wanted.flatMap((p, j) => [[to.px(setup.x[j]) - half, to.py(p)], [to.px(setup.x[j]) + half, to.py(p)]])) +
        key(to, 120, "target", "target");
      const peak = now.indexOf(Math.max(...now));
      svg.density.setAttribute("aria-label", `Density after step ${k}: highest ${text(now[peak])} at x = ${text(setup.x[peak])}; ` +
        `the target ${target.name} is dashed, highest ${text(Math.max(...wanted))}.`);
    }

    function tell(other) {
      const k = Number(field.step.value), shown = Number(field.shown.value), final = me.path.overlap[steps];
      field.value.value = me.u[k - 1];
      say(field.step, `${k}`, `step ${k} of ${steps}, u is ${text(me.u[k - 1])}`);
      say(field.value, text(me.u[k - 1]));
      say(field.shown, shown === steps ? `${steps}, the last` : `${shown}`, `step ${shown}, fidelity ${me.path.overlap[shown].toFixed(3)}`);
      let words = `Final fidelity ${final.toFixed(3)} (loss ${loss(final)}) with ${target.name}, starting from ${state().name}.`;
      if (shown < steps) words += ` After step ${shown} it is ${me.path.overlap[shown].toFixed(3)}.`;
      if (other && setup.presets[Number(field.start.value)] !== reference) words += ` ${name(reference)} reaches ${other.overlap[steps].toFixed(3)} from the same state.`;
      if (caption.textContent !== words) caption.textContent = words;
    }

    function say(input, words, aloud = words) {
      element.querySelector(`output[for="${input.id}"]`).textContent = words;
      input.setAttribute("aria-valuetext", aloud);
    }

    me.draw = () => {
      queued = false;
      if (!svg.u.clientWidth) return; // later, or folded away
      me.path = march(setup, state(), me.u);
      const other = reference && march(setup, state(), controlOf(reference));
      me.to = drawControl();
      drawOverlap(other);
      drawDensity();
      tell(other);
      if (changed) me.durations.push(performance.now() - changed);
      changed = 0;
    };

    // Many events, one drawing per screen refresh.
    me.redraw = () => {
      changed = changed || performance.now();
      if (!queued) requestAnimationFrame(me.draw);
      queued = true;
    };

    function load() {
      const preset = setup.presets[Number(field.start.value)];
      if (!preset) return; // the reader's own drawing stays
      me.u.set(controlOf(preset));
      if (!preset.ours) reference = preset;
    }

    const own = () => (field.start.value = "-1");
    element.addEventListener("input", (event) => {
      if (event.target === field.state || event.target === field.start) load();
      if (event.target === field.value) own(), (me.u[field.step.value - 1] = Number(field.value.value));
      me.redraw();
    });
    field.smooth.addEventListener("click", () => {
      const at = (k) => me.u[Math.min(Math.max(k, 0), steps - 1)];
      me.u = me.u.map((v, k) => (at(k - 1) + v + at(k + 1)) / 3);
      own();
      me.redraw();
    });
    field.clear.addEventListener("click", () => {
      me.u.fill(0);
      field.start.value = "0";
      me.redraw();
    });

    // ---------------------------------------------------------------- the pen

    function paint(event) {
      const frame = svg.u.getBoundingClientRect(), { px, py } = me.to;
      const t = (event.clientX - frame.left - px(0)) / (px(1) - px(0)), v = (event.clientY - frame.top - py(0)) / (py(1) - py(0));
      const k = Math.min(Math.max(Math.floor(t / dt), 0), steps - 1), u = Math.min(Math.max(v, -limit), limit);
      const [from, old] = last || [k, u];
      for (let i = 0, way = Math.abs(k - from); i <= way; i++) me.u[from + i * Math.sign(k - from)] = way ? old + ((u - old) * i) / way : u;
      last = [k, u];
      field.step.value = k + 1;
      own();
      me.redraw();
    }

    svg.u.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || last) return; // one finger draws
      svg.u.setPointerCapture(event.pointerId);
      caption.setAttribute("aria-busy", "true"); // read out when the pen is lifted, not at every pixel
      paint(event);
      event.preventDefault();
    });
    svg.u.addEventListener("pointermove", (event) => last && svg.u.hasPointerCapture(event.pointerId) && paint(event));
    svg.u.addEventListener("lostpointercapture", () => {
      last = null;
      caption.removeAttribute("aria-busy");
    });

    element.querySelector(".qt-waiting").remove();
    element.querySelector(".qt-steer-body").hidden = false;
    field.start.value = "0";
    load();
    me.draw();
    new ResizeObserver(me.redraw).observe(svg.u);
    return me;
  }

  for (const element of document.querySelectorAll(".qt-steer:not([data-steering])")) {
    element.dataset.steering = "";
    instances.push(start(element));
  }

  // The final state and overlap of a figure under any u, for the tests.
  function evolve(instance, u, state = instance.setup.states[0]) {
    const path = march(instance.setup, state, Float64Array.from(u)), n = instance.setup.x.length;
    return { re: Array.from(path.re.slice(-n)), im: Array.from(path.im.slice(-n)), overlap: path.overlap[u.length] };
  }
  window.qtutorSteer = { instances, evolve };
})();
