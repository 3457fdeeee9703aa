import type { Progress } from '#core/job.ts';
import type { JobView, ProgressView, StreamEvent } from './wire.ts';

export type OutputFormat = 'table' | 'json' | 'name';

/** Where a command writes: data to `out`, everything for a person to `progress`. */
export interface Console {
  readonly out: (data: string | Uint8Array) => void;
  readonly progress: (text: string) => void;
  /** True when progress goes to a terminal that can redraw a line. */
  readonly canRedraw: boolean;
  readonly columns: number;
}

/** A console over this process's streams. No redrawing when piped, with TERM=dumb or in CI. */
export function processConsole(env: Readonly<Record<string, string | undefined>>): Console {
  const canRedraw = process.stderr.isTTY === true && env['TERM'] !== 'dumb' && env['CI'] === undefined;
  return {
    out: (data) => void process.stdout.write(data),
    progress: (text) => void process.stderr.write(text),
    canRedraw,
    columns: process.stderr.columns ?? 120,
  };
}

/** Rows as a table with aligned columns, two spaces apart. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const clean = [header, ...rows].map((row) => row.map((cell) => stripControls(cell)));
  const widths = header.map((_, column) => Math.max(...clean.map((row) => (row[column] ?? '').length)));
  const lines = clean.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** Text from elsewhere may hold escape sequences: a terminal never gets them. Lines and tabs go as well. */
export function stripControls(text: string): string {
  // eslint-disable-next-line no-control-regex -- the control characters are the point
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** The same for text of many lines, which stay. */
export function stripEscapes(text: string): string {
  // eslint-disable-next-line no-control-regex -- the control characters are the point
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

/** Seconds as `42s`, `3m05s`, `1h02m`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`;
}

/** One line that a person can follow: state, elapsed, stage, message, best score with interval, time left. */
export function formatProgress(
  event: { readonly state: string; readonly message: string; readonly progress: ProgressView | null },
  elapsedS: number,
): string {
  const { progress } = event;
  const parts = [event.state.padEnd(8), formatSeconds(elapsedS).padStart(6)];
  if (progress === null) return [...parts, stripControls(event.message)].join('  ');
  parts.push(progress.stage, stripControls(progress.message));
  if (progress.best !== null) {
    const half = (progress.best.high - progress.best.low) / 2;
    parts.push(`best ${progress.metric ?? 'score'} ${formatScore(progress.best.score)} ±${formatScore(half)}`);
  }
  if (progress.remaining_s !== null) parts.push(`${formatSeconds(progress.remaining_s)} left`);
  return parts.join('  ');
}

/** A score with five significant digits. */
export function formatScore(score: number): string {
  return Number.isFinite(score) ? String(Number(score.toPrecision(5))) : '–';
}

/** Shows events as they come: one redrawn line on a terminal, one line an event (only when it says something new) elsewhere. */
export class ProgressLine {
  readonly #console: Console;
  readonly #startedAt = Date.now();
  #isOpen = false;
  #last = '';

  constructor(console: Console) {
    this.#console = console;
  }

  show(event: StreamEvent): void {
    const line = formatProgress({ state: event.state, message: event.message, progress: event.data.progress ?? null }, this.#elapsedS());
    this.#write({ key: `${event.state} ${event.message}`, line, keep: event.type !== 'progressed' });
  }

  /** Shows an agent's own progress, without a control plane around it. */
  showProgress(progress: Progress): void {
    const { solutionsDone, solutionsPlanned, remainingS, firstValidSeconds, ...rest } = progress;
    const view = {
      ...rest,
      solutions_done: solutionsDone,
      solutions_planned: solutionsPlanned,
      remaining_s: remainingS,
      first_valid_seconds: firstValidSeconds,
    };
    this.#write({
      key: progress.message,
      line: formatProgress({ state: 'solving', message: progress.message, progress: view }, this.#elapsedS()),
      keep: false,
    });
  }

  #elapsedS(): number {
    return (Date.now() - this.#startedAt) / 1000;
  }

  #write({ key, line, keep }: { readonly key: string; readonly line: string; readonly keep: boolean }): void {
    if (this.#console.canRedraw) {
      this.#console.progress(`\r\u001b[2K${line.slice(0, this.#console.columns - 1)}`);
      this.#isOpen = true;
      if (keep) this.close();
    } else if (key !== this.#last) {
      this.#console.progress(`${line}\n`);
    }
    this.#last = key;
  }

  /** Leaves the last line standing. */
  close(): void {
    if (this.#isOpen) this.#console.progress('\n');
    this.#isOpen = false;
  }
}

/** A list of jobs in the format asked for. */
export function formatJobs(jobs: readonly JobView[], format: OutputFormat): string {
  if (format === 'json') return `${JSON.stringify(jobs, null, 2)}\n`;
  if (format === 'name') return jobs.map((job) => `${job.job_id}\n`).join('');
  const rows = jobs.map((job) => [
    job.job_id,
    job.competition_name,
    job.status,
    formatBest(job),
    formatSeconds((Date.now() - Date.parse(job.created_at)) / 1000),
    job.reason,
  ]);
  return formatTable(['JOB', 'COMPETITION', 'STATE', 'BEST', 'AGE', 'REASON'], rows);
}

/** The best score of a job as text, or an empty cell. */
export function formatBest(job: JobView): string {
  return job.best_score !== null ? `${job.metric ?? ''} ${formatScore(job.best_score)}`.trim() : '';
}
