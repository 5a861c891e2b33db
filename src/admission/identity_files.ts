/**
 * A node's certificate and whom it trusts, as files that Envoy follows: each
 * is a document of its secret discovery (SDS), replaced by renaming, so that
 * nobody ever reads half of one or a key beside another's certificate.
 */
import { access, constants, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';

export interface Identity {
  /** PEM, the leaf first. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  /** PEM of every root it trusts. */
  readonly roots: string;
}

/** Of the Envoy beside the control plane. */
export const localFolder = (data: string): string => join(data, 'node');

const secretType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
const inline = z.object({ inline_string: z.string() });

const nodeSchema = z.object({
  resources: z.tuple([
    z.object({ tls_certificate: z.object({ certificate_chain: inline, private_key: inline }) }),
  ]),
});
const rootsSchema = z.object({
  resources: z.tuple([z.object({ validation_context: z.object({ trusted_ca: inline }) })]),
});

/** Makes the folder, and finds out whether files can be written there. */
export async function prepareFolder(folder: string): Promise<Outcome<void>> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK | constants.X_OK);
    return succeeded(undefined);
  } catch (error) {
    return failed(unwritable(folder, error));
  }
}

/** Problems: `config_invalid`. */
export async function writeIdentity(folder: string, identity: Identity): Promise<Outcome<void>> {
  const { chain, key, roots } = identity;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // The roots first: whoever shows the new certificate may be answered under a new root.
    await write(folder, 'roots', {
      validation_context: { trusted_ca: { inline_string: roots } },
    });
    await write(folder, 'node', {
      tls_certificate: {
        certificate_chain: { inline_string: chain },
        private_key: { inline_string: key },
      },
    });
    return succeeded(undefined);
  } catch (error) {
    return failed(unwritable(folder, error));
  }
}

async function write(folder: string, name: 'node' | 'roots', secret: object): Promise<void> {
  const document = { resources: [{ '@type': secretType, name, ...secret }] };
  await writeFileAtomic(join(folder, `${name}.yaml`), stringify(document), { mode: 0o600 });
}

function unwritable(folder: string, error: unknown) {
  const message = `${folder} cannot be written to: ${reasonOf(error)}. Name another with --folder.`;
  return problem('config_invalid', { path: 'folder' }, message);
}

/** What the folder holds; undefined where nobody has joined. Problems: `config_invalid`. */
export async function readIdentity(folder: string): Promise<Outcome<Identity | undefined>> {
  try {
    const [node, roots] = await Promise.all([read(folder, 'node'), read(folder, 'roots')]);
    const [{ tls_certificate: own }] = nodeSchema.parse(parse(node)).resources;
    const [{ validation_context: trusted }] = rootsSchema.parse(parse(roots)).resources;
    return succeeded({
      chain: own.certificate_chain.inline_string,
      key: own.private_key.inline_string,
      roots: trusted.trusted_ca.inline_string,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return succeeded(undefined);
    // Not the parser's words, which may quote the key.
    const { code = 'it is not what `mcpx join` writes' } = error as NodeJS.ErrnoException;
    const message = `The identity in ${folder} cannot be read: ${code}. Remove it and join anew.`;
    return failed(problem('config_invalid', { path: 'folder' }, message));
  }
}

const read = (folder: string, name: string): Promise<string> =>
  readFile(join(folder, `${name}.yaml`), 'utf8');
