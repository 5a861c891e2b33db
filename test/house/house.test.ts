import { readFileSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { expect } from 'chai';
import { packageFile } from '../../src/package_file.js';
import {
  arrows,
  bannedFileNames,
  compositions,
  doors,
  limits,
  pure,
  readsTemplates,
  topLevel,
} from './rules.js';
import {
  exportsOf,
  filesIn,
  functionsOf,
  importsOf,
  sourcesIn,
  type Import,
  type SourceFile,
} from './source.js';

const product = sourcesIn('src');
const everything = [...product, ...sourcesIn('test', 'scripts')];
const productImports = product.flatMap(importsOf);

/** `src/fleet/merge.ts` → `fleet`; a file at the root of src has no room. */
const roomOf = (path: string): string | undefined => /^src\/([a-z_]+)\//.exec(path)?.[1];
const place = ({ from, to, line }: Import): string => `${from}:${line} imports ${to}`;

/** A type is alive when another declaration of its file is made of it. */
const isPartOfASignature = ({ text }: SourceFile, name: string): boolean =>
  new RegExp(`export (interface|type) ${name}\\b`).test(text) &&
  (text.match(new RegExp(`\\b${name}\\b`, 'g')) ?? []).length > 1;

describe('the house', () => {
  describe('sizes', () => {
    it(`has no file longer than ${limits.fileLines} lines`, () => {
      const long = everything.filter(({ lines }) => lines.length > limits.fileLines);
      expect(long.map(({ path, lines }) => `${path}: ${lines.length}`)).to.deep.equal([]);
    });

    it('keeps files of the product short', () => {
      const sizes = product.map(({ lines }) => lines.length).sort((a, b) => a - b);
      const at = (share: number) => sizes[Math.floor((sizes.length - 1) * share)];
      expect(at(0.5)).to.be.at.most(limits.fileLinesMedian);
      expect(at(0.9)).to.be.at.most(limits.fileLinesP90);
    });

    it(`has no function longer than ${limits.functionLines} lines`, () => {
      const long = product.flatMap((file) =>
        functionsOf(file)
          .filter(({ lines }) => lines > limits.functionLines)
          .map(({ name, line, lines }) => `${file.path}:${line} ${name}: ${lines}`),
      );
      expect(long).to.deep.equal([]);
    });

    it(`has no function with more than ${limits.parameters} parameters`, () => {
      const wide = everything.flatMap((file) =>
        functionsOf(file)
          .filter(({ parameters }) => parameters > limits.parameters)
          .map(({ name, line }) => `${file.path}:${line} ${name}`),
      );
      expect(wide).to.deep.equal([]);
    });

    it(`has no line wider than ${limits.columns} columns, module paths aside`, () => {
      const wide = everything.flatMap(({ path, lines }) =>
        lines.flatMap((line, index) =>
          line.length > limits.columns && !/^(import|\}) .*from '/.test(line)
            ? [`${path}:${index + 1}: ${line.length}`]
            : [],
        ),
      );
      expect(wide).to.deep.equal([]);
    });
  });

  describe('arrows', () => {
    it('lets a room import only the rooms its arrows point to, and root leaves', () => {
      const wrong = productImports.filter(({ from, to }) => {
        const [here, there] = [roomOf(from), roomOf(to)];
        if (here === undefined || !to.startsWith('src/') || to.startsWith('src/generated/'))
          return false;
        if (there === undefined) return basename(to) in compositions;
        return here !== there && !arrows[here]?.includes(there);
      });
      expect(wrong.map(place)).to.deep.equal([]);
    });

    it('lets root leaves import no room', () => {
      const wrong = productImports.filter(({ from, to }) => {
        const there = roomOf(to);
        if (roomOf(from) !== undefined || there === undefined || there === 'generated')
          return false;
        return !compositions[basename(from)]?.includes(there);
      });
      expect(wrong.map(place)).to.deep.equal([]);
    });

    it('knows every room', () => {
      const rooms = new Set(product.flatMap(({ path }) => roomOf(path) ?? []));
      expect([...rooms].sort()).to.deep.equal(Object.keys(arrows).sort());
    });

    it('has no import cycle', () => {
      const next = new Map<string, string[]>();
      for (const { from, to } of productImports)
        if (to.startsWith('src/')) next.set(from, [...(next.get(from) ?? []), to]);
      const done = new Set<string>();
      const visit = (file: string, path: readonly string[]): void => {
        if (path.includes(file)) throw new Error([...path, file].join(' → '));
        if (done.has(file)) return;
        for (const target of next.get(file) ?? []) visit(target, [...path, file]);
        done.add(file);
      };
      expect(() => [...next.keys()].forEach((file) => visit(file, []))).not.to.throw();
    });

    it('opens each dependency by its one door', () => {
      const wrong = productImports.filter(({ from, to }) => {
        const allowed = doors[to];
        return allowed !== undefined && !allowed.some((door) => from.startsWith(door));
      });
      expect(wrong.map(place)).to.deep.equal([]);
    });

    it('keeps sockets, files and clocks out of the pure rooms', () => {
      const outside = /^(node:(fs|net|http|https|timers|child_process)|ws|undici)/;
      const isPure = (path: string) => pure.some((start) => path.startsWith(start));
      const wrong = productImports.filter(
        ({ from, to, names }) =>
          isPure(from) &&
          !readsTemplates.includes(from) &&
          outside.test(to) &&
          !(to === 'node:net' && names.every((name) => name.startsWith('isIP'))),
      );
      const clocks = product.filter(
        ({ path, text }) => isPure(path) && /Date\.now|setTimeout|performance\.now/.test(text),
      );
      expect([...wrong.map(place), ...clocks.map(({ path }) => path)]).to.deep.equal([]);
    });
  });

  describe('words', () => {
    it('opens every file of the product with why it exists', () => {
      const silent = product.filter(({ text }) => !text.startsWith('/**'));
      expect(silent.map(({ path }) => path)).to.deep.equal([]);
    });

    it('has no file named after nothing in particular', () => {
      const vague = everything.filter(({ path }) => bannedFileNames.test(basename(path)));
      expect(vague.map(({ path }) => path)).to.deep.equal([]);
    });

    it('leaves nothing to be done without saying who does it', () => {
      const marker = new RegExp(['TO', 'DO|FIX', 'ME'].join('') + '(?!\\()');
      const open = everything.filter(({ text }) => marker.test(text));
      expect(open.map(({ path }) => path)).to.deep.equal([]);
    });

    it('exports nothing that nobody imports', () => {
      const used = new Set(
        everything.flatMap(importsOf).flatMap(({ to, names }) => names.map((n) => `${to} ${n}`)),
      );
      const scripts = filesIn(packageFile('scripts'))
        .filter((file) => file.endsWith('.mjs'))
        .map((file) => readFileSync(file, 'utf8'))
        .join('\n');
      const dead = product.flatMap((file) =>
        [...exportsOf(file)].flatMap(([name, line]) =>
          used.has(`${file.path} ${name}`) ||
          used.has(`${file.path} *`) ||
          scripts.includes(name) ||
          isPartOfASignature(file, name)
            ? []
            : [`${file.path}:${line} ${name}`],
        ),
      );
      expect(dead).to.deep.equal([]);
    });
  });

  describe('the repository', () => {
    it('has nothing at its top that the design does not name', () => {
      const entries = readdirSync(packageFile('.')).filter((name) => !name.startsWith('.'));
      expect(entries.filter((name) => !topLevel.includes(name))).to.deep.equal([]);
    });

    it('holds no download address in its lock file', () => {
      expect(readFileSync(packageFile('package-lock.json'), 'utf8')).not.to.match(
        /"resolved":|https?:\/\/[^"]*registry/,
      );
    });
  });
});
