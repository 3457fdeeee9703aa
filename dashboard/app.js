import { ApiError } from './api.js';
import { h, problem } from './dom.js';
import { showJobList } from './job-list.js';
import { showJob } from './job-page.js';

/** One page is shown at a time; its requests end when the next one begins. */
const view = document.getElementById('view');
let current = new AbortController();

async function show() {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const params = new URLSearchParams(location.search);
  const jobId = params.get('job');
  try {
    if (jobId) await showJob(view, jobId, signal);
    else await showJobList(view, params, { signal, go });
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof ApiError && error.status === 401) askForKey(error);
    else view.replaceChildren(problem(error), h('p', {}, h('button', { type: 'button', onclick: show }, 'Try again')));
  }
}

/** Goes to another address of this page without loading it again. */
function go(path) {
  history.pushState(null, '', path);
  view.focus();
  void show();
}

function askForKey(error) {
  const input = h('input', { type: 'password', autocomplete: 'off', required: true });
  const form = h(
    'form',
    { class: 'panel' },
    h('h2', {}, 'API key'),
    h('label', {}, 'This installation needs a key; it is kept for this tab only.', input),
    h('p', {}, h('button', { class: 'primary' }, 'Go on')),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    sessionStorage.setItem('api-key', input.value);
    void show();
  });
  view.replaceChildren(sessionStorage.getItem('api-key') ? problem(error) : '', form);
}

document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || link.origin !== location.origin || link.pathname !== '/' || link.hash)
    return;
  event.preventDefault();
  go(link.pathname + link.search);
});
addEventListener('popstate', () => void show());
void show();
