// Numbers of runs as a table, the current row marked by an arrow and not by colour alone.
'use strict';

window.explorer.table = (() => {
  const { metrics } = window.explorerData;
  const digits = (value) => value.toFixed(Math.abs(value) < 0.1 ? 4 : Math.abs(value) < 10 ? 3 : 2);
  const cell = (value) => (value === undefined ? '–' : digits(value));

  /** HTML of a table: a row for each {name, numbers}, a column for each measure that any row has. */
  return function table(rows, head, current = -1) {
    const shown = metrics.filter(([name]) => rows.some((row) => name in row.numbers));
    const heads = shown.map(
      ([, heading, better]) => `<th scope="col">${heading} <span class="x-nowrap">${better}</span></th>`,
    );
    const lines = rows.map(({ name, numbers }, i) => {
      const mark = i === current ? '▶ ' : '';
      const cells = shown.map(([metric]) => `<td>${cell(numbers[metric])}</td>`);
      const here = i === current ? ' class="x-current" aria-current="true"' : '';
      return `<tr${here}><th scope="row">${mark}${name}</th>${cells.join('')}</tr>`;
    });
    return `<thead><tr><th scope="col">${head}</th>${heads.join('')}</tr></thead>
      <tbody>${lines.join('')}</tbody>`;
  };
})();
