// The one place where physics is written twice: the time step of qtutor/simulator.py for a page without a kernel.
// tests/test_steer.py holds it against qt.evolve to 1e-6. (i ∂t ψ = (−∂x² + u x) ψ, modified Crank–Nicolson)
(function () {
  "use strict";

  // The states after 0, 1, …, T steps, one after another, and |⟨target, ψ⟩|² of each.
  // With A = 1 + iΔt/2 H a step is ψ' = 2 A⁻¹ψ − ψ. A is tridiagonal: pivots p on the way down, i·off beside
  // the diagonal, y = A⁻¹ψ by back substitution on the way up. A name ends in r or i: real or imaginary part.
  window.qtutorMarch = function (setup, start, u) {
    const { x, dx, dt, target } = setup;
    const n = x.length, a = dt / 2, off = -a / dx ** 2;
    const re = new Float64Array((u.length + 1) * n), im = new Float64Array(re.length);
    const cr = new Float64Array(n), ci = new Float64Array(n);
    re.set(start.re);
    im.set(start.im);
    for (let k = 0, old = 0, now = n; k < u.length; k++, old += n, now += n) {
      for (let j = 0; j < n; j++) {
        let pr = 1, pi = a * (2 / dx ** 2 + u[k] * x[j]), yr = re[old + j], yi = im[old + j];
        if (j > 0) {
          pr += off * ci[j - 1];
          pi -= off * cr[j - 1];
          yr += off * im[now + j - 1];
          yi -= off * re[now + j - 1];
        }
        const size = pr * pr + pi * pi;
        cr[j] = (off * pi) / size;
        ci[j] = (off * pr) / size;
        re[now + j] = (yr * pr + yi * pi) / size;
        im[now + j] = (yi * pr - yr * pi) / size;
      }
      for (let j = n - 2; j >= 0; j--) {
        const yr = re[now + j + 1], yi = im[now + j + 1];
        re[now + j] -= cr[j] * yr - ci[j] * yi;
        im[now + j] -= cr[j] * yi + ci[j] * yr;
      }
      for (let j = 0; j < n; j++) {
        re[now + j] = 2 * re[now + j] - re[old + j];
        im[now + j] = 2 * im[now + j] - im[old + j];
      }
    }
    const overlap = Array.from({ length: u.length + 1 }, (_, k) => {
      let real = 0, imaginary = 0;
      for (let j = 0, at = k * n; j < n; j++, at++) {
        real += target.re[j] * re[at] + target.im[j] * im[at];
        imaginary += target.re[j] * im[at] - target.im[j] * re[at];
      }
      return real * real + imaginary * imaginary;
    });
    return { re, im, overlap };
  };
})();
