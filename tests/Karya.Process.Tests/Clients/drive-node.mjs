// Drives a node through the published client, unmodified. Prints what it saw as JSON; the test judges it.
// Arguments: node URL, authority of the target that plans call. Run in a folder where karya-client is installed.
import { KaryaRestClient } from 'karya-client/client/karya-rest-client.js';
import { ClientConfig } from 'karya-client/client/config.js';
import { CreateUserRequest, SubmitPlanRequest, UpdatePlanRequest } from 'karya-client/client/requests.js';
import { ChainedRequest, RestApiRequest, SlackMessageRequest } from 'karya-client/entities/actions.js';
import { Method, Protocol, Trigger } from 'karya-client/entities/constants.js';
import { Hook } from 'karya-client/entities/models.js';
import { OneTime, Recurring } from 'karya-client/entities/plan-types.js';

const [url, target] = process.argv.slice(2);
const client = new KaryaRestClient(new ClientConfig(new URL(url)));
const call = (path) => new RestApiRequest(
  `${target}/${path}`, new RestApiRequest.JsonBody({ n: 1 }), Protocol.HTTP, Method.POST, { 'x-key': 'v' }, 1500);

// Asks until the plan's summary is as wanted; the limit is only for a node that never gets there.
async function until(planId, isReached) {
  for (let tries = 0; tries < 300; tries++) {
    const summary = await client.getSummary(planId);
    if (isReached(summary)) return summary;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`plan ${planId} did not get there: ${JSON.stringify(await client.getSummary(planId))}`);
}

async function statusOf(promise) {
  try {
    await promise;
    return 200;
  } catch (error) {
    return `${error.response?.status} ${error.response?.data}`;
  }
}

const seen = {};
const user = await client.createUser(new CreateUserRequest('mira smith & co'));
seen.user = user;
seen.found = await client.getUser('mira smith & co');
seen.unknownUser = await statusOf(client.getUser('nobody'));

const oneTime = await client.submitPlan(new SubmitPlanRequest(user.id, 'one-time', 'PT0.2S', new OneTime(), call('ok')));
seen.oneTime = oneTime;
seen.oneTimeDone = await until(oneTime.id, (s) => s.plan.status === 'COMPLETED');

const recurring = await client.submitPlan(new SubmitPlanRequest(
  user.id, 'recurring', 'PT0.5S', new Recurring(Date.now() + 1950), call('ok')));
const unbounded = await client.submitPlan(new SubmitPlanRequest(user.id, 'unbounded', 'PT0.2S', new Recurring(), call('ok')));

const hooked = await client.submitPlan(new SubmitPlanRequest(
  user.id, 'failing', 'PT0.1S', new OneTime(), call('fail'),
  [new Hook(Trigger.ON_FAILURE, call('ok/hook')), new Hook(Trigger.ON_COMPLETION, new SlackMessageRequest('C1', '[]'), 1)], 0));

const chained = await client.submitPlan(new SubmitPlanRequest(
  user.id, 'chained', 'PT0.1S', new OneTime(),
  new ChainedRequest(new SubmitPlanRequest(user.id, 'child', 'PT600S', new OneTime(), call('ok')))));

const waiting = await client.submitPlan(new SubmitPlanRequest(user.id, 'waiting', 'PT1H', new OneTime(), call('ok')));
seen.waiting = waiting;
seen.waitingGet = await client.getPlan(waiting.id);
seen.updated = await client.updatePlan(new UpdatePlanRequest(waiting.id, 'PT2H', 5));
seen.cancelled = await client.cancelPlan(waiting.id);
seen.cancelledSummary = await client.getSummary(waiting.id);

seen.recurringDone = await until(recurring.id, (s) => s.plan.status === 'COMPLETED');
seen.unboundedRunning = await until(unbounded.id, (s) => s.tasks.filter((t) => t.status === 'SUCCESS').length >= 2);
seen.unboundedCancelled = await client.cancelPlan(unbounded.id);
seen.hookedDone = await until(hooked.id, (s) => s.plan.status === 'COMPLETED' && s.error_logs.length >= 2);
seen.chainedDone = await until(chained.id, (s) => s.plan.status === 'COMPLETED');
const child = (await client.listPlans(user.id, 0)).plans.find((plan) => plan.description === 'child');
seen.child = child;
seen.chainedCancelled = await client.cancelPlan(chained.id);
seen.childAfterCancel = await client.getPlan(child.id);
seen.list = await client.listPlans(user.id, 0);
seen.secondPage = await client.listPlans(user.id, 1);
seen.recurringChained = await statusOf(client.submitPlan(new SubmitPlanRequest(
  user.id, 'refused', 'PT1S', new Recurring(), new ChainedRequest(
    new SubmitPlanRequest(user.id, 'child', 'PT1S', new OneTime(), call('ok'))))));
seen.unknownPlan = await statusOf(client.getPlan('00000000-0000-0000-0000-000000000000'));
await client.close();
console.log(JSON.stringify(seen));
