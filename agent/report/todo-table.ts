import type { Evidence } from './evidence.ts';
import { escape } from './markup.ts';
import { describeEffects } from '../search/ablate.ts';

/** What Claude wanted to try and what came of it, with what blocks of programs are worth; nothing where Claude was not asked. */
export function writeTodos({ todos, blocks, lessons }: Pick<Evidence, 'todos' | 'blocks' | 'lessons'>): string {
  if (todos.length === 0) return '';
  const head = '<tr><th>Idea</th><th>Why</th><th>What came of it</th></tr>';
  const measured = blocks.map(({ solution, effects }) => {
    const lines = describeEffects(effects)
      .split('\n')
      .map((line) => `<li>${escape(line)}</li>`);
    return `<p>Blocks of #${solution}, each left out in turn:</p><ul>${lines.join('')}</ul>`;
  });
  const table = `<div class="scroll"><table>${head}${todos.map((todo) => writeTodo(todo)).join('')}</table></div>`;
  return `<h2>What Claude wanted to try</h2>${table}${measured.join('')}${writeLessons(lessons)}`;
}

function writeTodo({ kind, title, hypothesis, origin, end }: Evidence['todos'][number]): string {
  const from = origin === 'planner' ? kind : `${kind}, ${origin === 'person' ? 'wanted by you' : `by ${origin}`}`;
  const came =
    end === null
      ? 'not tried: the search ended before'
      : `${end.how}${end.solution === null ? '' : ` (#${end.solution})`}${end.why === '' ? '' : `: ${end.why}`}`;
  const mark = end?.how === 'helped' ? ' class="good"' : '';
  return `<tr><td>${escape(title)} <span class="soft">${escape(from)}</span></td><td>${escape(hypothesis)}</td><td${mark}>${escape(came)}</td></tr>`;
}

function writeLessons(lessons: Evidence['lessons']): string {
  if (lessons.length === 0) return '';
  const lines = lessons.map(
    ({ claim, scope, helped, tried }) => `<li>${escape(`${claim} (for: ${scope}; helped in ${helped} of ${tried} later jobs)`)}</li>`,
  );
  return `<p>Lessons of earlier jobs that it was told:</p><ol>${lines.join('')}</ol>`;
}
