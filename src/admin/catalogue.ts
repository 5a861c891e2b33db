/** What agents see, and what is wrong: tools and problems. */
import { listed } from './problem.js';
import { jsonAnswer, jsonRow, type Route } from './route.js';
import { problemList, toolList } from './schemas.js';
import type { AdminState } from './state.js';
import { toolsOf } from './view.js';

export function catalogueRoutes({ fleet, problems }: AdminState): Route[] {
  return [
    {
      method: 'get',
      path: '/v1/tools',
      role: 'viewer',
      summary: 'Every tool that agents see on the aggregate',
      answers: { 200: jsonRow('The tools, by service', toolList) },
      handle: () => jsonAnswer(toolsOf(fleet.value)),
    },
    {
      method: 'get',
      path: '/v1/problems',
      role: 'viewer',
      summary: 'Everything that is wrong at present',
      answers: { 200: jsonRow('The problems', problemList) },
      handle: () => jsonAnswer({ problems: problems().map(listed) }),
    },
  ];
}
