/**
 * The one door to `@grpc/proto-loader`: Envoy's messages as typed objects.
 *
 * Field names are Envoy's own (snake_case), enums are their names, 64-bit
 * integers are numbers. Only `google.protobuf.Struct` differs: its values are
 * written `{stringValue: 'x'}`. Three sets are loaded, each at its first use:
 * what the control plane encodes, what the filter service speaks, and what admits
 * other machines, so that no process pays for another's.
 *
 * Equal input gives equal bytes, but a `map` field (`typed_per_filter_config`,
 * the fields of a Struct, …) is encoded in the order its keys were inserted:
 * whoever builds one inserts its keys sorted.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { loadSync } from '@grpc/proto-loader';
import type { AnyDefinition, MessageTypeDefinition, PackageDefinition } from '@grpc/proto-loader';
import type { ProtoGrpcType as Admission } from './generated/admission.js';
import type { ProtoGrpcType as ControlPlane } from './generated/control_plane.js';
import type { ProtoGrpcType as FilterService } from './generated/filter_service.js';
import { packageFile } from './package_file.js';

/** Follows a dotted name into the nested namespaces of a generated root. */
type At<Root, Name extends string> = Name extends `${infer Head}.${infer Rest}`
  ? Head extends keyof Root
    ? At<Root[Head], Rest>
    : never
  : Name extends keyof Root
    ? Root[Name]
    : never;

/** What may be written for the message of this full name, as `envoy.config.cluster.v3.Cluster`. */
export type Input<Name extends string> =
  At<ControlPlane, Name> extends MessageTypeDefinition<infer Message, object> ? Message : never;

/** What reading the message of this full name gives. */
export type Output<Name extends string> =
  At<ControlPlane, Name> extends MessageTypeDefinition<never, infer Message> ? Message : never;

/** A message packed for a field of type `google.protobuf.Any`. */
interface PackedAny {
  readonly type_url: string;
  readonly value: Buffer;
}

export function encode<Name extends string>(name: Name, message: Input<Name>): Buffer {
  return definitionOf(name).serialize(message as object);
}

/** Values of Any come out decoded, with their type in `@type`, where the type is known here. */
export function decode<Name extends string>(name: Name, bytes: Buffer): Output<Name> {
  return definitionOf(name).deserialize(bytes) as Output<Name>;
}

/**
 * Packs a message into an Any.
 *
 * Fields of type Any also take `{'@type': 'type.googleapis.com/…', …}`, but
 * there nothing checks the fields, and an unknown type is packed as nothing.
 */
export function any<Name extends string>(name: Name, message: Input<Name>): PackedAny {
  return { type_url: `type.googleapis.com/${name}`, value: encode(name, message) };
}

type Service<Root, Name extends string> =
  At<Root, Name> extends { service: infer Definition } ? Definition : never;

/** The aggregated discovery service, for the xDS server and for clients of it. */
export const discoveryService = () =>
  serviceIn<ControlPlane, 'envoy.service.discovery.v3.AggregatedDiscoveryService'>(
    controlPlane(),
    'envoy.service.discovery.v3.AggregatedDiscoveryService',
  );

/** The service that takes Envoy's access log. */
export const callLogService = () =>
  serviceIn<ControlPlane, 'opentelemetry.proto.collector.logs.v1.LogsService'>(
    controlPlane(),
    'opentelemetry.proto.collector.logs.v1.LogsService',
  );

/** The external processing service, for the filter service and for clients of it. */
export const externalProcessorService = () =>
  serviceIn<FilterService, 'envoy.service.ext_proc.v3.ExternalProcessor'>(
    filterService(),
    'envoy.service.ext_proc.v3.ExternalProcessor',
  );

/** The service that admits parts of MCPX on other machines, and clients of it. */
export const admissionService = () =>
  serviceIn<Admission, 'mcpx.admission.v1.Admission'>(admission(), 'mcpx.admission.v1.Admission');

const admission = once(() => load('mcpx/admission.proto'));
const controlPlane = once(() => load('mcpx/control_plane.proto'));
const filterService = once(() => load('mcpx/filter_service.proto'));

function load(file: string): PackageDefinition {
  const require = createRequire(import.meta.url);
  const shipped = path.dirname(require.resolve('@grpc/grpc-js-xds/package.json'));
  const folders = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'];
  return loadSync(file, {
    keepCase: true,
    longs: Number,
    enums: String,
    json: true,
    // Ours first: a file found there replaces the shipped one whole.
    includeDirs: [
      packageFile('protos'),
      ...folders.map((folder) => path.join(shipped, 'deps', folder)),
    ],
  });
}

function definitionOf(name: string): MessageTypeDefinition<object, object> {
  const found = controlPlane()[name];
  if (found === undefined || !isMessage(found))
    throw new Error(`${name} is not in protos/mcpx/control_plane.proto: import its file there`);
  return found;
}

function isMessage(definition: AnyDefinition): definition is MessageTypeDefinition<object, object> {
  return 'serialize' in definition && typeof definition.serialize === 'function';
}

function serviceIn<Root, Name extends string>(
  loaded: PackageDefinition,
  name: Name,
): Service<Root, Name> {
  const found = loaded[name];
  if (found === undefined) throw new Error(`There is no service ${name}`);
  return found as unknown as Service<Root, Name>;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
