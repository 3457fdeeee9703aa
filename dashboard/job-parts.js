import { download, getJson } from './api.js';
import { ago, clock, duration, h, problem, score } from './dom.js';

const SHOWN_LOG_LINES = 500;

/** The numbers of a job. */
export function factsPanel(job) {
  const interval = job.best_score_interval ? `${score(job.best_score_interval[0])} to ${score(job.best_score_interval[1])}` : '';
  const left = job.budget.remaining_s;
  const facts = [
    [
      'Best score',
      h('span', { class: 'big' }, score(job.best_score)),
      interval ? h('div', { class: 'soft small' }, `95 %: ${interval}`) : '',
    ],
    ['Metric', job.metric ?? '–', job.direction ? h('div', { class: 'soft small' }, job.direction) : ''],
    ['Solutions', job.progress_detail ? `${job.progress_detail.solutions_done} of ${job.progress_detail.solutions_planned ?? '?'}` : '–'],
    [
      'Time left',
      typeof left === 'number' ? duration(left) : '–',
      h('div', { class: 'soft small' }, `of ${duration(job.budget.time_limit_s)}`),
    ],
    ['Attempt', String(job.attempt), h('div', { class: 'soft small mono' }, job.k8s_job_name)],
    ['Accepted', ago(job.created_at)],
    ['Started', ago(job.first_started_at)],
    ['Ended', ago(job.completed_at)],
    ['Resources', `${job.resources_requested.cpu} CPU, ${job.resources_requested.memory}`],
    ['Job id', h('span', { class: 'mono' }, job.job_id)],
  ];
  return h(
    'section',
    { class: 'panel' },
    h('dl', { class: 'facts' }, ...facts.map(([name, ...value]) => h('div', {}, h('dt', {}, name), h('dd', {}, ...value)))),
  );
}

/** States with their reasons, newest last; progress lines are folded into the last one of their kind. */
export function timelinePanel() {
  const list = h('ol', { class: 'timeline' });
  let lastProgress = null;
  const add = (line) => {
    const item = h('li', {}, clock(line.at), h('span', {}, line.type), h('span', {}, line.message));
    if (line.type === 'progressed' && lastProgress !== null && list.lastElementChild === lastProgress) lastProgress.replaceWith(item);
    else list.append(item);
    lastProgress = line.type === 'progressed' ? item : null;
    list.scrollTop = list.scrollHeight;
  };
  return { element: h('section', { class: 'panel' }, h('h2', {}, 'What happened, and why'), list), add };
}

/** The programs that were tried. */
export function solutionsPanel(jobId) {
  const body = h('div', { class: 'wide' }, h('p', { class: 'empty' }, 'No solution yet.'));
  const detail = h('div', {});
  const open = async (number) => {
    detail.replaceChildren(h('p', { class: 'soft' }, 'Loading …'));
    try {
      detail.replaceChildren(solutionDetail(await getJson(`/jobs/${jobId}/solutions/${number}`)));
    } catch (error) {
      detail.replaceChildren(problem(error));
    }
  };
  const load = async (signal, isOver) => {
    const { solutions } = await getJson(`/jobs/${jobId}/solutions`, { signal });
    if (solutions.length === 0 || body.contains(document.activeElement)) return;
    body.replaceChildren(solutionTable(solutions, open, isOver));
  };
  return { element: h('section', { class: 'panel' }, h('h2', {}, 'Solutions'), body, detail), load };
}

