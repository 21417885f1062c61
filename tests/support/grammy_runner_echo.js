// A grammY bot with its runner, for handlers that are slow: it answers each update with its number, after $HANDLER_MS of work. With
// --bare it minds no signal.
//
// The runner works at up to 500 updates at once, and polls on meanwhile, which confirms what was taken. `stop` ends the polling;
// Node ends when nothing is at work any more.

const { setTimeout: sleep } = require("node:timers/promises");
const { Bot } = require("grammy");
const { run } = require("@grammyjs/runner");

const work = Number(process.env.HANDLER_MS ?? 0);
const bot = new Bot(process.env.BOT_TOKEN, { client: { apiRoot: process.env.API_URL } });

bot.use(async (ctx) => {
  await sleep(work);
  await ctx.api.sendMessage(ctx.chat.id, `update ${ctx.update.update_id}`);
});

const runner = run(bot);
if (!process.argv.includes("--bare")) {
  process.once("SIGTERM", () => runner.stop());
}
