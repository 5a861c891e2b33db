/** How far it is from port to port, and how long a ship takes. */

interface Port {
  readonly name: string;
  readonly country: string;
  readonly latitude: number;
  readonly longitude: number;
}

const ports: readonly Port[] = [
  { name: 'Antwerp', country: 'BE', latitude: 51.27, longitude: 4.34 },
  { name: 'Busan', country: 'KR', latitude: 35.1, longitude: 129.04 },
  { name: 'Durban', country: 'ZA', latitude: -29.87, longitude: 31.03 },
  { name: 'Hamburg', country: 'DE', latitude: 53.54, longitude: 9.97 },
  { name: 'Houston', country: 'US', latitude: 29.73, longitude: -95.27 },
  { name: 'Jebel Ali', country: 'AE', latitude: 25.01, longitude: 55.06 },
  { name: 'Los Angeles', country: 'US', latitude: 33.73, longitude: -118.26 },
  { name: 'Mumbai', country: 'IN', latitude: 18.95, longitude: 72.84 },
  { name: 'New York', country: 'US', latitude: 40.67, longitude: -74.05 },
  { name: 'Piraeus', country: 'GR', latitude: 37.94, longitude: 23.63 },
  { name: 'Rotterdam', country: 'NL', latitude: 51.95, longitude: 4.14 },
  { name: 'Santos', country: 'BR', latitude: -23.96, longitude: -46.3 },
  { name: 'Shanghai', country: 'CN', latitude: 31.23, longitude: 121.5 },
  { name: 'Singapore', country: 'SG', latitude: 1.26, longitude: 103.83 },
  { name: 'Sydney', country: 'AU', latitude: -33.86, longitude: 151.2 },
  { name: 'Valparaiso', country: 'CL', latitude: -33.03, longitude: -71.63 },
];

export const portNames: readonly string[] = ports.map(({ name }) => name);

type Voyage =
  | {
      readonly ok: true;
      readonly table: string;
      readonly estimate: Record<string, string | number>;
    }
  | { readonly ok: false; readonly reason: string };

export function voyage(from: string, to: string, knots: number): Voyage {
  const [departure, arrival] = [portNamed(from), portNamed(to)];
  if (departure === undefined || arrival === undefined) {
    const unknown = [departure ? [] : [from], arrival ? [] : [to]].flat();
    const names = unknown.map((name) => `"${name}"`).join(' and ');
    return { ok: false, reason: `Unknown port ${names}. Known: ${portNames.join(', ')}.` };
  }
  const miles = nauticalMiles(departure, arrival);
  const hours = miles / knots;
  const wholeHours = Math.round(hours);
  const estimate = {
    from: departure.name,
    to: arrival.name,
    nauticalMiles: Math.round(miles),
    knots,
    hours: Math.round(hours * 10) / 10,
    initialBearing: Math.round(initialBearing(departure, arrival)),
  };
  const rows = [
    ['From', `${departure.name} (${departure.country})`],
    ['To', `${arrival.name} (${arrival.country})`],
    ['Great circle', `${estimate.nauticalMiles.toLocaleString('en')} nm`],
    ['Initial course', `${String(estimate.initialBearing).padStart(3, '0')}°`],
    ['Sailing time', `${Math.floor(wholeHours / 24)} d ${wholeHours % 24} h at ${knots} kn`],
  ] as const;
  const table = rows.map(([label, value]) => `${label.padEnd(16)}${value}`).join('\n');
  return { ok: true, table: `${table}\n(as the albatross flies: land is not avoided)`, estimate };
}

function portNamed(name: string): Port | undefined {
  const wanted = name.trim().toLowerCase();
  return ports.find((port) => port.name.toLowerCase() === wanted);
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180;
const earthRadiusNauticalMiles = 3440.065;

/** Haversine, on a sphere: within half a percent of the ellipsoid. */
function nauticalMiles(from: Port, to: Port): number {
  const halfLatitude = radians(to.latitude - from.latitude) / 2;
  const halfLongitude = radians(to.longitude - from.longitude) / 2;
  const parallels = Math.cos(radians(from.latitude)) * Math.cos(radians(to.latitude));
  const chord = Math.sin(halfLatitude) ** 2 + parallels * Math.sin(halfLongitude) ** 2;
  return 2 * earthRadiusNauticalMiles * Math.asin(Math.sqrt(chord));
}

function initialBearing(from: Port, to: Port): number {
  const [start, end] = [radians(from.latitude), radians(to.latitude)];
  const turn = radians(to.longitude - from.longitude);
  const east = Math.sin(turn) * Math.cos(end);
  const north = Math.cos(start) * Math.sin(end) - Math.sin(start) * Math.cos(end) * Math.cos(turn);
  return ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
}
