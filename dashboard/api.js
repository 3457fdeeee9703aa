/** The service over HTTP, with the API key of this tab when one is needed. */
export class ApiError extends Error {
  constructor(message, status, requestId) {
    super(message);
    this.status = status;
    this.requestId = requestId;
  }
}

function headersOf(extra) {
  const headers = new Headers(extra);
  const key = sessionStorage.getItem('api-key');
  if (key) headers.set('authorization', `Bearer ${key}`);
  return headers;
}

/** A response, or an ApiError in the service's own words. */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: headersOf(options.headers) });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError('The service does not answer. This page tries again by itself.', 0, '');
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new ApiError(body.detail ?? `HTTP ${response.status}`, response.status, body.request_id ?? '');
}

export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/**
 * A job's history, then live, each line once and in order; reconnects by Last-Event-ID until the final line.
 * `onLink(isUp)` says whether the stream is connected.
 */
export async function followEvents(jobId, { onLine, onLink, signal }) {
  let lastSeq = 0;
  while (!signal.aborted) {
    try {
      const response = await request(`/jobs/${jobId}/events`, { signal, headers: { 'last-event-id': String(lastSeq) } });
      if (response.status === 204) return;
      onLink(true);
      for await (const line of readLines(response.body)) {
        if (line.seq <= lastSeq) continue;
        lastSeq = line.seq;
        onLine(line);
        if (line.type === 'finished') return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) throw error;
      onLink(false);
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
}

async function* readLines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const blocks = buffer.split('\n\n');
    buffer = blocks.pop();
    for (const block of blocks) {
      const data = block
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice(6))
        .join('\n');
      if (data) yield JSON.parse(data);
    }
  }
}

/** Saves a file; a plain link could not carry the API key. */
export async function download(path, name) {
  const blob = await (await request(path)).blob();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
