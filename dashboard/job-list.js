import { getJson, request } from './api.js';
import { ago, h, problem, score, stateBadge } from './dom.js';

const STATES = ['pending', 'queued', 'running', 'success', 'failed', 'timeout', 'cancelled'];
const REFRESH_MS = 3000;

/** The list of jobs with its filter (kept in the address), and the form that starts a job. */
export async function showJobList(view, params, { signal, go }) {
  document.title = 'Jobs – Kaggle Agent';
  const filter = params.get('status') ?? '';
  const list = h('div', {}, h('p', { class: 'empty' }, 'Loading …'));
  view.replaceChildren(submitForm(go), h('section', { class: 'panel' }, listHead(filter, go), list));
  for (;;) {
    try {
      list.replaceChildren(await loadList(filter, params.get('cursor'), signal));
    } catch (error) {
      if (signal.aborted || error.status === 401) throw error;
      list.replaceChildren(problem(error));
    }
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    if (signal.aborted) return;
    if (document.hidden) await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
    if (list.contains(document.activeElement)) await new Promise((resolve) => list.addEventListener('focusout', resolve, { once: true }));
    if (signal.aborted) return;
  }
}

function submitForm(go) {
  const url = h('input', { type: 'url', required: true, placeholder: 'https://www.kaggle.com/competitions/titanic', autocomplete: 'url' });
  const minutes = h('input', { type: 'number', min: 1, max: 120, placeholder: '60' });
  const button = h('button', { class: 'primary' }, 'Solve');
  const answer = h('div', {});
  const form = h(
    'form',
    { class: 'panel' },
    h('h2', {}, 'Start a job'),
    h(
      'div',
      { class: 'row' },
      h('label', { class: 'grow' }, 'Address of a Kaggle competition', url),
      h('label', {}, 'Minutes, at most', minutes),
      button,
    ),
    answer,
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    const body = { kaggle_url: url.value, ...(minutes.value && { time_limit_s: Math.round(Number(minutes.value) * 60) }) };
    try {
      const headers = { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID?.() ?? String(Math.random()) };
      const accepted = await (await request('/run', { method: 'POST', headers, body: JSON.stringify(body) })).json();
      go(`/?job=${accepted.job_id}`);
    } catch (error) {
      answer.replaceChildren(problem(error));
    } finally {
      button.disabled = false;
    }
  });
  return form;
}

function listHead(filter, go) {
  const select = h(
    'select',
    {},
    h('option', { value: '' }, 'all states'),
    ...STATES.map((state) => h('option', { value: state, selected: state === filter }, state)),
  );
  select.addEventListener('change', () => go(select.value ? `/?status=${select.value}` : '/'));
  return h('div', { class: 'row spread' }, h('h2', {}, 'Jobs'), h('label', {}, 'Show', select));
}

async function loadList(filter, cursor, signal) {
  const query = new URLSearchParams({ limit: '50', ...(filter && { status_filter: filter }), ...(cursor && { cursor }) });
  const { jobs, total, next_cursor: next } = await getJson(`/jobs?${query}`, { signal });
  if (jobs.length === 0) {
    return h(
      'p',
      { class: 'empty' },
      filter ? `No job is ${filter}.` : 'No jobs yet. Paste the address of a competition above, or run “npm run demo”.',
    );
  }
  const heads = [['State'], ['Competition'], ['What happens', 'hide-small'], ['Best score', 'number'], ['Age', 'number']];
  const table = h(
    'table',
    {},
    h('thead', {}, h('tr', {}, ...heads.map(([text, name]) => h('th', { scope: 'col', class: name }, text)))),
    h('tbody', {}, ...jobs.map(row)),
  );
  const nextQuery = new URLSearchParams({ ...(filter && { status: filter }), ...(next && { cursor: next }) });
  const foot = h(
    'p',
    { class: 'soft small' },
    `${jobs.length} of ${total}`,
    next ? ' · ' : '',
    next ? h('a', { href: `/?${nextQuery}` }, 'older') : '',
  );
  return h('div', { class: 'wide' }, table, foot);
}

function row(job) {
  const words = job.status === 'failed' && job.error ? job.error.message : job.progress;
  return h(
    'tr',
    {},
    h('td', {}, stateBadge(job.status)),
    h('td', {}, h('a', { href: `/?job=${job.job_id}` }, job.competition_name)),
    h('td', { class: 'soft small hide-small' }, words.slice(0, 140)),
    h('td', { class: 'number' }, score(job.best_score), job.metric ? h('span', { class: 'soft small' }, ` ${job.metric}`) : ''),
    h('td', { class: 'number' }, ago(job.created_at)),
  );
}
