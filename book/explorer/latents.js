// Five sliders and a ring on a map, two views of the same latents.
'use strict';

(() => {
  const { decode, paint, project, unproject, nearest, digits, size } = window.explorer;
  const LIMIT = 3.5; // standard deviations of the prior: one draw in 2,000 lies outside
  const REACH = 3.6; // of the map, either way
  const map = document.getElementById('map');
  // Small pictures along a side of the map, where digits are.
  const CELLS = map.clientWidth < 400 ? 8 : 12;
  const sliders = document.getElementById('sliders');
  const background = document.createElement('canvas');
  let z = digits[0].z.slice();

  const toPixel = (u) => (u / REACH + 1) * map.width / 2;
  const toPlace = (pixel) => (pixel / map.width * 2 - 1) * REACH;
  const clamp = (value, limit) => Math.min(limit, Math.max(-limit, value));

  function drawBackground() {
    background.width = map.width;
    background.height = map.height;
    const context = background.getContext('2d');
    const style = getComputedStyle(map);
    context.fillStyle = style.backgroundColor;
    context.fillRect(0, 0, map.width, map.height);
    context.fillStyle = style.color;
    context.globalAlpha = 0.35;
    for (const { place } of digits) {
      context.fillRect(toPixel(place[0]) - 1, toPixel(-place[1]) - 1, 2, 2);
    }
    context.globalAlpha = 1;
    const cell = map.width / CELLS;
    const small = document.createElement('canvas');
    small.width = 28;
    small.height = 28;
    const side = cell * 0.62;
    for (const { z: latents, place } of inCells(cell)) {
      paint(small, decode(latents));
      context.drawImage(small, toPixel(place[0]) - side / 2, toPixel(-place[1]) - side / 2, side, side);
    }
  }

  /** For each cell of the map the digit next to its middle, in all five numbers if possible. */
  function inCells(cell) {
    const chosen = new Map();
    for (const digit of digits) {
      const [x, y] = [toPixel(digit.place[0]), toPixel(-digit.place[1])];
      const key = `${Math.floor(x / cell)} ${Math.floor(y / cell)}`;
      const off = Math.hypot(x % cell - cell / 2, y % cell - cell / 2) / cell;
      const score = 2 * off + Math.hypot(...digit.place.slice(2)) / 4;
      // Near the middle, so that neither neighbours nor the map's edge cut a picture.
      if (off < 0.19 && Math.min(x, y, map.width - x, map.height - y) > 0 && !(chosen.get(key)?.score < score)) chosen.set(key, { ...digit, score });
    }
    return chosen.values();
  }

  function drawMap() {
    const context = map.getContext('2d');
    const [u, v] = project(z);
    const [x, y] = [toPixel(u), toPixel(-v)];
    context.drawImage(background, 0, 0);
    const unit = map.width / map.clientWidth; // one pixel of the screen
    for (const [width, colour] of [[9, '#000'], [6, '#fff'], [3, '#d55e00']]) {
      context.beginPath();
      context.arc(x, y, 13 * unit, 0, 2 * Math.PI);
      context.lineWidth = width * unit;
      context.strokeStyle = colour;
      context.stroke();
    }
  }

  function show() {
    paint(document.getElementById('digit'), decode(z));
    document.getElementById('nearest').textContent =
      `${nearest(z).toFixed(2)} from the nearest held-out digit`;
    z.forEach((value, i) => {
      const slider = document.getElementById(`z${i + 1}`);
      slider.value = value;
      slider.setAttribute('aria-valuetext', value.toFixed(2));
      document.getElementById(`z${i + 1}-value`).textContent = value.toFixed(2);
    });
    drawMap();
  }

  function moveRing(u, v) {
    z = unproject([clamp(u, REACH), clamp(v, REACH), ...project(z).slice(2)])
      .map((value) => clamp(value, LIMIT));
    show();
  }

  for (let i = 0; i < size; i += 1) {
    sliders.insertAdjacentHTML('beforeend', `
      <label for="z${i + 1}">z<sub>${i + 1}</sub> <output id="z${i + 1}-value" for="z${i + 1}"></output></label>
      <input type="range" id="z${i + 1}" min="${-LIMIT}" max="${LIMIT}" step="0.01">`);
    document.getElementById(`z${i + 1}`).addEventListener('input', (event) => {
      z[i] = Number(event.target.value);
      show();
    });
  }

  function followPointer(event) {
    const box = map.getBoundingClientRect();
    const scale = map.width / box.width;
    moveRing(toPlace((event.clientX - box.left) * scale), -toPlace((event.clientY - box.top) * scale));
  }
  let held = false;
  map.addEventListener('pointerdown', (event) => {
    held = true;
    map.setPointerCapture(event.pointerId); // moves outside of the map still come to it
    followPointer(event);
  });
  map.addEventListener('pointermove', (event) => {
    if (held) followPointer(event);
  });
  for (const end of ['pointerup', 'pointercancel']) {
    map.addEventListener(end, () => { held = false; });
  }
  map.addEventListener('keydown', (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way) return;
    event.preventDefault();
    const step = event.shiftKey ? 0.4 : 0.08;
    const [u, v] = project(z);
    moveRing(u + step * way[0], v + step * way[1]);
  });

  function normal() { // Box and Muller 1958
    return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  }
  document.getElementById('draw').addEventListener('click', () => {
    z = z.map(() => clamp(normal(), LIMIT));
    show();
  });
  document.getElementById('zero').addEventListener('click', () => {
    z = z.map(() => 0);
    show();
  });

  // Light and dark have other colours of the map.
  new MutationObserver(() => { drawBackground(); drawMap(); })
    .observe(document.documentElement, { attributeFilter: ['data-theme'] });
  drawBackground();
  show();
})();
