import { existsSync } from 'node:fs';

/** A container of namespaces around one run: nothing of the machine is there but what is bound into it. */
export interface Bubblewrap {
  readonly path: string;
  /** Where Python and its packages lie. */
  readonly pythonPlaces: readonly string[];
}

/** What one run sees; paths are the same inside and outside. */
export interface BoundPlaces {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly workDir: string;
}

const USUAL_PLACES = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap', '/run/current-system/sw/bin/bwrap'];
const NOBODY = '65534';
const MIB = 2 ** 20;
const TMP_BYTES = 16 * MIB;

/** Libraries and their settings, facts about processors and memory limits: the same as Landlock's list leaves open. */
const SYSTEM = [
  '/usr',
  '/lib',
  '/lib32',
  '/lib64',
  '/bin',
  '/sbin',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/localtime',
  '/etc/timezone',
  '/etc/mime.types',
  '/etc/alternatives',
  '/sys/devices/system/cpu',
  '/sys/devices/system/node',
  '/sys/kernel/mm/transparent_hugepage',
];

/** Where bubblewrap is installed; null when it is in none of the usual places. */
export function findBubblewrap(): string | null {
  return USUAL_PLACES.find((path) => existsSync(path)) ?? null;
}

/**
 * The command up to the program's own. Started with the run's environment, which holds no secret: the container's first process keeps what
 * it was started with, whatever is cleared later. All its processes die with it, and it with us.
 */
export function writeBubblewrapCommand({ path, pythonPlaces }: Bubblewrap, places: BoundPlaces): string[] {
  const own = ['--unshare-all', '--unshare-user', '--disable-userns', '--uid', NOBODY, '--gid', NOBODY, '--hostname', 'run'];
  const ends = ['--die-with-parent', '--new-session', '--cap-drop', 'ALL'];
  const files = [...SYSTEM, ...pythonPlaces].flatMap((place) => ['--ro-bind-try', place, place]);
  const memory = ['--size', String(TMP_BYTES), '--tmpfs', '/tmp'];
  const devices = ['--dev', '/dev', '--size', String(MIB), '--tmpfs', '/dev/shm', '--remount-ro', '/dev/shm', '--remount-ro', '/dev'];
  const read = places.read.flatMap((place) => ['--ro-bind', place, place]);
  const write = places.write.flatMap((place) => ['--bind', place, place]);
  return [
    path,
    ...own,
    ...ends,
    '--proc',
    '/proc',
    ...devices,
    ...memory,
    ...files,
    ...read,
    ...write,
    '--remount-ro',
    '/',
    '--chdir',
    places.workDir,
    '--',
  ];
}
