/** What the rest of MCPX sees of certificates: who is who, who is trusted, what there is now. */
import type { Certificate } from './certificate.js';

export interface Material {
  /** Every root that workloads trust, PEM. */
  readonly roots: string;
  /** Workload → its certificate, of those that somebody needs and that are there. */
  readonly certificates: ReadonlyMap<string, Certificate>;
  readonly spiffeIdOf: (workload: string) => string | undefined;
}
