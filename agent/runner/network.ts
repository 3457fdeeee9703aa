import { connect } from 'node:net';

/** Nobody listens there; whether the attempt is refused by the kernel's filter or by nobody's listening is what matters. */
const DISCARD_PORT = 9;

/** True when this process cannot even make an internet socket: a filter refuses it, for all that it starts too. */
export async function hasNoNetwork(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: DISCARD_PORT });
    const done = (refused: boolean): void => {
      socket.destroy();
      resolve(refused);
    };
    socket.once('connect', () => done(false));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code === 'EAFNOSUPPORT' || error.code === 'EPERM' || error.code === 'EACCES'),
    );
  });
}
