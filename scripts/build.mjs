/** `npm run build`: Envoy's types, then TypeScript, into dist/. */
import { setUp } from './setup/steps.mjs';

await setUp();
