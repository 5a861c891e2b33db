/** What can be said of one place in two JSON Schemas. */

export type SchemaChangeKind =
  | 'property_added'
  | 'property_removed'
  | 'required_property_removed'
  | 'required_added'
  | 'required_removed'
  | 'retyped'
  | 'types_lost'
  | 'types_gained'
  | 'narrowed'
  | 'widened'
  | 'unjudged'
  | 'described';

export interface SchemaChange {
  readonly kind: SchemaChangeKind;
  /** `filter.tags[]`; empty: the whole. */
  readonly path: string;
  /** What follows the path in a sentence. */
  readonly words: string;
}

/** Something that was taken may not be taken any more. */
export const narrows: ReadonlySet<SchemaChangeKind> = new Set<SchemaChangeKind>([
  'property_removed',
  'required_property_removed',
  'required_added',
  'retyped',
  'types_lost',
  'narrowed',
]);
