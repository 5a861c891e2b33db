/** Changes as a file names them: registrations in their order, then what goes. */
export interface ChangesFile {
  readonly services: readonly Readonly<Record<string, unknown>>[];
  readonly remove: readonly string[];
}
