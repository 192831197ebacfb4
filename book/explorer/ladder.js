// One face along runs that differ in the discriminator's weight alone.
'use strict';

(() => {
  const { real, rungs } = window.explorerData.ladder;
  const { table } = window.explorer;
  const get = (id) => document.getElementById(id);
  const rows = rungs.map((rung) => ({ name: `weight ${rung.weight}`, numbers: rung.numbers }));

  function show() {
    const [at, face] = [Number(get('weight').value), Number(get('face').value)];
    const rung = rungs[at];
    const name = rung.weight ? `weight ${rung.weight}` : 'weight 0, no discriminator';
    get('weight-value').textContent = rung.weight;
    get('weight').setAttribute('aria-valuetext', name);
    get('face-value').textContent = `${face + 1} of ${real.length}`;
    get('ladder-real').src = real[face];
    get('ladder-made').src = rung.faces[face];
    get('ladder-made').alt = `Its reconstruction at ${name}`;
    get('ladder-caption').textContent = name;
    get('ladder-numbers').innerHTML = table(rows, 'weight', at);
    const seeds = rung.seeds === 1 ? 'one run, so without an interval' : `mean over ${rung.seeds} seeds`;
    get('ladder-note').innerHTML = `<code>${rung.run}</code>, ${seeds}; the pictures are its first seed's.`;
  }

  get('weight').max = rungs.length - 1;
  get('face').max = real.length - 1;
  for (const id of ['weight', 'face']) get(id).addEventListener('input', show);
  show();
})();
