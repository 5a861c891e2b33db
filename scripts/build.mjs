/** `npm run build`: Envoy's types, then TypeScript, into dist/. */
import { checkNode, ensureBuild, ensureDependencies, giveUp } from './setup/steps.mjs';

try {
  checkNode();
  await ensureDependencies();
  await ensureBuild();
} catch (error) {
  giveUp(error.message);
}
