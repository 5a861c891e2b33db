/**
 * The command line: argv → a row of the command table → one small file per
 * noun. It speaks HTTP to the admin API and MCP to the gateway, like anybody
 * else could; the processes it starts are handed in, so it imports no room.
 */
import { Command, CommanderError } from 'commander';
import { commandTable, groups, sharedOptions } from './commands.js';
import type { Actions, CommandRow, ExitCode, OptionRow } from './command.js';
import { Failure } from './failure.js';
import { processTerminal, type Terminal } from './terminal.js';

interface CliInput {
  /** What follows the program's name. */
  readonly arguments: readonly string[];
  readonly version: string;
  readonly actions: Actions;
  /** The process's own unless given. */
  readonly terminal?: Terminal;
}

/** Never throws for what a person can cause; the value is the exit code. */
export async function runCli(input: CliInput): Promise<ExitCode> {
  const { actions, version, terminal = processTerminal() } = input;
  let exitCode: ExitCode = 0;
  const program = createProgram({ actions, version, terminal }, (code) => (exitCode = code));
  try {
    await program.parseAsync([...input.arguments], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof Failure)) throw error;
    if (error.json !== undefined && input.arguments.includes('--json')) terminal.out(error.json);
    terminal.err(terminal.colours.red(error.message));
    return error.exitCode;
  }
}

type Setting = Pick<CliInput, 'actions' | 'version'> & { readonly terminal: Terminal };

function createProgram(setting: Setting, done: (code: ExitCode) => void): Command {
  const program = configured(new Command('mcpx'), setting)
    .description('An Envoy control plane for MCP servers')
    .version(setting.version, '-V, --version', 'print the version')
    // `service register --version` is the server's version, not ours.
    .enablePositionalOptions()
    .addHelpText('after', '\nExample:\n  $ mcpx up --demo');
  for (const option of sharedOptions) addOption(program, option);
  const parents = new Map<string, Command>();
  for (const row of commandTable) {
    const [first = '', second] = row.path.split(' ');
    if (second === undefined) {
      addCommand(program, first, row, { setting, done });
      continue;
    }
    const parent = parents.get(first) ?? configured(program.command(first), setting);
    parents.set(first, parent.description(groups[first] ?? ''));
    addCommand(parent, second, row, { setting, done });
  }
  return program;
}

function configured(command: Command, { terminal }: Setting): Command {
  return command.exitOverride().configureOutput({
    writeOut: (text) => terminal.out(text.trimEnd()),
    writeErr: (text) => terminal.err(text.trimEnd()),
  });
}

function addCommand(
  parent: Command,
  name: string,
  row: CommandRow,
  { setting, done }: { readonly setting: Setting; readonly done: (code: ExitCode) => void },
): void {
  const { arguments: wanted = '', summary, options = [], example } = row;
  const command = configured(parent.command(`${name} ${wanted}`.trim()), setting)
    .description(summary)
    .addHelpText('after', `\nExample:\n  $ ${example}`);
  const own = new Set(options.map(longName));
  const shared = sharedOptions.filter((option) => !own.has(longName(option)));
  for (const option of [...options, ...shared]) addOption(command, option);
  command.action(async () => {
    const run = await row.load();
    const { actions, terminal } = setting;
    const invocation = { arguments: command.processedArgs as (string | undefined)[] };
    done(await run({ ...invocation, options: command.optsWithGlobals(), actions, terminal }));
  });
}

const longName = ({ flags }: OptionRow) => /--[a-z-]+/.exec(flags)?.[0];

function addOption(command: Command, { flags, description, repeated }: OptionRow): void {
  if (repeated)
    command.option(flags, description, (value: string, earlier: string[] | undefined) => [
      ...(earlier ?? []),
      value,
    ]);
  else command.option(flags, description);
}
