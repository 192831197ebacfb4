// Which of three is nearest to the original? Answers are counted, then compared with measures.
'use strict';

(() => {
  const { real, answers, measured, numbers, weight } = window.explorerData.blind;
  const { table } = window.explorer;
  const get = (id) => document.getElementById(id);
  const KINDS = Object.keys(answers);
  const NAMES = { plain: 'plain', noise: 'plain with noise', disc: `discriminator, weight ${weight}` };
  // How far a face's answer is from the original by each measure: the least is the measure's choice.
  const FAR = {
    PSNR: (kind, face) => -measured[kind].psnr[face],
    SSIM: (kind, face) => -measured[kind].ssim[face],
    sharpness: (kind, face) => Math.abs(Math.log(measured[kind].sharpness_ratio[face])),
  };
  let faces;
  let chosen;

  function shuffled(list) { // Fisher and Yates
    const result = [...list];
    for (let i = result.length - 1; i > 0; i -= 1) {
      const j = Math.floor(Math.random() * (i + 1));
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  }

  function ask() {
    const face = faces[chosen.length];
    get('blind-progress').textContent = `Face ${chosen.length + 1} of ${faces.length}`;
    get('blind-real').src = real[face];
    const buttons = shuffled(KINDS).map((kind, i) => {
      const button = document.createElement('button');
      button.type = 'button';
      const image = new Image();
      image.src = answers[kind][face];
      image.alt = '';
      button.append(image, `Answer ${'ABC'[i]}`);
      button.addEventListener('click', () => {
        chosen.push({ face, kind });
        get('blind-reveal').disabled = false;
        if (chosen.length === faces.length) reveal();
        else ask();
        get('blind-answers').querySelector('button')?.focus({ preventScroll: true });
      });
      return button;
    });
    get('blind-answers').replaceChildren(...buttons);
  }

  function choices(choose) {
    const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0]));
    for (const answer of chosen) counts[choose(answer)] += 1;
    return counts;
  }

  function reveal() {
    const nearest = (far) => ({ face }) => KINDS.reduce(
      (best, kind) => (far(kind, face) < far(best, face) ? kind : best),
    );
    const judges = [
      ['you', choices(({ kind }) => kind)],
      ...Object.entries(FAR).map(([name, far]) => [name, choices(nearest(far))]),
    ];
    const heads = KINDS.map((kind) => `<th scope="col">${NAMES[kind]}</th>`).join('');
    const lines = judges.map(([name, counts]) => `<tr><th scope="row">${name}</th>${
      KINDS.map((kind) => `<td>${counts[kind]}</td>`).join('')}</tr>`);
    const rows = KINDS.map((kind) => ({ name: NAMES[kind], numbers: numbers[kind] }));
    const count = chosen.length === 1 ? 'the face' : `each of the ${chosen.length} faces`;
    get('blind-result').innerHTML = `
      <h3>What was chosen</h3>
      <p>How often each judge calls an answer the nearest, for ${count} that you judged.
      PSNR and SSIM take the highest, sharpness what is closest to the original's, each measured on
      the small pictures above.</p>
      <div class="x-scroll"><table><thead><tr><th scope="col">judge</th>${heads}</tr></thead>
      <tbody>${lines.join('')}</tbody></table></div>
      <h3>What the measures say of all held-out faces</h3>
      <div class="x-scroll"><table>${table(rows, 'answer')}</table></div>`;
    get('blind-result').hidden = false;
    get('blind-answers').replaceChildren();
    get('blind-real').parentElement.hidden = true;
    get('blind-reveal').disabled = true;
    get('blind-progress').textContent = `Revealed after ${chosen.length} of ${faces.length} faces`;
    get('blind-result').focus({ preventScroll: true });
  }

  function start() {
    faces = shuffled(real.keys());
    chosen = [];
    get('blind-result').hidden = true;
    get('blind-real').parentElement.hidden = false;
    get('blind-reveal').disabled = true;
    ask();
  }

  get('blind-reveal').addEventListener('click', reveal);
  get('blind-again').addEventListener('click', start);
  start();
})();
