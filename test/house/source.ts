/** The repository's own sources, read and parsed once for the house tests. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { packageFile } from '../../src/package_file.js';

export interface SourceFile {
  /** From the root, with forward slashes: `src/fleet/fleet.ts`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly ast: ts.SourceFile;
}

const root = packageFile('.');

export function sourcesIn(...folders: string[]): readonly SourceFile[] {
  return folders
    .flatMap((folder) => filesIn(join(root, folder)))
    .filter((file) => file.endsWith('.ts') && !file.includes('/generated/'))
    .map(read);
}

export function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function read(file: string): SourceFile {
  const text = readFileSync(file, 'utf8');
  return {
    path: relative(root, file),
    text,
    lines: text.split('\n'),
    ast: ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true),
  };
}

export interface Import {
  readonly from: string;
  /** A package's name, or the path of a file of ours from the root. */
  readonly to: string;
  readonly names: readonly string[];
  readonly line: number;
}

/** Static, dynamic and re-exporting imports alike. */
export function importsOf({ path, ast }: SourceFile): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Expression, names: readonly string[]) => {
    if (!ts.isStringLiteral(specifier)) return;
    const { line } = ast.getLineAndCharacterOfPosition(specifier.getStart());
    found.push({ from: path, to: resolved(path, specifier.text), names, line: line + 1 });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, importedNames(node));
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node.moduleSpecifier, ['*']);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier) add(specifier, ['*']);
    }
    ts.forEachChild(node, visit);
  };
  visit(ast);
  return found;
}

function importedNames({ importClause }: ts.ImportDeclaration): readonly string[] {
  const bindings = importClause?.namedBindings;
  if (bindings === undefined) return ['default'];
  if (ts.isNamespaceImport(bindings)) return ['*'];
  return bindings.elements.map(({ name, propertyName }) => (propertyName ?? name).text);
}

function resolved(from: string, specifier: string): string {
  if (!specifier.startsWith('.')) return packageName(specifier);
  return join(dirname(from), specifier).replace(/\.js$/, '.ts');
}

function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

/** Names a file exports, with the line each stands on. */
export function exportsOf({ ast }: SourceFile): ReadonlyMap<string, number> {
  const names = new Map<string, number>();
  const line = (node: ts.Node) => ast.getLineAndCharacterOfPosition(node.getStart()).line + 1;
  for (const statement of ast.statements) {
    if (!ts.canHaveModifiers(statement)) continue;
    const modifiers = ts.getModifiers(statement) ?? [];
    if (!modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) continue;
    if (ts.isVariableStatement(statement)) {
      for (const { name } of statement.declarationList.declarations)
        if (ts.isIdentifier(name)) names.set(name.text, line(statement));
    } else {
      const { name } = statement as unknown as { name?: ts.Identifier };
      if (name) names.set(name.text, line(statement));
    }
  }
  return names;
}

export interface FunctionSize {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
  readonly parameters: number;
}

export function functionsOf({ ast }: SourceFile): readonly FunctionSize[] {
  const found: FunctionSize[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const start = ast.getLineAndCharacterOfPosition(node.getStart()).line;
      const end = ast.getLineAndCharacterOfPosition(node.getEnd()).line;
      const name = node.name?.getText() ?? 'a function';
      const parameters = node.parameters.length;
      found.push({ name, line: start + 1, lines: end - start + 1, parameters });
    }
    ts.forEachChild(node, visit);
  };
  visit(ast);
  return found;
}
