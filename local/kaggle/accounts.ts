import { createHash, timingSafeEqual } from 'node:crypto';
import type { StandInState } from './state.ts';

/** An account of the stand-in: reachable by token (Bearer) and by user name with key (Basic). */
export interface StandInUser {
  username: string;
  key: string;
  token: string;
  /** Competitions whose rules are accepted from the beginning. */
  entered: 'all' | readonly string[];
}

/** The account that exists by default. It opens nothing but this stand-in. */
export const DEMO_USER: StandInUser = {
  username: 'demo',
  key: 'local-demo-key',
  token: 'KGAT_local_demo_token',
  entered: 'all',
};

/** Who may do what at the stand-in. */
export class Accounts {
  readonly #users: readonly StandInUser[];
  readonly #state: StandInState;

  constructor(users: readonly StandInUser[], state: StandInState) {
    this.#users = users;
    this.#state = state;
  }

  /** The user an `Authorization` header belongs to; null for none, unknown or malformed. */
  authenticate(header: string | undefined): StandInUser | null {
    const [scheme = '', value = ''] = (header ?? '').split(' ', 2);
    if (scheme.toLowerCase() === 'bearer') return this.findByToken(value);
    if (scheme.toLowerCase() !== 'basic') return null;
    const [username = '', ...rest] = Buffer.from(value, 'base64').toString('utf8').split(':');
    const key = rest.join(':');
    return this.#users.find((user) => user.username === username && isSame(user.key, key)) ?? null;
  }

  findByToken(token: string): StandInUser | null {
    return this.#users.find((user) => isSame(user.token, token)) ?? null;
  }

  hasEntered(user: StandInUser, slug: string): boolean {
    return user.entered === 'all' || user.entered.includes(slug) || this.#state.hasEntered(user.username, slug);
  }

  /** A number that stays the same for a user, as ids at Kaggle do. */
  idOf(username: string): number {
    return 100_000 + (createHash('sha256').update(username).digest().readUInt32BE(0) % 9_000_000);
  }
}

function isSame(expected: string, given: string): boolean {
  const [a, b] = [expected, given].map((text) => createHash('sha256').update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}
