/** `npm run goldens`: renews what test/golden expects Envoy to get; review the diff, then commit. */
process.env.MCPX_RENEW_GOLDENS = '1';
process.argv.push('golden');
await import('./test.mjs');
