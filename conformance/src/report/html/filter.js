(() => {
  const form = document.getElementById('filter');
  const rows = [...document.querySelectorAll('.register tbody tr')];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const apply = () => {
    const words = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = [...form.querySelectorAll(':checked')].map((box) => box.value);
    rows.forEach((row, i) => {
      const fits = !wanted.length || wanted.includes(row.dataset.outcome);
      row.hidden = !(fits && words.every((word) => texts[i].includes(word)));
    });
    const shown = rows.filter((row) => !row.hidden).length;
    form.querySelector('output').textContent = `${shown} of ${rows.length}`;
  };
  form.hidden = false;
  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  apply();
  // A link out of a card closes it; a link to a row shows the row, and one to evidence unfolds it.
  addEventListener('hashchange', () => document.querySelector(':popover-open')?.hidePopover());
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="#"]');
    const aim = link && document.getElementById(link.hash.slice(1));
    if (aim?.hidden) { form.reset(); apply(); }
    const fold = aim?.closest('details');
    if (fold) fold.open = true;
  });
})();
