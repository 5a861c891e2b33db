/**
 * Writes the TypeScript types of Envoy's messages to `src/generated/`, which
 * is not committed. Quick when nothing changed: a stamp remembers what the
 * types were made of.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const output = path.join(root, 'src', 'generated');
const stampFile = path.join(output, '.stamp');
const require = createRequire(import.meta.url);

const shipped = path.dirname(require.resolve('@grpc/grpc-js-xds/package.json'));
const loader = path.dirname(require.resolve('@grpc/proto-loader/package.json'));
const includeDirs = [
  path.join(root, 'protos'),
  ...['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((folder) =>
    path.join(shipped, 'deps', folder),
  ),
];
const roots = ['control_plane', 'filter_service', 'admission'].map((name) => `mcpx/${name}.proto`);

function stamp() {
  const hash = createHash('sha256');
  const protos = path.join(root, 'protos');
  const files = readdirSync(protos, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  const inputs = [fileURLToPath(import.meta.url), path.join(shipped, 'package.json')];
  inputs.push(path.join(loader, 'package.json'), ...files);
  for (const file of inputs) hash.update(path.relative(root, file)).update(readFileSync(file));
  return hash.digest('hex');
}

function previousStamp() {
  try {
    return readFileSync(stampFile, 'utf8');
  } catch {
    return undefined;
  }
}

const present = stamp();
if (previousStamp() !== present) {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  const flags = ['--keepCase', '--longs=Number', '--enums=String', '--json'];
  flags.push('--grpcLib=@grpc/grpc-js', '--importFileExtension=.js', '--outDir', output);
  const includes = includeDirs.flatMap((folder) => ['-I', folder]);
  const tool = path.join(loader, 'build', 'bin', 'proto-loader-gen-types.js');
  execFileSync(process.execPath, [tool, ...flags, ...includes, '--', ...roots], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  writeFileSync(stampFile, present);
}
