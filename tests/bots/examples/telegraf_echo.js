// A telegraf echo bot: answers each update with its number after $HANDLER_MS of work. --bare
// handles no signal.
//
// telegraf handles a whole batch at once and polls again when all of it is finished. `stop` ends
// polling, waits for the batch and confirms it. Without a handler, SIGTERM ends Node at once, and
// the next bot gets the whole batch again.

const { setTimeout: sleep } = require("node:timers/promises");
const { Telegraf } = require("telegraf");

const work = Number(process.env.HANDLER_MS ?? 0);
const bot = new Telegraf(process.env.BOT_TOKEN, { telegram: { apiRoot: process.env.API_URL } });

bot.use(async (ctx) => {
  await sleep(work);
  await ctx.telegram.sendMessage(ctx.chat.id, `update ${ctx.update.update_id}`);
});

if (!process.argv.includes("--bare")) {
  process.once("SIGTERM", () => bot.stop("SIGTERM"));
}
bot.launch();
