import { createInProcessBroker } from '#adapters/broker/in-process.ts';
import { buildTriggers } from '#adapters/broker/triggers.ts';
import type { BrokerFaults } from '#adapters/broker/faults.ts';
import type { InProcessBroker } from '#adapters/broker/in-process.ts';
import type { Logger } from '#core/ports.ts';
import type { PlainEvent } from '#core/events.ts';
import type { RunFile } from './data-folder.ts';

export type { BrokerFaults } from '#adapters/broker/faults.ts';

/** A broker and the port it listens on. */
export interface ListeningBroker extends InProcessBroker {
  readonly port: number;
}

/** The two brokers: `intake` for facts and commands, `signals` for hints that may be lost. */
export interface LocalBrokers {
  readonly intake: ListeningBroker;
  readonly signals: ListeningBroker;
  /** Sends a hint of the local cluster; never throws, since the tick finds what is lost. */
  hint(event: PlainEvent): void;
  /** Connects the triggers, once the functions listen under `internalUrl`. */
  connect(internalUrl: string): void;
  close(): Promise<void>;
}

const HINT_TIMEOUT_MS = 3_000;

/** Starts both brokers, on their former ports where those are free: agents that outlived the last control plane still send there. */
export async function startBrokers(params: {
  readonly lastRun: RunFile | null;
  readonly faults: { readonly intake?: BrokerFaults; readonly signals?: BrokerFaults };
  readonly logger: Logger;
}): Promise<LocalBrokers> {
  const { lastRun, faults, logger } = params;
  const intake = await listen('intake', lastRun?.intake_port ?? 0, { logger, faults: faults.intake });
  const signals = await listen('signals', lastRun?.signals_port ?? 0, { logger, faults: faults.signals });
  return {
    intake,
    signals,
    hint: (event) => {
      signals.sink.send(event, { timeoutMs: HINT_TIMEOUT_MS }).catch((error: unknown) => {
        logger.warn({ event_id: event.id, error: String(error) }, 'a hint was lost; the tick finds what it said');
      });
    },
    connect: (internalUrl) => {
      const targets = {
        submit: `${internalUrl}/submit`,
        jobLauncher: `${internalUrl}/job-launcher`,
        collector: `${internalUrl}/collector`,
        deadLetter: `${internalUrl}/dead-letter`,
      };
      intake.setTriggers(buildTriggers('intake', targets));
      signals.setTriggers(buildTriggers('signals', targets));
    },
    close: async () => void (await Promise.all([intake.close(), signals.close()])),
  };
}

async function listen(
  name: string,
  wantedPort: number,
  options: { readonly logger: Logger; readonly faults: BrokerFaults | undefined },
): Promise<ListeningBroker> {
  const make = () =>
    createInProcessBroker({ name, namespace: 'local', triggers: [], logger: options.logger, faults: options.faults ?? {} });
  let broker = make();
  try {
    await broker.listen(wantedPort);
  } catch {
    broker = make();
    await broker.listen(0);
  }
  return Object.assign(broker, { port: Number(new URL(broker.url).port) });
}
