/** Catalogues to hold side by side. */
import type { Catalogue, NamedDefinition } from '../../../src/fleet/fleet.js';
import { catalogueOf } from '../fleet/registered.js';

type Fields = Readonly<Record<string, unknown>>;

export const tool = (name: string, fields: Fields = {}): NamedDefinition => ({ name, ...fields });

/** A tool `look` that takes these properties. */
export const look = (properties: Fields, required: readonly string[] = []): NamedDefinition =>
  tool('look', { inputSchema: { type: 'object', properties, required } });

export const offer = (fields: Partial<Catalogue>): Catalogue => ({ ...catalogueOf(), ...fields });
