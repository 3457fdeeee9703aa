import { existsSync, statfsSync } from 'node:fs';
import { projectDir } from './places.mjs';
import { SetupRefusal } from './talk.mjs';

const wantedGib = 3;

/** Refuses machines that the pinned binaries (Node 24, Postgres) do not run on. Cheap: runs on every start. */
export function checkMachine() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) throw new SetupRefusal(`Node ${process.versions.node} is too old: install Node 20 or newer (https://nodejs.org)`);
  const isKnownArch = process.arch === 'x64' || process.arch === 'arm64';
  if (process.platform !== 'linux' || !isKnownArch) {
    throw new SetupRefusal(
      `${process.platform} on ${process.arch} is not supported: use Linux on x64 or arm64 (a container or a virtual machine will do)`,
    );
  }
  if (existsSync('/etc/alpine-release')) {
    throw new SetupRefusal('Alpine Linux (musl) is not supported: use a distribution with glibc, for example Debian or Ubuntu');
  }
}

/** Refuses to begin an installation that would fill the disk. Only asked when something has to be installed. */
export function checkDiskSpace() {
  const { bavail, bsize } = statfsSync(projectDir);
  const freeGib = (bavail * bsize) / 1024 ** 3;
  if (freeGib < wantedGib) {
    throw new SetupRefusal(
      `only ${freeGib.toFixed(1)} GiB free in ${projectDir}: set-up needs ${wantedGib} GiB, free some space and start again`,
    );
  }
}
