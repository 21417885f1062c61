// A telegraf bot as people write them: it answers each update with its number, after $HANDLER_MS of work. With --bare it minds no
// signal.
//
// telegraf works at all updates of a batch at once, and polls again when the last of them is done: what it has confirmed is
// finished. `stop` ends the polling, waits for the batch and confirms it. Without a handler SIGTERM ends Node at once, and
// the next bot gets the whole batch again, the finished ones too.

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
