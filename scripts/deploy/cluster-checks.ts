import type { Kubectl } from './kubectl.ts';
import { DeployRefusal } from './kubectl.ts';

const PARTS: readonly { readonly title: string; readonly crds: readonly string[]; readonly guide: string }[] = [
  {
    title: 'Knative Serving',
    crds: ['services.serving.knative.dev'],
    guide: 'https://knative.dev/docs/install/yaml-install/serving/install-serving-with-yaml/',
  },
  {
    title: 'Knative Eventing',
    crds: [
      'brokers.eventing.knative.dev',
      'triggers.eventing.knative.dev',
      'apiserversources.sources.knative.dev',
      'pingsources.sources.knative.dev',
    ],
    guide: 'https://knative.dev/docs/install/yaml-install/eventing/install-eventing-with-yaml/',
  },
];

/** Throws DeployRefusal, in one line, when the cluster does not answer or lacks a part that we build on. */
export async function checkCluster(kubectl: Kubectl): Promise<void> {
  const names = (await kubectl.run(['get', 'customresourcedefinitions', '--output', 'name']))
    .split('\n')
    .map((line) => line.replace(/^.*\//, ''));
  const missing = PARTS.map((part) => ({ ...part, crds: part.crds.filter((crd) => !names.includes(crd)) })).filter(
    (part) => part.crds.length > 0,
  );
  if (missing.length === 0) return;
  const parts = missing.map((part) => `${part.title} (${part.crds.join(', ')}; ${part.guide})`);
  throw new DeployRefusal(`The cluster lacks ${parts.join(' and ')}. Install it, then deploy again.`);
}
