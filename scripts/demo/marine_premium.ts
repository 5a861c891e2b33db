/** What insuring a hull for a year and its cargo for a voyage would cost. */

const hullRate = 0.0042;
const cargoRate = 0.0018;

const riskFactors = { sheltered: 0.85, normal: 1, storm: 1.3, ice: 1.55, piracy: 1.9, war: 3.2 };
type Risk = keyof typeof riskFactors;
export const risks = Object.keys(riskFactors) as [Risk, ...Risk[]];

export const vesselAgeMax = 60;

interface PremiumInput {
  readonly hullValue: number;
  readonly cargoValue: number;
  readonly vesselAge: number;
  readonly routeRisk: Risk;
}

export function premium({ hullValue, cargoValue, vesselAge, routeRisk }: PremiumInput) {
  const age = ageFactor(vesselAge);
  const risk = riskFactors[routeRisk];
  const figures = {
    hullPremium: dollars(hullValue * hullRate * age * risk),
    cargoPremium: dollars(cargoValue * cargoRate * age * risk),
    deductible: dollars(hullValue * 0.01 * age),
    ageFactor: age,
    riskFactor: risk,
    currency: 'USD',
  };
  const rows = [
    ['Hull, a year', money(figures.hullPremium)],
    ['Cargo, a voyage', money(figures.cargoPremium)],
    ['Deductible', money(figures.deductible)],
    ['Vessel age', `${vesselAge} years: × ${age.toFixed(2)}`],
    ['Route risk', `${routeRisk}: × ${risk.toFixed(2)}`],
  ] as const;
  return { figures, table: rows.map(([label, value]) => label.padEnd(18) + value).join('\n') };
}

/** Flat for five years, 3 % a year after, 5 % a year beyond twenty. */
function ageFactor(years: number): number {
  const middle = Math.min(Math.max(years - 5, 0), 15) * 0.03;
  const old = Math.max(years - 20, 0) * 0.05;
  return Math.round((1 + middle + old) * 100) / 100;
}

const dollars = (amount: number): number => Math.round(amount * 100) / 100;
const money = (amount: number): string =>
  amount.toLocaleString('en', { style: 'currency', currency: 'USD' });
