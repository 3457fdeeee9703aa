/**
 * Builds an element. Text is always set as text, never parsed: everything that a job says is untrusted.
 * @param {string} tag
 * @param {Record<string, unknown>} [props] attributes; `class`, `on…` listeners and booleans as expected
 * @param {...(Node|string|null|undefined|false)} children
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** State with its sign; the word is always there, colour only helps. */
export function stateBadge(status) {
  return h('span', { class: `state ${/^[a-z]+$/.test(status) ? status : ''}` }, status);
}

/** "3 min ago", with the exact time as a tooltip. */
export function ago(isoText) {
  if (!isoText) return h('span', { class: 'soft' }, '–');
  return h('time', { datetime: isoText, title: isoText }, `${duration((Date.now() - Date.parse(isoText)) / 1000)} ago`);
}

/** Clock time of an event, exact time as a tooltip. */
export function clock(isoText) {
  return h('time', { datetime: isoText, title: isoText, class: 'soft mono' }, isoText.slice(11, 19));
}

/** Seconds for people. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  if (whole < 172_800) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86_400)} d`;
}

/** A score with as many digits as mean something. */
export function score(value) {
  if (typeof value !== 'number') return '–';
  return Math.abs(value) >= 1000 ? value.toFixed(1) : value.toPrecision(5);
}

/** A box that says what went wrong and what to do. */
export function problem(error) {
  const id = error.requestId ? ` (request ${error.requestId})` : '';
  return h('p', { class: 'notice bad', role: 'alert' }, `${error.message}${id}`);
}

/** Says one thing to screen readers, at most every two seconds. */
let lastSaidAt = 0;
export function announce(text) {
  if (Date.now() - lastSaidAt < 2000) return;
  lastSaidAt = Date.now();
  document.getElementById('news').textContent = text;
}
