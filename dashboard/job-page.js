import { followEvents, getJson, request } from './api.js';
import { announce, h, problem, stateBadge } from './dom.js';
import { factsPanel, logsPanel, resultPanel, solutionsPanel, timelinePanel } from './job-parts.js';

const FINAL = ['success', 'failed', 'timeout', 'cancelled'];

/** One job: what it is doing and why, its score, its programs, its log; live until it is final. */
export async function showJob(view, jobId, signal) {
  let job = await getJson(`/status/${encodeURIComponent(jobId)}`, { signal });
  document.title = `${job.competition_name} – Kaggle Agent`;
  const link = h('span', { class: 'soft small' }, '');
  const head = h('div', {});
  const facts = h('div', {});
  const timeline = timelinePanel();
  const solutions = solutionsPanel(job.job_id);
  const logs = logsPanel(job.job_id);
  const result = h('div', {});
  view.replaceChildren(head, result, facts, solutions.element, timeline.element, logs.element);

  const draw = () => {
    head.replaceChildren(headPanel(job, link));
    facts.replaceChildren(factsPanel(job));
  };
  const refresh = async () => {
    job = await getJson(`/status/${job.job_id}`, { signal });
    draw();
    await Promise.all([solutions.load(signal, FINAL.includes(job.status)), logs.load(signal)]);
    if (FINAL.includes(job.status)) result.replaceChildren(await resultPanel(job, signal));
  };
  draw();
  const soon = paced(() => refresh().catch((error) => signal.aborted || result.replaceChildren(problem(error))));
  soon();
  await followEvents(job.job_id, {
    signal,
    onLink: (isUp) => {
      link.textContent = isUp ? '' : 'connection lost, trying again …';
    },
    onLine: (line) => {
      timeline.add(line);
      if (line.type === 'improved' || line.type === 'finished') announce(`${line.type}: ${line.message}`);
      soon();
    },
  });
  link.textContent = '';
  soon();
}

/** Runs `work` at once, then at most once a second, and once more after the last call. */
function paced(work) {
  let timer = null;
  let again = false;
  return function call() {
    if (timer !== null) {
      again = true;
      return;
    }
    void work();
    timer = setTimeout(() => {
      timer = null;
      if (again) {
        again = false;
        call();
      }
    }, 1000);
  };
}

function headPanel(job, link) {
  const isOpen = !FINAL.includes(job.status);
  const answer = h('div', {});
  const cancel = h('button', { class: 'danger', type: 'button', disabled: job.cancel_requested_at !== null }, 'Cancel');
  cancel.addEventListener('click', async () => {
    if (!confirm(`Cancel the job for ${job.competition_name}?`)) return;
    cancel.disabled = true;
    await request(`/jobs/${job.job_id}`, { method: 'DELETE' }).catch((error) => answer.replaceChildren(problem(error)));
  });
  return h(
    'section',
    { class: 'panel' },
    h(
      'div',
      { class: 'row spread' },
      h(
        'div',
        {},
        h('h1', {}, job.competition_name),
        h('p', {}, stateBadge(job.status), ' ', h('span', { class: 'soft' }, isOpen ? job.progress : job.reason), ' ', link),
      ),
      isOpen ? cancel : '',
    ),
    job.progress_detail?.solutions_planned && isOpen
      ? h('progress', {
          max: job.progress_detail.solutions_planned,
          value: job.progress_detail.solutions_done,
          'aria-label': 'Solutions done',
        })
      : '',
    job.error && job.error.message !== job.reason ? h('p', { class: 'notice bad' }, `${job.error.message} (${job.error.code})`) : '',
    answer,
  );
}
