/** What of the configuration Envoy's resources depend on. */
import type { Config } from '../config.js';

export type ResourceSettings = Pick<Config, 'gateway' | 'filter' | 'bridgeSocket'>;
