/** A program with the edits of a patch, or why they do not fit: each `find` must occur exactly once in what the edits before it left. */
export function applyEdits(
  code: string,
  edits: readonly { readonly find: string; readonly replace: string }[],
): { readonly ok: true; readonly code: string } | { readonly ok: false; readonly reason: string } {
  let changed = code;
  for (const [index, { find, replace }] of edits.entries()) {
    const at = find === '' ? -1 : changed.indexOf(find);
    if (at < 0) return { ok: false, reason: `edit ${index + 1}: its text does not occur in the program` };
    if (changed.indexOf(find, at + 1) >= 0)
      return { ok: false, reason: `edit ${index + 1}: its text occurs more than once in the program` };
    changed = changed.slice(0, at) + replace + changed.slice(at + find.length);
  }
  return { ok: true, code: changed };
}
