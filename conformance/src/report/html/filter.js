(() => {
  const form = document.getElementById('filter');
  const section = form.closest('section');
  const rows = [...section.querySelectorAll('tr[data-outcome]')];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const homes = rows.map((row) => row.parentNode);
  // Where the rows of a table stand that are not in the order of the contract.
  const apart = new Map();
  for (const table of section.querySelectorAll('.register')) apart.set(table, table.createTBody());
  const all = form.querySelector('.all');
  const nothing = section.querySelector('.nothing');
  let order = null;

  const chosen = () => {
    const set = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value.trim()) set.append(name, value);
    return set;
  };
  const sort = (wanted) => {
    if (wanted === order) return;
    order = wanted;
    const placed = rows.map((row, i) => [row, order ? apart.get(row.closest('table')) : homes[i]]);
    if (order) placed.sort(([one], [other]) => other.dataset.took - one.dataset.took);
    for (const [row, home] of placed) home.append(row);
  };
  const apply = () => {
    const set = chosen();
    const words = (set.get('words') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    const outcomes = set.getAll('outcome');
    const family = set.get('family');
    rows.forEach((row, i) => {
      row.hidden = (outcomes.length > 0 && !outcomes.includes(row.dataset.outcome))
        || (family !== null && family !== row.dataset.family)
        || !words.every((word) => texts[i].includes(word));
    });
    sort(set.get('order'));
    for (const part of section.querySelectorAll('.part, .register, tbody')) {
      part.hidden = !part.querySelector('tr[data-outcome]:not([hidden])');
    }
    const shown = rows.filter((row) => !row.hidden).length;
    form.querySelector('output').textContent = `${shown} of ${rows.length} shown`;
    nothing.hidden = shown > 0;
    all.hidden = !set.size;
    return set;
  };
  const changed = () => {
    const set = apply();
    history.replaceState(null, '', set.size ? `#?${set}` : `#${section.id}`);
  };
  const filter = () => (location.hash.startsWith('#?') ? location.hash.slice(2) : '');
  const read = () => {
    form.reset();
    for (const [name, value] of new URLSearchParams(filter())) {
      for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
        if (field.type === 'checkbox') field.checked ||= field.value === value;
        else field.value = value;
        if (field.selectedIndex < 0) field.selectedIndex = 0;
      }
    }
    apply();
    if (filter()) section.scrollIntoView();
  };
  // What a link leads to is shown if it is hidden, and unfolded.
  const uncover = (id) => {
    const aim = document.getElementById(id);
    if (aim?.closest('[hidden]')) { form.reset(); apply(); }
    const fold = aim?.closest('details');
    if (fold) fold.open = true;
  };

  for (const link of document.querySelectorAll('a[data-filter]')) {
    link.href = `#?${link.dataset.filter}`;
  }
  form.hidden = false;
  form.addEventListener('input', changed);
  form.addEventListener('submit', (event) => event.preventDefault());
  for (const button of section.querySelectorAll('button.all')) {
    button.addEventListener('click', () => { form.reset(); changed(); form.words.focus(); });
  }
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link) uncover(link.hash.slice(1));
  });
  addEventListener('hashchange', () => {
    document.querySelector(':popover-open')?.hidePopover();
    if (filter() || !location.hash) read();
  });
  read();
  uncover(location.hash.slice(1));
})();
