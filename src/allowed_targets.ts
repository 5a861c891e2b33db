/**
 * Where registrations may point when nobody has said: anywhere but where machines keep
 * what they tell only to themselves. `!` takes out, so a list says both in one place.
 */

/** Link-local addresses, and those at which clouds hand out credentials. */
const secretive = [
  ...['169.254.0.0/16', 'fe80::/10'],
  ...['fd00:ec2::/32', 'fd20:ce::254/128', '100.100.100.200/32', '168.63.129.16/32'],
  '192.0.0.192/32',
];

/** To an Envoy on another host this machine's loopback is its own. */
const loopback = ['127.0.0.0/8', '::1/128'];

/** With identity on: what does not leave the machine. */
export const defaultClearTargets = loopback;

export function defaultTargets(envoysElsewhere: boolean): readonly string[] {
  const out = [...secretive, ...(envoysElsewhere ? loopback : [])];
  return ['0.0.0.0/0', '::/0', ...out.map((range) => `!${range}`)];
}