function solutionTable(solutions, open, isOver) {
  const heads = [
    ['#', 'number'],
    ['What'],
    ['Kind', 'hide-small'],
    ['Score', 'number'],
    ['95 %', 'number hide-small'],
    ['Time', 'number'],
    ['Checks'],
  ];
  const rows = solutions.map((solution) => {
    const failed = solution.checks.filter((check) => !check.ok);
    const checks =
      solution.state === 'failed'
        ? `failed: ${solution.failure ?? ''}`
        : failed.length > 0
          ? `✕ ${failed.map((check) => check.name).join(', ')}`
          : `✓ ${solution.checks.length}`;
    return h(
      'tr',
      {},
      h('td', { class: 'number' }, String(solution.number)),
      h('td', {}, h('button', { type: 'button', onclick: () => void open(solution.number) }, solution.title)),
      h('td', { class: 'soft hide-small' }, solution.kind),
      h('td', { class: 'number' }, score(solution.score?.score)),
      h(
        'td',
        { class: 'number soft small hide-small' },
        solution.score ? `${score(solution.score.low)} … ${score(solution.score.high)}` : '',
      ),
      h('td', { class: 'number' }, duration(solution.seconds)),
      h('td', { class: 'small' }, solution.state === 'running' ? (isOver ? 'not finished' : 'running') : checks.slice(0, 160)),
    );
  });
  return h(
    'table',
    {},
    h('thead', {}, h('tr', {}, ...heads.map(([text, name]) => h('th', { scope: 'col', class: name }, text)))),
    h('tbody', {}, ...rows),
  );
}

function solutionDetail(solution) {
  const text = (title, value) => (value ? h('details', {}, h('summary', {}, title), h('pre', { tabindex: 0 }, value)) : '');
  const checks = solution.checks.map((check) => `${check.ok ? '✓' : '✕'} ${check.name}: ${check.detail}`).join('\n');
  return h(
    'div',
    {},
    h('h2', {}, `Solution ${solution.number}: ${solution.title}`),
    solution.fold_scores.length > 0 ? h('p', { class: 'small' }, `Folds: ${solution.fold_scores.map(score).join(', ')}`) : '',
    solution.failure ? h('p', { class: 'notice bad' }, solution.failure) : '',
    text('Checks', checks),
    text('Difference to its parent', solution.diff),
    text('Code', solution.code),
    text('Log', solution.log),
  );
}

/** The result of a finished job, with its files. */
export async function resultPanel(job, signal) {
  const { result } = await getJson(`/result/${job.job_id}`, { signal });
  if (result === null) return h('div', {});
  const notes = [
    result.quality === 'fallback' && 'This file holds constants: no model worked.',
    result.partial && 'The job was cut off; this is the best file that it had.',
    ...(result.trust && result.trust.verdict !== 'verified'
      ? result.trust.reasons.map((reason) => `The score is ${result.trust.verdict}: ${reason}`)
      : []),
    result.metric_is_proxy && 'The metric is the nearest known one, not the competition’s own.',
    ...result.notes,
  ].filter(Boolean);
  const expected = result.expected ? ` · expected on the leaderboard: ${score(result.expected.low)} to ${score(result.expected.high)}` : '';
  const board = result.leaderboard
    ? ` · leaderboard: public ${score(result.leaderboard.public)}, private ${score(result.leaderboard.private)}`
    : '';
  const names = result.files.map((file) => file.name);
  const save = (name) =>
    h(
      'button',
      {
        type: 'button',
        class: name === 'submission.csv' ? 'primary' : '',
        onclick: () => void download(`/result/${job.job_id}/${name}${job.status === 'success' ? '' : '?best=1'}`, name),
      },
      name,
    );
  return h(
    'section',
    { class: 'panel' },
    h('h2', {}, 'Result'),
    h(
      'p',
      {},
      `${result.solutions} solutions in ${duration(result.seconds ?? 0)}, first valid file after ${duration(result.first_valid_seconds ?? 0)}${expected}${board}`,
    ),
    ...notes.map((note) => h('p', { class: 'notice' }, note)),
    h('div', { class: 'row' }, ...names.map(save)),
  );
}

/** The log's last lines. */
export function logsPanel(jobId) {
  const text = h('pre', { tabindex: 0, 'aria-label': 'Log' }, '');
  const load = async (signal) => {
    const { logs } = await getJson(`/logs/${jobId}?tail_lines=${SHOWN_LOG_LINES}`, { signal });
    if (logs === text.textContent) return;
    const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 40;
    text.textContent = logs;
    if (atEnd) text.scrollTop = text.scrollHeight;
  };
  const save = h(
    'button',
    { type: 'button', onclick: () => void download(`/logs/${jobId}?tail_lines=1000000`, `${jobId}-log.json`) },
    'Download',
  );
  return { element: h('section', { class: 'panel' }, h('div', { class: 'row spread' }, h('h2', {}, 'Log'), save), text), load };
}
