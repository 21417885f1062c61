// A grammY runner echo bot: answers each update with its number after $HANDLER_MS of work. --bare
// handles no signal; --documented has only the SIGTERM handler of grammY's documentation.
//
// The runner handles up to 500 updates at once and keeps polling, which confirms what it received.
// `stop` ends polling without confirming the last batch, so the next bot gets it again. So wait for
// the running handlers, then confirm.

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
