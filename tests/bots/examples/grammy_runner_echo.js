// A grammY bot with its runner, for handlers that are slow: it answers each update with its number, after $HANDLER_MS of work. With
// --bare it minds no signal; with --documented it has the line for SIGTERM that grammY's documentation shows, and nothing else.
//
// The runner works at up to 500 updates at once, and polls on meanwhile, which confirms what was taken. `stop` ends the polling and
// confirms nothing: where the next poll had not gone out yet, the next bot gets the last batch again. So wait until nothing is at
// work, and confirm what was taken.

const { setTimeout: sleep } = require("node:timers/promises");
const { Bot } = require("grammy");
const { run } = require("@grammyjs/runner");

const work = Number(process.env.HANDLER_MS ?? 0);
const has = (flag) => process.argv.includes(flag);
const bot = new Bot(process.env.BOT_TOKEN, { client: { apiRoot: process.env.API_URL } });

let taken = 0;
bot.use((ctx, next) => {
  taken = Math.max(taken, ctx.update.update_id);
  return next();
});

bot.use(async (ctx) => {
  await sleep(work);
  await ctx.api.sendMessage(ctx.chat.id, `update ${ctx.update.update_id}`);
});

const runner = run(bot);
if (!has("--bare")) {
  process.once("SIGTERM", async () => {
    await runner.stop();
    if (has("--documented")) return;
    while (runner.size() > 0) await sleep(50);
    if (taken > 0) await bot.api.getUpdates({ offset: taken + 1, limit: 1, timeout: 0 });
  });
}
