import type { Evidence } from './evidence.ts';
import { drawScores } from './score-chart.ts';
import { escape, show } from './markup.ts';
import { writeTodos } from './todo-table.ts';
import { writeSolutions } from './solution-table.ts';

const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6470;--line:#d8dee4;--back:#fff;--mark:#0b66c3;--good:#1a7f37;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#30363d;--back:#0d1117;--mark:#58a6ff;--good:#3fb950;--bad:#f85149}}
body{margin:0 auto;max-width:60rem;padding:2rem 1.25rem 4rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back)}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.1rem;margin:2.25rem 0 .5rem}p{margin:.25rem 0}
.soft{color:var(--soft)}.big{font-size:2rem;font-weight:600;font-variant-numeric:tabular-nums}
.facts{display:flex;flex-wrap:wrap;gap:1rem 2.5rem;margin:1.25rem 0}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:500}td.n,th.n{text-align:right}tr.best td{font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}code{font-size:.85em;overflow-wrap:anywhere}ul{padding-left:1.25rem;margin:.25rem 0}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font:12px system-ui,sans-serif}
svg .axis{stroke:var(--line)}svg .range{stroke:var(--soft)}svg .dot{fill:var(--soft)}svg .best{fill:var(--mark);stroke:var(--mark)}
`;

/** A report that stands alone: no scripts, nothing loaded from elsewhere; text of the competition is escaped. */
export function writeReport(evidence: Evidence): string {
  const { job, metric, best } = evidence;
  const title = `${job.title || job.competition}: ${metric.display_name}`;
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${escape(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escape(job.title || job.competition)}</h1>`,
    `<p class="soft">${escape(describeTask(evidence))}</p>`,
    writeTrust(evidence),
    best?.kind === 'baseline' ? '<p class="bad">This is the constant baseline: no model gave a better valid file.</p>' : '',
    writeFacts(evidence),
    '<h2>Solutions</h2>',
    drawScores(evidence.solutions, { direction: metric.direction, bestNumber: best?.number ?? null }),
    writeSolutions(evidence.solutions, { direction: metric.direction, bestNumber: best?.number ?? null }),
    writeTodos(evidence),
    writeChecks(evidence),
    writeNotes(evidence),
    writeOrigin(evidence),
    '</body></html>\n',
  ].join('\n');
}

function describeTask({ task, metric }: Evidence): string {
  const targets = task.targets.map((target) => `${target.name} (${target.type})`).join(', ');
  const better = metric.direction === 'maximize' ? 'higher is better' : 'lower is better';
  return `Predict ${targets}; ${task.trainRows} rows to learn from, ${task.testRows} to answer. ${metric.display_name}, ${better}.`;
}

function writeFacts({ best, metric, expected, leaderboard, folds, totalSeconds, spend }: Evidence): string {
  const fact = (name: string, value: string, more: string): string =>
    `<div><div class="soft">${name}</div><div class="big">${value}</div><div class="soft">${more}</div></div>`;
  const interval = best?.score ? `95 % interval ${show(best.score.low)} to ${show(best.score.high)}` : '';
  const measured = `${metric.id}, ${folds.count} folds${metric.proxy ? ', nearest that we compute' : ''}`;
  return [
    '<div class="facts">',
    fact('Cross-validation', show(best?.score?.score), `${interval}<br>${escape(measured)}`),
    expected === null
      ? ''
      : fact(
          'Expected',
          show(expected.score),
          `on the leaderboard; 95 %: ${show(expected.low)} to ${show(expected.high)}<br>best of ${expected.candidates}`,
        ),
    leaderboard === null ? '' : fact('Leaderboard', show(leaderboard.public), `public; private ${show(leaderboard.private)}`),
    fact('Best solution', best ? `#${best.number}` : '–', escape(best?.title ?? '')),
    fact('Time', `${show(totalSeconds)} s`, ''),
    spend.usd === 0 ? '' : fact('Claude', `$${show(spend.usd)}`, `of $${show(spend.budgetUsd)}`),
    '</div>',
  ].join('');
}

function writeTrust({ best }: Evidence): string {
  if (best?.trust == null) return '';
  const { verdict, reasons } = best.trust;
  if (verdict === 'verified') return '<p class="good">Verified: every check of the score passed.</p>';
  const list = `<ul>${reasons.map((reason) => `<li>${escape(reason)}</li>`).join('')}</ul>`;
  return `<p class="bad">${verdict === 'suspect' ? 'Suspect: the score cannot be trusted.' : 'Unverified: look at this before you trust the score.'}</p>${list}`;
}

function writeChecks({ submission, best }: Evidence): string {
  const checks = [...(submission?.checks ?? []), ...(best?.checks ?? [])];
  if (checks.length === 0) return '';
  const rows = checks.map(({ name, ok, detail }) => {
    const mark = ok ? '<span class="good">passed</span>' : '<span class="bad">look here</span>';
    return `<tr><td>${mark}</td><td>${escape(name)}</td><td>${escape(detail)}</td></tr>`;
  });
  return `<h2>Checks</h2><div class="scroll"><table>${rows.join('')}</table></div>`;
}

function writeNotes({ notes }: Evidence): string {
  if (notes.length === 0) return '';
  return `<h2>What to know</h2><ul>${notes.map((note) => `<li>${escape(note)}</li>`).join('')}</ul>`;
}

function writeOrigin(evidence: Evidence): string {
  const versions = Object.entries(evidence.versions).map(([name, version]) => `${name} ${version}`);
  const split = Object.entries(evidence.seconds).map(([phase, seconds]) => `${phase} ${show(seconds)}`);
  const facts: [string, string][] = [
    ['Submission', `sha256 ${evidence.submission?.sha256 ?? 'none'}, ${evidence.submission?.bytes ?? 0} bytes`],
    ['Folds cut by', `${evidence.task.shape} (${evidence.task.shapeConfidence}): ${evidence.task.shapeReason}`],
    ['Folds', `sha256 ${evidence.folds.hash ?? 'none'}, seed ${evidence.folds.seed}`],
    ['Journal', `${evidence.journal.seq} lines, last hash ${evidence.journal.hash}`],
    ['Metric found in', evidence.metric.source],
    ['Versions', versions.join(', ')],
    ['Seconds', split.join(', ')],
    ['Job', `${evidence.job.id}, attempt ${evidence.job.attempt}`],
  ];
  const rows = facts.map(([name, value]) => `<tr><td>${escape(name)}</td><td><code>${escape(value)}</code></td></tr>`);
  return `<h2>Where it comes from</h2><div class="scroll"><table>${rows.join('')}</table></div>`;
}
