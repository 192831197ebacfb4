// The kept decoder of chapter 01: dense layers with ReLU between them and a sigmoid at the end.
'use strict';

window.explorer = (() => {
  const { sizes, weights, means, centre, directions } = window.explorerData.decoder;

  function float16(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: bytes.length / 2 }, (_, i) => {
      const half = view.getUint16(2 * i, true);
      const sign = half & 0x8000 ? -1 : 1;
      const exponent = (half >> 10) & 31;
      const fraction = half & 1023;
      if (exponent === 0) return sign * fraction * 2 ** -24;
      return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
    });
  }

  const kept = float16(weights);
  const layers = [];
  for (let i = 0, start = 0; i + 1 < sizes.length; i += 1) {
    const [inputs, outputs] = [sizes[i], sizes[i + 1]];
    const end = start + inputs * outputs;
    layers.push({
      inputs, outputs, weight: kept.subarray(start, end), bias: kept.subarray(end, end + outputs),
    });
    start = end + outputs;
  }

  /** A picture of 28 x 28 pixels in [0, 1] from five latents. */
  function decode(z) {
    let x = z;
    layers.forEach(({ inputs, outputs, weight, bias }, depth) => {
      const y = new Float32Array(outputs);
      for (let j = 0; j < outputs; j += 1) {
        let sum = bias[j];
        for (let i = 0, w = j * inputs; i < inputs; i += 1, w += 1) sum += weight[w] * x[i];
        y[j] = depth + 1 < layers.length ? Math.max(sum, 0) : 1 / (1 + Math.exp(-sum));
      }
      x = y;
    });
    return x;
  }

  /** Draw a decoded picture on a canvas of 28 x 28. */
  function paint(canvas, picture) {
    const context = canvas.getContext('2d');
    const image = context.createImageData(28, 28);
    picture.forEach((value, i) => {
      const grey = Math.round(255 * value);
      image.data.set([grey, grey, grey, 255], 4 * i);
    });
    context.putImageData(image, 0, 0);
  }

  const size = sizes[0];
  const centred = float16(means).map((value, i) => value - centre[i % size]);

  /** Coordinates of latents along all five directions; the map shows the first two. */
  const project = (z) => directions.map(
    (direction) => direction.reduce((sum, d, i) => sum + d * (z[i] - centre[i]), 0),
  );
  const unproject = (place) => centre.map(
    (c, i) => directions.reduce((sum, direction, k) => sum + place[k] * direction[i], c),
  );

  /** Distance from latents to the nearest held-out digit's mean. */
  function nearest(z) {
    let best = Infinity;
    for (let n = 0; n < centred.length; n += size) {
      let sum = 0;
      for (let i = 0; i < size; i += 1) sum += (centred[n + i] + centre[i] - z[i]) ** 2;
      best = Math.min(best, sum);
    }
    return Math.sqrt(best);
  }

  /** The first two coordinates of every held-out digit, and its latents. */
  const digits = Array.from({ length: centred.length / size }, (_, n) => {
    const z = centre.map((c, i) => centred[n * size + i] + c);
    return { z, place: project(z) };
  });

  return { decode, paint, project, unproject, nearest, digits, size };
})();
