/** What of the configuration Envoy's resources depend on. */
import type { Config } from '../config.js';

export type ResourceSettings = Pick<Config, 'gateway' | 'filter' | 'bridgeSocket'>;

/** Beside the bridge's, which leaves it the few bytes that the path of a socket may have more. */
export const mirrorSocket = ({ bridgeSocket }: ResourceSettings): string =>
  bridgeSocket.replace(/(\.sock)?$/, '-mirror.sock');
