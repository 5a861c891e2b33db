/** `npm run demo:rollout`: sets up what is missing, then ships a good and a bad version. */
import { orGiveUp, setUp } from '../setup/steps.mjs';

await setUp();
const { demonstrate } = await import('../../dist/scripts/demo/rollout.js');
await orGiveUp(demonstrate);
