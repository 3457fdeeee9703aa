import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { RequestOptions } from 'node:https';
import { BatchV1Api, CoreV1Api, KubeConfig, ServerConfiguration, createConfiguration, wrapHttpLibrary } from '@kubernetes/client-node';
import { createHttpsLibrary } from './https-library.ts';

/** The two parts of the Kubernetes API that runs are made of, and the connections under them. */
export interface ApiClient {
  readonly batch: BatchV1Api;
  readonly core: CoreV1Api;
  close(): void;
}

export interface ApiClientOptions {
  /** A kubeconfig's path; null = the service account of the pod that this runs in. */
  readonly kubeconfig: string | null;
  /** Deadline of each call. */
  readonly timeoutMs: number;
  readonly maxConnections?: number;
}

const MAX_CONNECTIONS = 16;

/** Opens the API: connections are kept, the account's token is read again as it is renewed. Throws an Error that names what is missing. */
export async function openApiClient(options: ApiClientOptions): Promise<ApiClient> {
  const config = loadConfig(options.kubeconfig);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error(`The kubeconfig ${options.kubeconfig ?? ''} has no current context with a cluster.`);
  const isPlain = cluster.server.startsWith('http:');
  if (isPlain && cluster.skipTLSVerify !== true) {
    throw new Error(`The Kubernetes API at ${cluster.server} is not https: set insecure-skip-tls-verify if that is wanted.`);
  }
  const { ca, cert, key, rejectUnauthorized, servername } = await readCredentials(config);
  const keep = { keepAlive: true, maxSockets: options.maxConnections ?? MAX_CONNECTIONS };
  const agent = isPlain
    ? new HttpAgent(keep)
    : new HttpsAgent({
        ...keep,
        ...(ca !== undefined && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(servername !== undefined && { servername }),
        ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
      });
  const settings = createConfiguration({
    baseServer: new ServerConfiguration(cluster.server, {}),
    httpApi: wrapHttpLibrary(createHttpsLibrary({ timeoutMs: options.timeoutMs, agent })),
    authMethods: {
      default: {
        getName: () => 'kubeconfig',
        applySecurityAuthentication: async (context) => {
          const { headers } = await readCredentials(config);
          for (const [name, value] of Object.entries(headers ?? {})) context.setHeaderParam(name, String(value));
          context.setHeaderParam('user-agent', 'kaggle-agent');
        },
      },
    },
  });
  return { batch: new BatchV1Api(settings), core: new CoreV1Api(settings), close: () => agent.destroy() };
}

function loadConfig(kubeconfig: string | null): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig === null) config.loadFromCluster();
    else config.loadFromFile(kubeconfig);
    // The package builds this address from variables that it does not check.
    if (config.getCurrentCluster()?.server.includes('//undefined') === true) throw new Error('this process runs in no pod');
  } catch (error) {
    const what = kubeconfig === null ? "The pod's service account" : `The kubeconfig ${kubeconfig}`;
    const hint = kubeconfig === null ? ' (outside a cluster, set KUBECONFIG)' : '';
    throw new Error(`${what} can't be read: ${error instanceof Error ? error.message : String(error)}${hint}`, { cause: error });
  }
  return config;
}

async function readCredentials(config: KubeConfig): Promise<RequestOptions> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  return options;
}
